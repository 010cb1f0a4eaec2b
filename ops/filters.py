"""Which transfers an operator means: the options that `list` and `plan` share, and what they come to."""

from dataclasses import dataclass
from typing import Annotated

import typer

from epay_transfers.ledger.limits import Day
from epay_transfers.ledger.money import to_minor
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import span_ms

Terminal = Annotated[str | None, typer.Option(help="Only those of this terminal.")]
Older = Annotated[str | None, typer.Option(metavar="SPAN", help="In their state for longer: 30s, 5min, 2h, 3d.")]
Younger = Annotated[
    str | None, typer.Option(metavar="SPAN", help="In their state for less; today: since midnight (Almaty).")
]
Why = Annotated[str | None, typer.Option(help="Why they are there: a word that lists show, or code_484.")]
Amount = Annotated[str | None, typer.Option(help="Of this amount, like 15000 or 4500.50.")]
LastFour = Annotated[str | None, typer.Option(metavar="DIGITS", help="Of one of the cards.")]

#: The bank's day, as the overview counts what was paid in it.
TODAY = "today"

_LAST = 4


@dataclass(frozen=True, slots=True)
class Times:
    """In their state since this moment (ms) or later, and until that one or earlier; None: no bound."""

    since_ms: int | None
    until_ms: int | None


def times(older: str | None, younger: str | None, now_ms: int) -> Times:
    """Raises `BadParameter`."""
    return Times(
        since_ms=_since_ms(younger, now_ms) if younger else None,
        until_ms=now_ms - span_ms("older", older) if older else None,
    )


def _since_ms(younger: str, now_ms: int) -> int:
    return Day.of(now_ms).begins_ms if younger == TODAY else now_ms - span_ms("younger", younger)


def known_terminal(context: Context, terminal: str | None) -> str | None:
    """A terminal of the settings, or one that they have no more and that has transfers. Raises `Refusal`."""
    if terminal is None or context.settings.space_of(terminal) is not None:
        return terminal
    known = context.ledger.totals().terminals
    if terminal not in known:
        names = dict.fromkeys(("main", *context.settings.epay_terminals, *known))
        raise Refusal(f"terminal: no settings and no transfer know it; give one of {', '.join(names)}")
    return terminal


def minor_units(amount: str | None) -> int | None:
    """Raises `BadParameter`."""
    if amount is None:
        return None
    try:
        return to_minor(amount, "KZT")
    except ValueError:
        raise typer.BadParameter("amount: give it like 15000 or 4500.50") from None


def four_digits(text: str | None) -> str | None:
    """Raises `BadParameter`."""
    if text is not None and not (len(text) == _LAST and text.isascii() and text.isdigit()):
        raise typer.BadParameter("last-four: give the last four digits of a card")
    return text
