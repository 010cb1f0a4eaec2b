"""`transfers queue rebuild`: send a wake-up for every unfinished transfer, after the queue was lost. Safe to repeat."""

from collections import Counter
from collections.abc import Iterator

import dramatiq
import typer

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups, wakeup_of
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import UNFINISHED, State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import AsJson, ReasonText, checked

app = typer.Typer(name="queue", help="The queue of wake-ups, which can always be made again.", no_args_is_help=True)

_PAGE = 500

#: When the sweeper sends the next wake-up where no worker got this one.
WAKEUP_MS = 5_000


@app.callback()
def _root() -> None:
    """Needed by typer, for this group has one command so far."""


@app.command()
def rebuild(*, apply: bool = False, reason: ReasonText = "", as_json: AsJson = False) -> None:
    """Say how many wake-ups would be sent; with --apply and a --reason, send them. A wake-up too many does nothing."""
    if apply and not reason:
        raise typer.BadParameter("--apply needs a --reason, which stands in the event")
    context = Context.connect()
    why = checked(reason, "reason") if apply else ""
    records = list(_waiting(context))
    counts = Counter(wakeup.queue for record in records if (wakeup := wakeup_of(record)))
    sent = 0
    if apply:
        records = _marked(context, records)
        client = connect(context.settings.queue_url, text=False)
        middleware: list[dramatiq.Middleware] = []
        sent = Wakeups(Broker(client, middleware, {})).send_all(records)
        client.close()
        context.events.alarm(Alarm.QUEUE_REBUILT, actor=context.actor, reason=why, sent=str(sent))
    if as_json:
        screen.say_json({"wakeups": dict(counts), "sent": sent})
    else:
        screen.say(screen.table(("queue", "count"), sorted(counts.items())))
        screen.say(f"{sent} wake-ups sent." if apply else "Dry run. Add --apply --reason TEXT to send the wake-ups.")
    if apply and sent < len(records):
        raise Refusal("the queue went away meanwhile: run it again")


def _marked(context: Context, records: list[Record]) -> list[Record]:
    """Those that get a wake-up: a queued one has it counted in its record first, or has moved on meanwhile.

    A worker takes a wake-up that the record does not count for its producer's, and the card to be there. So
    one whose card could not be put would be claimed, and its producer could not bring the card any more.
    """
    fresh = [record for record in records if record.state is State.QUEUED and not record.wakeups]
    gone: set[str] = set()
    for start in range(0, len(fresh), _PAGE):
        page = fresh[start : start + _PAGE]
        in_time_ms = context.clock.now_ms() + WAKEUP_MS
        moves: list[tuple[Record, Verb, Change]] = []
        for record in page:
            due = min(max(in_time_ms, record.next_attempt_at), record.deadline_at)
            change = Change(due_at=due, increments=("wakeups",), silent=True)
            moves.append((record, Verb.SCHEDULE_WAKEUP, change))
        replies = context.ledger.move_many(moves, actor=context.actor)
        gone |= {record.key for record, reply in zip(page, replies, strict=True) if isinstance(reply, Refused)}
    return [record for record in records if record.key not in gone]


def _waiting(context: Context) -> Iterator[Record]:
    """The transfers that a worker has something to do for."""
    for state in sorted(UNFINISHED):
        for record in context.ledger.all_in_state(state, _PAGE):
            if wakeup_of(record) and not (record.state is State.DEAD and not record.requested_action):
                yield record
