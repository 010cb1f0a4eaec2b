"""The event log: every move of every transfer, with who and why. It is the outcome feed *and* the audit trail.

Moves write it inside their own script; here it is read, and trimmed, never past the slowest group of readers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import redis_errors_as

Entries = list[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is its place in the log. `fields` are those that `_move.lua` writes, and what the move told besides."""

    id: str
    fields: dict[str, str]

    @property
    def at_ms(self) -> int:
        """A move says when it was made; of anything else its place in the log tells, which is its server's time."""
        return int(self.fields.get("at") or _place(self.id)[0])


class Events:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock

    def newest(self, limit: int = 50, *, key: str | None = None, scan: int = 100_000) -> list[Event]:
        """The last events, oldest of them first; of one transfer where `key` is given, looking `scan` events back."""
        found: list[Event] = []
        before = "+"
        while len(found) < limit and scan > 0:
            page = min(1000 if key else limit, scan)
            with redis_errors_as(LedgerUnavailable):
                raw = cast("Entries", self._client.xrevrange(redis_keys.EVENTS, before, "-", count=page))
            found += [Event(*entry) for entry in raw if key is None or entry[1].get("key") == key]
            if len(raw) < page:
                break
            before = f"({raw[-1][0]}"
            scan -= page
        return found[:limit][::-1]

    def follow(self, after: str = "$", *, block_ms: int = 1000) -> Iterator[list[Event]]:
        """Batches of new events as they come; an empty one where nothing came in time."""
        if after == "$":
            latest = self.newest(1)
            after = latest[-1].id if latest else "0"
        while True:
            with redis_errors_as(LedgerUnavailable):
                raw = cast("Any", self._client.xread({redis_keys.EVENTS: after}, count=500, block=block_ms))
            entries = _entries_of(raw)
            if entries:
                after = entries[-1][0]
            yield [Event(*entry) for entry in entries]

    # Groups: each event goes to one consumer of a group, and stays with it until it is acknowledged.

    def join(self, group: str) -> None:
        """A new group begins with the oldest event that is kept; one that is known goes on where it was."""
        with redis_errors_as(LedgerUnavailable):
            try:
                self._client.xgroup_create(redis_keys.EVENTS, group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def take(self, group: str, consumer: str, *, count: int, block_ms: int = 0, after: str = ">") -> list[Event]:
        """New events for this consumer; with `after`, those that it took before and has not acknowledged."""
        with redis_errors_as(LedgerUnavailable):
            raw = cast(
                "Any",
                self._client.xreadgroup(
                    group, consumer, {redis_keys.EVENTS: after}, count=count, block=block_ms or None
                ),
            )
        return [Event(place, fields or {}) for place, fields in _entries_of(raw)]

    def claim(self, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Event]:
        """What another consumer took so long ago that it may be dead: it is this one's now."""
        with redis_errors_as(LedgerUnavailable):
            raw = cast("Any", self._client.xautoclaim(redis_keys.EVENTS, group, consumer, idle_ms, "0-0", count=count))
        return [Event(place, fields or {}) for place, fields in raw[1]]

    def ack(self, group: str, event_id: str) -> None:
        with redis_errors_as(LedgerUnavailable):
            self._client.xack(redis_keys.EVENTS, group, event_id)

    def leave(self, group: str, consumer: str) -> None:
        """Forget a consumer that comes no more; not one that still owes something: that is claimed by another."""
        with redis_errors_as(LedgerUnavailable):
            owed = cast(
                "Any", self._client.xpending_range(redis_keys.EVENTS, group, "-", "+", 1, consumername=consumer)
            )
            if not owed:
                self._client.xgroup_delconsumer(redis_keys.EVENTS, group, consumer)

    def alarm(self, verb: Alarm, *, actor: str, **fields: str) -> None:
        """An event that is no move, and that an operator must see."""
        entry = {"verb": verb, "actor": actor} | fields
        with redis_errors_as(LedgerUnavailable):
            self._client.xadd(redis_keys.EVENTS, cast("Any", entry))

    def trim(self, keep_ms: int) -> int:
        """Forget what is older than `keep_ms`, but nothing that a group has not acknowledged. Returns how many."""
        with redis_errors_as(LedgerUnavailable):
            oldest = _place(f"{ledger_ms(self._client, self._test_clock) - keep_ms}-0")
            for group in self._client.xinfo_groups(redis_keys.EVENTS) if self._exists() else []:
                oldest = min(oldest, _place(group["last-delivered-id"]))
                waiting = self._client.xpending(redis_keys.EVENTS, group["name"])
                if waiting["min"]:
                    oldest = min(oldest, _place(waiting["min"]))
            return int(self._client.xtrim(redis_keys.EVENTS, minid=f"{oldest[0]}-{oldest[1]}", approximate=True))

    def _exists(self) -> bool:
        return bool(self._client.exists(redis_keys.EVENTS))


def _place(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def _entries_of(raw: Any) -> Entries:
    """XREAD's reply is a list of pairs in RESP2 and a dict of lists in RESP3."""
    if not raw:
        return []
    streams = raw.values() if isinstance(raw, dict) else [stream[1] for stream in raw]
    entries: Entries = []
    for stream in streams:
        for entry in stream:
            entries += [entry] if isinstance(entry, tuple) else entry
    return entries
