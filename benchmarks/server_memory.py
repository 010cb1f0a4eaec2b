"""Figure 8: server memory of a settled transfer without events, and of a parked one.

The ledger's server alone, and the queue on another. The stream of events is taken away, for it is kept for a time and
records for ever. The notes name the kinds of keys that take the most. `python -m benchmarks.server_memory`.
"""

from collections import Counter
from dataclasses import replace
from typing import cast

import redis

from benchmarks import figures, ours
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


def bytes_of(description: str, ends: State, *, archived: bool = False) -> tuple[float, float, str]:
    """Bytes of a transfer in this state, of its events, and what takes the most. `archived`: once it is that."""
    with ours.running(DURABILITY="relaxed") as started:
        given = replace(started, environment=started.environment | {"BROKER_URL": queue_url(started.vault.url)})
        given.client.config_set("appendonly", "no")  # its buffers are no transfer's
        _settle(given, description, ends, range(WARM_UP))
        if archived:
            _archive(given.client)
        before = _used(given.client)
        _settle(given, description, ends, range(WARM_UP, WARM_UP + TRANSFERS))
        if archived:
            _archive(given.client)
        used = [(after - begun) / TRANSFERS for begun, after in zip(before, _used(given.client), strict=True)]
        return used[0], used[1], _kinds(given.client)


def _settle(given: Ours, description: str, ends: State, numbers: range) -> None:
    given.enqueue(len(numbers), first=numbers.start, description=description)
    with given.worker():
        given.until(ends, numbers.stop)


def _archive(client: redis.Redis) -> None:
    """All that has ended, and its handles, which end a day later."""
    archived, now_ms = Archived(client), Ledger(client).now_ms()
    for name in list(client.scan_iter(redis_keys.every("r:"), count=1000)):
        record = cast("dict[str, str]", client.hgetall(name))
        if is_whole(record):
            archived.reduce(record, before_ms=now_ms + 1000, file="transfers-20260101T000000-0001.jsonl", actor="bench")
            client.delete(redis_keys.handle(record["handle"]))


def _used(client: redis.Redis) -> tuple[int, int]:
    """Bytes of all but events and the buffers of connections; and bytes of events."""
    stats = client.memory_stats()
    buffers = ("clients.normal", "lua.caches", "functions.caches", "aof.buffer")
    events = int(client.memory_usage(redis_keys.EVENTS, samples=0) or 0)
    return int(stats["total.allocated"]) - sum(int(stats[name]) for name in buffers) - events, events


def _kinds(client: redis.Redis) -> str:
    """By the word after the tag in a key's name."""
    sizes: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        sizes[str(key).split(":")[2]] += int(client.memory_usage(key, samples=0) or 0)
    return ", ".join(f"{kind} {size / (WARM_UP + TRANSFERS):.0f}" for kind, size in sizes.most_common(8))


def measure() -> list[Figure]:
    paid, events, paid_kinds = bytes_of("Payout", State.PAID)
    archived, _, archived_kinds = bytes_of("Payout", State.PAID, archived=True)
    parked, _, parked_kinds = bytes_of(ASKS_3DS, State.PARKED)
    return [
        Figure(8, "server memory of a settled transfer, without events", paid, "B", at_most=900, note=paid_kinds),
        Figure(8, "server memory of its events", events, "B"),
        Figure(8, "server memory of an archived transfer, without events", archived, "B", note=archived_kinds),
        Figure(8, "server memory of a parked transfer, without events", parked, "B", at_most=2560, note=parked_kinds),
    ]


def main() -> None:
    print(figures.table(measure()))


if __name__ == "__main__":
    main()
