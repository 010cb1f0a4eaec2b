"""`transfers doubt`: the money of which nobody knows yet whether it moved, and who finds out."""

import typer

from ledger.errors import RecordUnreadable
from ledger.record import Record
from ledger.states import State
from ops import screen, words
from ops.commands.status import as_dict
from ops.desk import Desk
from ops.options import AsJson, Limit
from ops.sums import sums

app = typer.Typer()


@app.command()
def doubt(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Transfers in doubt, and those held for a person: what is not known, why, and when the bank is asked again."""
    desk, unreadable, records = Desk.open(), list[RecordUnreadable](), list[Record]()
    for state in (State.HELD, State.IN_DOUBT):
        records += desk.ledger.in_state(state, limit, unreadable.append)
    total = sums(desk.ledger.counters(), State.IN_DOUBT, State.HELD)
    if as_json:
        transfers = [as_dict(record, []) for record in records] + screen.unreadable_json(unreadable)
        screen.say_json({"transfers": transfers, "total": [line.to_json() for line in total]})
        return
    now_ms = desk.ledger.now_ms()
    rows = [
        (
            record.key,
            record.reference,
            screen.state_text(record.state),
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - (record.doubted or record.since)),
            "; ".join(filter(None, (record.reason, words.code(record.code)))),
            screen.away(record.next, now_ms),
        )
        for record in records
    ]
    screen.say(screen.table(("transfer", "reference", "state", "amount", "age", "why", "asked again"), rows))
    screen.say_unreadable(unreadable)
    screen.say(f"Money in doubt: {'; '.join(map(str, total)) or 'none'}.")
    if any(record.state is State.HELD for record in records):
        screen.say(f"Held ones wait for {words.NEXT[State.HELD].format(key='KEY')}.")
