"""`transfers list`: lists the unfinished transfers of a state, oldest first; of a final state or of all, the newest."""

from typing import Annotated

import typer
from rich.table import Table

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.unreadable import Tell
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Limit

app = typer.Typer()

#: How many events are looked at for the newest transfers: each has a few.
_EVENTS_EACH = 20
_MOST_EVENTS = 20_000


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Argument(help="Only those in this state.")] = None,
    *,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Transfers of a state: unfinished ones oldest first, ended ones newest first. Without a state, the newest."""
    context, unreadable = Context.connect(), list[RecordUnreadable]()
    if state is not None and not state.final:
        records = context.ledger.in_state(state, limit, unreadable.append)
    else:
        records = _newest(context, state, limit, unreadable.append)
    if as_json:
        screen.say_json([Transfer.of(record).to_json() for record in records] + screen.unreadable_json(unreadable))
        return
    screen.say(table(records, context.ledger.now_ms()))
    screen.say_unreadable(unreadable)
    if not records:
        screen.say("No transfers." if state is None else f"No transfer is {state}.")


def table(records: list[Record], now_ms: int) -> Table:
    rows = [
        (
            record.key,
            record.reference,
            screen.state_text(record.state),
            screen.amount(record.amount, record.currency),
            screen.span(now_ms - record.state_since),
            "; ".join(filter(None, (descriptions.code(record.code), record.reason))),
        )
        for record in records
    ]
    return screen.table(("transfer", "reference", "state", "amount", "age", "why"), rows)


def _newest(context: Context, state: State | None, limit: int, on_unreadable: Tell) -> list[Record]:
    """The transfers with the newest events: the ledger has lists of unfinished transfers only."""
    events = context.events.newest(min(limit * _EVENTS_EACH, _MOST_EVENTS))
    names = dict.fromkeys(event.fields["key"] for event in reversed(events) if "key" in event.fields)
    records = context.ledger.get_many(list(names), on_unreadable)
    return [record for record in records if state in {None, record.state}][:limit]
