"""`transfers list`: lists transfers by state, terminal, age and more, a page at a time; without a state, the newest."""

from typing import Annotated

import typer
from rich.table import Table

from epay_transfers.ledger.money import to_minor
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import listing, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import AsJson, CursorText, Limit, cursor_of, span_ms

app = typer.Typer()


@app.command("list")
def list_(
    states: Annotated[
        list[State] | None, typer.Argument(metavar="[STATE]...", help="Only those in these states.")
    ] = None,
    *,
    terminal: Annotated[str | None, typer.Option(help="Only those of this terminal.")] = None,
    older: Annotated[
        str | None, typer.Option(metavar="SPAN", help="In their state for longer: 30s, 5min, 2h, 3d.")
    ] = None,
    younger: Annotated[str | None, typer.Option(metavar="SPAN", help="In their state for less than that.")] = None,
    why: Annotated[str | None, typer.Option(help="Why they are there: a word that lists show, or code_484.")] = None,
    code: Annotated[str | None, typer.Option(help="The bank's code, like 484.")] = None,
    amount: Annotated[str | None, typer.Option(help="Of this amount, like 15000 or 4500.50.")] = None,
    last_four: Annotated[str | None, typer.Option(metavar="DIGITS", help="Of one of the cards.")] = None,
    operator: Annotated[
        str | None, typer.Option(help="That this operator decided about, or asked for a move of.")
    ] = None,
    verb: Annotated[
        Verb | None, typer.Option(metavar="VERB", help="With this move among their events, like settle.")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    cursor: CursorText = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Transfers of these states, longest in them first; without a state all of them, newest first."""
    context = Context.connect()
    now_ms = context.ledger.now_ms()
    wanted = Wanted(
        states=list(dict.fromkeys(states or State)),
        terminal=_known(context, terminal),
        since_ms=now_ms - span_ms("younger", younger) if younger else None,
        until_ms=now_ms - span_ms("older", older) if older else None,
        newest=newest or not states,
        reason=why,
        code=code,
        amount=_minor(amount),
        last_four=_digits(last_four),
        operator=operator,
        verb=verb,
    )
    show(context, wanted, cursor=cursor, limit=limit, as_json=as_json)


def show(context: Context, wanted: Wanted, *, cursor: str | None, limit: int, as_json: bool) -> None:
    """A page of them, their sum, and why they are in their state."""
    found = listing.find(context.ledger, wanted, after=cursor_of(cursor), limit=limit)
    totals = context.ledger.totals().of(*wanted.states, terminal=wanted.terminal)
    if as_json:
        screen.say_json(listing.as_dict(found, totals))
        return
    if found.records:
        screen.say(table(found.records, context.ledger.now_ms()))
    screen.say_unreadable(found.unreadable)
    if len(wanted.states) < len(State):
        for line in sums_by_reason(wanted, totals):
            screen.say(line)
    for line in listing.last_words(found):
        screen.say(line)


def sums_by_reason(wanted: Wanted, totals: Totals) -> list[str]:
    """Of all in these states and terminals, whatever else is asked for."""
    of = f" of {wanted.terminal}" if wanted.terminal else ""
    said = [f"{', '.join(wanted.states)}{of}: {'; '.join(map(str, screen.sums(totals))) or 'none'}."]
    said += [f"  {word}: {'; '.join(map(str, screen.sums(those)))}" for word, those in totals.by_reason() if word]
    return said


def table(records: list[Record], now_ms: int) -> Table:
    rows = [
        (
            record.key,
            record.reference,
            screen.state_text(record.state),
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - record.state_since),
            listing.why_text(record),
        )
        for record in records
    ]
    return screen.table(("transfer", "reference", "state", "amount", "age", "why"), rows)


def _known(context: Context, terminal: str | None) -> str | None:
    """A terminal of the settings, or one that they have no more and that has transfers. Raises `Refusal`."""
    if terminal is None or context.settings.space_of(terminal) is not None:
        return terminal
    known = context.ledger.totals().terminals
    if terminal not in known:
        names = dict.fromkeys(("main", *context.settings.epay_terminals, *known))
        raise Refusal(f"terminal: no settings and no transfer know it; give one of {', '.join(names)}")
    return terminal


def _minor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return to_minor(text, "KZT")
    except ValueError:
        raise typer.BadParameter("amount: give it like 15000 or 4500.50") from None


def _digits(text: str | None) -> str | None:
    if text is not None and not (len(text) == _LAST and text.isascii() and text.isdigit()):
        raise typer.BadParameter("last-four: give the last four digits of a card")
    return text


_LAST = 4
