"""`transfers queue rebuild`: ring again for every unfinished transfer, after the queue was lost. Safe to run twice."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dramatiq
import typer

from ledger.doorbell import Broker, Doorbell, bell_of
from ledger.record import Record
from ledger.servers import connect
from ledger.states import UNFINISHED, State, Verb
from ops import screen
from ops.border import Refusal
from ops.desk import Desk
from ops.options import AsJson, Reason, said

app = typer.Typer(name="queue", help="The queue: a doorbell, which can always be made again.", no_args_is_help=True)

_PAGE = 500

#: When the sweeper rings again where no worker has heard this ring.
_RING_MS = 5_000


@app.callback()
def _root() -> None:
    """Needed by typer, for this group has one command so far."""


@app.command()
def rebuild(*, apply: bool = False, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say for whom a bell would ring; with --apply and a --reason, ring. A ring too many does nothing."""
    desk = Desk.open()
    why = said(reason, "reason") if apply else ""
    records = list(_waiting(desk))
    counts = Counter(bell.queue for record in records if (bell := bell_of(record)))
    rung = 0
    if apply:
        records = _marked(desk, records)
        client = connect(desk.settings.queue_url, text=False)
        middleware: list[dramatiq.Middleware] = []
        rung = Doorbell(Broker(client, middleware, {})).ring_all(records)
        client.close()
        desk.events.alarm("queue_rebuilt", actor=desk.actor, reason=why, rung=str(rung))
    if as_json:
        screen.say_json({"would_ring": dict(counts), "rung": rung})
    else:
        screen.say(screen.table(("queue", "count"), sorted(counts.items())))
        screen.say(f"{rung} rung." if apply else "Nobody was rung for: say --apply --reason TEXT to ring.")
    if apply and rung < len(records):
        raise Refusal("the queue went away meanwhile: run it again")


def _marked(desk: Desk, records: list[Record]) -> list[Record]:
    """Those that are rung for: a queued one says so in its record first, or has moved on meanwhile and needs no ring.

    For a ring that the record knows nothing of, a worker takes the card to be there: that ring was its producer's. So
    one whose card could not be put would be claimed, and its producer could not bring the card any more.
    """
    fresh = [record for record in records if record.state is State.QUEUED and not record.rings]
    gone: set[str] = set()
    for start in range(0, len(fresh), _PAGE):
        page = fresh[start : start + _PAGE]
        in_time_ms = desk.clock.now_ms() + _RING_MS
        moves: list[tuple[Record, Verb, dict[str, Any]]] = []
        for record in page:
            due = min(max(in_time_ms, record.next), record.expires)
            moves.append((record, Verb.RING, {"due": due, "add": ("rings",), "quiet": True}))
        replies = desk.ledger.move_many(moves, actor=desk.actor)
        gone |= {record.key for record, reply in zip(page, replies, strict=True) if not reply}
    return [record for record in records if record.key not in gone]


def _waiting(desk: Desk) -> Iterator[Record]:
    """Whoever a worker is to come for."""
    for state in sorted(UNFINISHED):
        for record in desk.ledger.all_in_state(state, _PAGE):
            if bell_of(record) and not (record.state is State.DEAD and not record.asked):
                yield record
