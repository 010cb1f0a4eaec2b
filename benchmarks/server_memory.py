"""Figure 8: server memory of a settled transfer without events, and of a parked one.

The ledger's server alone, and the queue on another. What is kept for a time is apart from what is kept for ever: the
stream of events is taken away, and of a settled transfer what its server forgets after a day (the handle, with the
client's way home) is counted in a row of its own. The notes name the kinds of keys that take the most.
`python -m benchmarks.server_memory`.
"""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import redis

from benchmarks import figures, ours, processes
from benchmarks.fast_bank import ASKS_3DS
from benchmarks.figures import Figure
from benchmarks.ours import Ours
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived, is_whole
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.servers import queue_url

TRANSFERS = 3000

#: Before the first reading, so that the server has all that it needs for itself.
WARM_UP = 500

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Bytes:
    """Of one transfer, and which kinds of keys take the most."""

    now: float
    for_ever: float  #: once its server has forgotten what it keeps for a time
    events: float
    kinds_now: str
    kinds_for_ever: str


def bytes_of(description: str, ends: State, *, archived: bool = False) -> Bytes:
    """Of a transfer in this state. `archived`: once it is that."""
    with ours.running(DURABILITY="relaxed") as started:
        given = replace(started, environment=started.environment | {"BROKER_URL": queue_url(started.vault.url)})
        client = given.client
        client.config_set("appendonly", "no")  # its buffers are no transfer's
        _settle(given, description, ends, range(WARM_UP))
        if archived:
            _archive(client)
        _forget(client)
        begun, events_begun = _used(client)
        _settle(given, description, ends, range(WARM_UP, WARM_UP + TRANSFERS))
        if archived:
            _archive(client)
        now, events = _used(client)
        kinds_now = _kinds(client)
        _forget(client)
        for_ever, _ = _used(client)
        return Bytes(
            now=(now - begun) / TRANSFERS,
            for_ever=(for_ever - begun) / TRANSFERS,
            events=(events - events_begun) / TRANSFERS,
            kinds_now=kinds_now,
            kinds_for_ever=_kinds(client),
        )


def _settle(given: Ours, description: str, ends: State, numbers: range) -> None:
    given.enqueue(len(numbers), first=numbers.start, description=description)
    with given.worker():
        given.until(ends, numbers.stop)


def _archive(client: redis.Redis) -> None:
    """All that has ended."""
    archived, now_ms = Archived(client), Ledger(client).now_ms()
    for name in list(client.scan_iter(redis_keys.every("r:"), count=_PAGE)):
        record = cast("dict[str, str]", client.hgetall(name))
        if is_whole(record):
            archived.reduce(record, before_ms=now_ms + 1000, file="transfers-20260101T000000-0001.jsonl", actor="bench")


def _forget(client: redis.Redis) -> None:
    """What the server itself forgets in time."""
    names = client.scan_iter(count=_PAGE)
    while page := list(islice(names, _PAGE)):
        pipeline = client.pipeline(transaction=False)
        for name in page:
            pipeline.pttl(name)
        passing = [name for name, left in zip(page, pipeline.execute(), strict=True) if left > 0]
        if passing:
            client.delete(*passing)


def _used(client: redis.Redis) -> tuple[int, int]:
    """Bytes of all but events and the buffers of connections; and bytes of events.

    While the server moves its table of keys to another one, it has both.
    """
    processes.until(lambda: not client.memory_stats().get("db.dict.rehashing.count"), "one table of keys", every_s=0.5)
    stats = client.memory_stats()
    buffers = ("clients.normal", "lua.caches", "functions.caches", "aof.buffer")
    events = int(client.memory_usage(redis_keys.EVENTS, samples=0) or 0)
    return int(stats["total.allocated"]) - sum(int(stats[name]) for name in buffers) - events, events


def _kinds(client: redis.Redis) -> str:
    """By the word after the tag in a key's name."""
    sizes: Counter[str] = Counter()
    for key in client.scan_iter(count=_PAGE):
        sizes[str(key).split(":")[2]] += int(client.memory_usage(key, samples=0) or 0)
    return ", ".join(f"{kind} {size / (WARM_UP + TRANSFERS):.0f}" for kind, size in sizes.most_common(8))


def measure() -> list[Figure]:
    paid, parked = bytes_of("Payout", State.PAID), bytes_of(ASKS_3DS, State.PARKED)
    archived = bytes_of("Payout", State.PAID, archived=True)
    return [
        Figure(
            8,
            "server memory of a settled transfer, without events",
            paid.for_ever,
            "B",
            at_most=900,
            note=paid.kinds_for_ever,
        ),
        Figure(8, "server memory of it in its first day, with its handle", paid.now, "B", note=paid.kinds_now),
        Figure(8, "server memory of its events", paid.events, "B"),
        Figure(
            8,
            "server memory of an archived transfer, without events",
            archived.for_ever,
            "B",
            note=archived.kinds_for_ever,
        ),
        Figure(
            8,
            "server memory of a parked transfer, without events",
            parked.now,
            "B",
            at_most=2560,
            note=parked.kinds_now,
        ),
    ]


def main() -> None:
    print(figures.table(measure()))


if __name__ == "__main__":
    main()
