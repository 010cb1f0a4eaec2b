"""How many transfers, and how much money, by currency: read from the ledger's own counters, whatever their number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from epay_transfers.ledger.money import EXPONENTS, to_decimal
from epay_transfers.ledger.states import State
from epay_transfers.ops import screen


@dataclass(frozen=True, slots=True)
class Sum:
    count: int
    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.count} with {screen.amount(self.amount_minor, self.currency)}"

    def to_json(self) -> dict[str, Any]:
        amount = str(to_decimal(self.amount_minor, self.currency))
        return {"count": self.count, "amount": amount, "currency": self.currency}


def sums(counters: Mapping[str, int], *states: State) -> list[Sum]:
    """Of these states together, a line a currency that has any."""
    made = [_of(counters, states, currency) for currency in EXPONENTS]
    return [line for line in made if line.count]


def _of(counters: Mapping[str, int], states: Iterable[State], currency: str) -> Sum:
    of = list(states)
    count = sum(counters.get(f"n:{state}:{currency}", 0) for state in of)
    return Sum(count, sum(counters.get(f"sum:{state}:{currency}", 0) for state in of), currency)
