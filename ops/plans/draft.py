"""What is to be planned, as a command's options or a form say it: what with which transfers, and the caps on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from epay_transfers.ledger.money import to_minor
from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.filters import four_digits, known_terminal, minor_units, times
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import checked
from epay_transfers.ops.plans.options import amount_text
from epay_transfers.ops.plans.plan import STATES, How, What

MOST_TRANSFERS = 1000
MOST_MONEY = "10000000"


@dataclass(frozen=True, slots=True)
class Caps:
    """More than this is refused, so that a filter that chose too much is seen in time. `money`: of each currency."""

    count: int = MOST_TRANSFERS
    money: str = MOST_MONEY  #: in units of the currency

    def check(self, count: int, sums: Mapping[str, int]) -> None:
        """Raises `Refusal`."""
        if count > self.count:
            raise Refusal(
                f"these are {count} transfers, and --max-count is {self.count}: narrow the filter, or say --max-count "
                f"{count} where so many are meant"
            )
        for currency, minor in sums.items():
            if minor > self._minor(currency):
                raise Refusal(
                    f"the sum is {screen.amount(minor, currency)}, and --max-sum is {self.money}: narrow the filter, "
                    "or raise --max-sum where so much is meant"
                )

    def _minor(self, currency: str) -> int:
        try:
            return to_minor(self.money, currency)
        except ValueError as error:
            raise Refusal(f"--max-sum: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`states`: all that a plan of this kind may have, where none is named. `asks`: the bank, about each, now.

    `counted`: the word by which the ledger counts them, which groups have; "" is a word.
    """

    what: What
    caps: Caps
    asks: bool
    states: Sequence[State] = ()
    terminal: str | None = None
    older: str | None = None
    younger: str | None = None
    why: str | None = None
    amount: str | None = None
    last_four: str | None = None
    counted: str | None = None
    how: How | None = None
    evidence: str = ""

    def __post_init__(self) -> None:
        """Raises `BadParameter`, `Refusal`."""
        if others := [state for state in self.states if state not in STATES[self.what]]:
            raise typer.BadParameter(f"{', '.join(others)}: a plan to {self.what} is of {', '.join(STATES[self.what])}")
        amount_text(self.caps.money)
        if self.what is What.SETTLE:
            if self.how is None:
                raise typer.BadParameter("give exactly one of --paid, --not-paid, --reversed")
            object.__setattr__(self, "evidence", checked(self.evidence, "evidence"))
        object.__setattr__(self, "states", tuple(dict.fromkeys(self.states or STATES[self.what])))
        if not self.chosen_by.isprintable():
            raise Refusal("the filter: it must be on one line")

    @property
    def chosen_by(self) -> str:
        """As `transfers plan` is typed; a group's word, which it does not take, stands apart."""
        options = {
            "terminal": self.terminal,
            "older": self.older,
            "younger": self.younger,
            "why": self.why,
            "amount": self.amount,
            "last-four": self.last_four,
        }
        counted = [] if self.counted is None else [f"(counted as {self.counted or 'no reason'})"]
        return " ".join([*self.states, *(f"--{name} {value}" for name, value in options.items() if value), *counted])

    def wanted(self, context: Context) -> Wanted:
        """Raises `BadParameter`, `Refusal`."""
        within = times(self.older, self.younger, context.ledger.now_ms())
        return Wanted(
            states=self.states,
            terminal=known_terminal(context, self.terminal),
            since_ms=within.since_ms,
            until_ms=within.until_ms,
            reason=self.why,
            amount=minor_units(self.amount),
            last_four=four_digits(self.last_four),
            counted=self.counted,
        )
