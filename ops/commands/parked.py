"""`transfers parked`: lists transfers that wait for a client's answer to 3-D Secure, and until when."""

import typer

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Limit

app = typer.Typer()


@app.command()
def parked(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Transfers that wait for a client's 3-D Secure answer, longest first. No money has moved for any of them."""
    context, unreadable = Context.connect(), list[RecordUnreadable]()
    records = context.ledger.in_state(State.PARKED, limit, unreadable.append)
    total = screen.sums(context.ledger.totals(), State.PARKED)
    if as_json:
        transfers = [Transfer.of(record).to_json() for record in records] + screen.unreadable_json(unreadable)
        screen.say_json({"transfers": transfers, "total": [line.to_json() for line in total]})
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
        for record in records
    ]
    screen.say(screen.table(("transfer", "reference", "amount", "age", "answer until", "asked"), rows))
    screen.say_unreadable(unreadable)
    screen.say(f"Parked: {'; '.join(map(str, total)) or 'none'}.")
