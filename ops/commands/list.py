"""`transfers list`: lists transfers by state, terminal, age and more, a page at a time; without a state, the newest."""

from typing import Annotated

import typer
from rich.table import Table

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import listing, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.filters import (
    Amount,
    LastFour,
    Older,
    Terminal,
    Why,
    Younger,
    four_digits,
    known_terminal,
    minor_units,
    times,
)
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.long_table import LongTable
from epay_transfers.ops.options import AsJson, CursorText, Limit, cursor_of

app = typer.Typer()


@app.command("list")
def list_(
    states: Annotated[
        list[State] | None, typer.Argument(metavar="[STATE]...", help="Only those in these states.")
    ] = None,
    *,
    terminal: Terminal = None,
    older: Older = None,
    younger: Younger = None,
    why: Why = None,
    code: Annotated[str | None, typer.Option(help="The bank's code, like 484.")] = None,
    amount: Amount = None,
    last_four: LastFour = None,
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
    within = times(older, younger, context.ledger.now_ms())
    wanted = Wanted(
        states=list(dict.fromkeys(states or State)),
        terminal=known_terminal(context, terminal),
        since_ms=within.since_ms,
        until_ms=within.until_ms,
        newest=newest or not states,
        reason=why,
        code=code,
        amount=minor_units(amount),
        last_four=four_digits(last_four),
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


def table(records: list[Record], now_ms: int) -> Table | LongTable:
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
