"""`transfers doubt`: money in doubt, why, and what happens next."""

import typer

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.commands.status import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Limit

app = typer.Typer()


@app.command()
def doubt(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Transfers in doubt or in review: what is not known, why, and when the bank is asked again."""
    context, unreadable, records = Context.connect(), list[RecordUnreadable](), list[Record]()
    for state in (State.NEEDS_REVIEW, State.IN_DOUBT):
        records += context.ledger.in_state(state, limit, unreadable.append)
    total = screen.sums(context.ledger.totals(), State.IN_DOUBT, State.NEEDS_REVIEW)
    if as_json:
        transfers = [as_dict(record, []) for record in records] + screen.unreadable_json(unreadable)
        screen.say_json({"transfers": transfers, "total": [line.to_json() for line in total]})
        return
    now_ms = context.ledger.now_ms()
    rows = [
        (
            record.key,
            record.reference,
            screen.state_text(record.state),
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - (record.in_doubt_since or record.state_since)),
            "; ".join(filter(None, (record.reason, descriptions.code(record.code)))),
            screen.away(record.next_attempt_at, now_ms),
        )
        for record in records
    ]
    screen.say(screen.table(("transfer", "reference", "state", "amount", "age", "why", "asked again"), rows))
    screen.say_unreadable(unreadable)
    screen.say(f"Money in doubt: {'; '.join(map(str, total)) or 'none'}.")
    if any(record.state is State.NEEDS_REVIEW for record in records):
        screen.say(f"Transfers in review wait for {descriptions.NEXT[State.NEEDS_REVIEW].format(key='KEY')}.")
