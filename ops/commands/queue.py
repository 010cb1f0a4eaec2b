"""`transfers queue rebuild`: ring again for every unfinished transfer, after the queue was lost. Safe to run twice."""

from collections import Counter
from collections.abc import Iterator

import dramatiq
import typer

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
from epay_transfers.ops.options import AsJson, Reason, said

app = typer.Typer(name="queue", help="The queue: a wakeups, which can always be made again.", no_args_is_help=True)

_PAGE = 500

#: When the sweeper rings again where no worker has heard this ring.
WAKEUP_MS = 5_000


@app.callback()
def _root() -> None:
    """Needed by typer, for this group has one command so far."""


@app.command()
def rebuild(*, apply: bool = False, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say for whom a wakeup would ring; with --apply and a --reason, ring. A ring too many does nothing."""
    context = Context.open()
    why = said(reason, "reason") if apply else ""
    records = list(_waiting(context))
    counts = Counter(wakeup.queue for record in records if (wakeup := wakeup_of(record)))
    rung = 0
    if apply:
        records = _marked(context, records)
        client = connect(context.settings.queue_url, text=False)
        middleware: list[dramatiq.Middleware] = []
        rung = Wakeups(Broker(client, middleware, {})).send_all(records)
        client.close()
        context.events.alarm("queue_rebuilt", actor=context.actor, reason=why, rung=str(rung))
    if as_json:
        screen.say_json({"would_ring": dict(counts), "rung": rung})
    else:
        screen.say(screen.table(("queue", "count"), sorted(counts.items())))
        screen.say(f"{rung} rung." if apply else "Nobody was rung for: say --apply --reason TEXT to ring.")
    if apply and rung < len(records):
        raise Refusal("the queue went away meanwhile: run it again")


def _marked(context: Context, records: list[Record]) -> list[Record]:
    """Those that are rung for: a queued one says so in its record first, or has moved on meanwhile and needs no ring.

    For a ring that the record knows nothing of, a worker takes the card to be there: that ring was its producer's. So
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
    """Whoever a worker is to come for."""
    for state in sorted(UNFINISHED):
        for record in context.ledger.all_in_state(state, _PAGE):
            if wakeup_of(record) and not (record.state is State.DEAD and not record.requested_action):
                yield record
