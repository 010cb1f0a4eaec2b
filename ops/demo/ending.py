"""The end of the demo: compares the bank's books with the ledger. They count separately, and must agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.states import FINAL, UNFINISHED, State
from epay_transfers.ledger.store.totals import Totals


@dataclass(frozen=True, slots=True)
class Line:
    """One question, and what each side says to it."""

    question: str
    bank: str
    ledger: str

    @property
    def agrees(self) -> bool:
        return self.bank == self.ledger


def compare(books: Mapping[str, Any], kept: Totals, currency: str = "KZT") -> list[Line]:
    """`kept`: the ledger's own, as it counts them with every move."""
    totals = books["totals"]

    def count(*states: State) -> int:
        return kept.of(*states).count

    moved = to_decimal(kept.of(State.PAID).amounts.get(currency, 0), currency)
    once = sum(order["transfers_received"] == 1 for order in books["orders"].values())
    return [
        Line("transfers", str(totals["orders"]), str(count(*FINAL, *UNFINISHED))),
        Line("paid", str(totals["executed"]), str(count(State.PAID))),
        Line("declined", str(totals["declined"]), str(count(State.DECLINED))),
        Line(f"money moved, {currency}", _money(totals["money"].get(currency, "0")), _money(moved)),
        Line("asked for exactly once", str(once), str(count(*FINAL, *UNFINISHED))),
        Line("paid twice", str(len(totals["executed_twice"])), "0"),
        Line("not known, or not ended", str(totals["unanswered_challenges"]), str(count(*UNFINISHED))),
    ]


def table(lines: list[Line]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("")
    made.add_column("the bank's books", justify="right")
    made.add_column("the ledger's", justify="right")
    made.add_column("")
    for line in lines:
        agrees = Text("agree", style="green") if line.agrees else Text("DIFFER", style="bold red")
        made.add_row(line.question, line.bank, line.ledger, agrees)
    return made


def _money(amount: Decimal | str) -> str:
    return f"{Decimal(amount):,.2f}".replace(",", " ")
