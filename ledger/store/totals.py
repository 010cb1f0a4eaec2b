"""How many transfers there are and how much money is in them, by state, terminal, currency and why. Pure.

The scripts count them with each move: reading them costs the same with a hundred transfers and with a million.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State

NUMBER, SUM = "n", "sum"
_PARTS = 4  #: of a counter's name: state, terminal, currency and reason


@dataclass(frozen=True, slots=True)
class Total:
    """Of the transfers that have all of this in common. `amount` is in minor units."""

    state: State
    terminal: str
    currency: str
    reason: str  #: a word of ours, or `code_N` of the bank; "" where the state does not need one
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All of them, those with no transfer left out."""

    each: tuple[Total, ...] = ()

    @classmethod
    def of_counters(cls, counters: Mapping[str, int]) -> Self:
        """From the ledger's counters. What this version does not know is left out: another may count there too."""
        found = []
        for name, count in counters.items():
            kind, _, place = name.partition(":")
            parts = place.split(":", _PARTS - 1)
            if kind == NUMBER and count and len(parts) == _PARTS:
                state, terminal, currency, reason = parts
                if state in _STATES:
                    amount = counters.get(f"{SUM}:{place}", 0)
                    found.append(Total(State(state), terminal, currency, reason, count, amount))
        return cls(tuple(sorted(found, key=_order)))

    def of(self, *states: State, terminal: str | None = None, reason: str | None = None) -> Self:
        """Those of these states; of all states where none is named."""
        return type(self)(
            tuple(
                total
                for total in self.each
                if (not states or total.state in states)
                and terminal in {None, total.terminal}
                and reason in {None, total.reason}
            )
        )

    @property
    def count(self) -> int:
        return sum(total.count for total in self.each)

    @property
    def amounts(self) -> Mapping[str, int]:
        """Currency → minor units."""
        amounts: dict[str, int] = {}
        for total in self.each:
            amounts[total.currency] = amounts.get(total.currency, 0) + total.amount
        return amounts

    @property
    def terminals(self) -> Collection[str]:
        return sorted({total.terminal for total in self.each})

    def by_reason(self) -> Iterator[tuple[str, Self]]:
        """The most frequent first."""
        reasons = {total.reason for total in self.each}
        apart = [(reason, self.of(reason=reason)) for reason in reasons]
        yield from sorted(apart, key=lambda each: (-each[1].count, each[0]))


_STATES = frozenset(State)


def names_of(record: Record) -> tuple[str, str]:
    """The two counters that a transfer is counted in, as `_counters.lua` names them: how many, and how much."""
    return counter_names(record.state, record.terminal, record.currency, reason_of(record))


def counter_names(state: str, terminal: str, currency: str, reason: str) -> tuple[str, str]:
    place = f"{state}:{terminal}:{currency}:{reason}"
    return f"{NUMBER}:{place}", f"{SUM}:{place}"


def reason_of(record: Record) -> str:
    """Why it is in its state, as `_counters.lua` counts it."""
    return counted_reason(record.state, record.reason, record.code, record.message)


def counted_reason(state: str, reason: str, code: str, message: str) -> str:
    if state not in COUNTED_BY_REASON:
        return ""
    if state == State.DEAD and reason == Reason.ATTEMPTS_USED_UP and message:
        return message
    if code and (state == State.DECLINED or not reason):
        return f"code_{code}"
    return reason


#: In these states transfers are counted by why they are there.
COUNTED_BY_REASON = frozenset(
    {State.DEAD, State.IN_DOUBT, State.NEEDS_REVIEW, State.DECLINED, State.EXPIRED, State.CANCELLED}
)


def _order(total: Total) -> tuple[int, str, str, str]:
    return list(State).index(total.state), total.terminal, total.currency, total.reason
