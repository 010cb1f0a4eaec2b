"""`transfers parked`: lists transfers that wait for a client's answer to 3-D Secure, and until when."""

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ops import listing, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import AsJson, CursorText, Limit, cursor_of

app = typer.Typer()


@app.command()
def parked(*, cursor: CursorText = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Transfers that wait for a client's 3-D Secure answer, longest first. No money has moved for any of them."""
    context, wanted = Context.connect(), Wanted(states=[State.PARKED])
    found = listing.find(context.ledger, wanted, after=cursor_of(cursor), limit=limit)
    totals = context.ledger.totals().of(State.PARKED)
    if as_json:
        screen.say_json(listing.as_dict(found, totals))
        return
    now_ms = context.ledger.now_ms()
    rows = [
        (
            record.key,
            record.reference,
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - record.state_since),
            f"{screen.when(record.parked_until)}, {screen.away(record.parked_until, now_ms)}",
            record.requested_action,
        )
        for record in found.records
    ]
    screen.say(screen.table(("transfer", "reference", "amount", "age", "answer until", "asked"), rows))
    screen.say_unreadable(found.unreadable)
    screen.say(f"Parked: {'; '.join(map(str, screen.sums(totals))) or 'none'}.")
    if found.cursor or found.moved:
        for line in listing.last_words(found):
            screen.say(line)
