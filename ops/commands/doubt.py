"""`transfers doubt`: money in doubt, why, and what happens next."""

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ops import descriptions, listing, screen, typed
from epay_transfers.ops.commands.status import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import AsJson, Limit

app = typer.Typer()


#: Those that wait for a person come first.
_STATES = (State.NEEDS_REVIEW, State.IN_DOUBT)


@app.command()
def doubt(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Transfers in doubt or in review: what is not known, why, and when the bank is asked again."""
    context = Context.connect()
    found = {state: listing.find(context.ledger, Wanted(states=[state]), after=None, limit=limit) for state in _STATES}
    records = [record for those in found.values() for record in those.records]
    unreadable = [error for those in found.values() for error in those.unreadable]
    totals = context.ledger.totals().of(*_STATES)
    if as_json:
        screen.say_json({
            "transfers": [as_dict(record) for record in records],
            "unreadable": screen.unreadable_json(unreadable),
            "total": [line.to_json() for line in screen.sums(totals)],
            "cursors": {state: str(those.cursor) for state, those in found.items() if those.cursor},
        })  # fmt: skip
        return
    now_ms = context.ledger.now_ms()
    rows = [
        (
            record.key,
            record.reference,
            screen.state_text(record.state),
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - (record.in_doubt_since or record.state_since)),
            listing.why_text(record),
            screen.away(record.next_attempt_at, now_ms),
        )
        for record in records
    ]
    screen.say(screen.table(("transfer", "reference", "state", "amount", "age", "why", "asked again"), rows))
    screen.say_unreadable(unreadable)
    for record in records:
        if said := descriptions.unbelieved(record):
            screen.say(f"{record.key}: said by the bank, not believed: {said} ({descriptions.ASK_WITH_THESE}).")
    screen.say(f"Money in doubt: {'; '.join(map(str, screen.sums(totals))) or 'none'}.")
    if any(record.state is State.NEEDS_REVIEW for record in records):
        screen.say(
            f"Transfers in review wait for {descriptions.as_typed(descriptions.NEXT[State.NEEDS_REVIEW], 'KEY')}."
        )
    for state, those in found.items():
        if those.cursor:
            more = f"`{typed.command()} list {state} --cursor {those.cursor}`"
            screen.say(f"Not all of {state} are shown: {more} goes on.")
