"""The event log: the moves of every transfer but silent ones, with who and why.

It is the outcome feed *and* the audit trail. Scripts write it (`append_event` in `_events.lua`), each event with the
next number: so what was taken out of the log or forged shows (`runtime.trail`). Here it is read, and trimmed, never
past the slowest group of readers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger_format import broken
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.tell import Teller

#: Events that are read in one round trip.
_PAGE = 1000

#: An id as `_events.lua` writes it into a record; no record has a longer list of them than this.
_EVENT_ID = re.compile(r"([am])(\d{1,15})(?:-(\d{1,9}))?", re.ASCII)
_LONGEST_HISTORY = 4100

Entries = list[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is its place in the log. `fields` are those that `_counters.lua` writes, and what the move told besides."""

    id: str
    fields: dict[str, str]

    @property
    def at_ms(self) -> int:
        """A move says when it was made; of anything else its place in the log tells, which is its server's time."""
        return int(self.fields.get("at") or place_of(self.id)[0])


@dataclass(frozen=True, slots=True)
class LogState:
    """The log at one moment, and what the ledger counted by then.

    `counted` is the number of the last event that a script wrote; `added` is how many entries the server has seen added
    to this very stream, by whomever; `last_id` is the highest place that it has given.
    """

    counted: int
    added: int
    last_id: str
    oldest: Event | None


@dataclass(frozen=True, slots=True)
class History:
    """What became of one transfer, oldest first.

    `trimmed`: of so many events the log keeps nothing any more. `unlisted`: so many are not named in the record, which
    names the first one and the newest some hundred.
    """

    events: list[Event]
    trimmed: int = 0
    unlisted: int = 0


class Events:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self.tell = Teller(client).tell
        self._scripts = Scripts(client, ("trim",))

    def newest(self, limit: int = 50, *, before: str = "") -> list[Event]:
        """The last events, oldest of them first; with a place, the last ones before it."""
        if limit < 1:  # the client sends no such count
            return []
        with read_errors_as(LedgerUnavailable):
            last = f"({before}" if before else "+"
            raw = cast("Entries", self._client.xrevrange(redis_keys.EVENTS, last, "-", count=limit))
        return [Event(*entry) for entry in raw][::-1]

    def of(self, record: Record) -> "History":
        """The events of one transfer, by their ids in its record: each costs the same, however long the log is."""
        return self.of_many([record])[0]

    def of_many(self, records: Sequence[Record]) -> list["History"]:
        """Those of each, in one round trip."""
        named = [_ids_in(record.history) for record in records]
        pipeline = self._client.pipeline(transaction=False)
        for entry_id, _ in chain.from_iterable(named):
            pipeline.xrange(redis_keys.EVENTS, entry_id, entry_id)
        with read_errors_as(LedgerUnavailable):
            replies = iter(cast("list[Entries]", pipeline.execute() if any(named) else []))
        histories = []
        for record, ids in zip(records, named, strict=True):
            found = [Event(*raw[0]) for raw in islice(replies, len(ids)) if raw]
            moves = sum(is_move for _, is_move in ids)
            histories.append(History(found, trimmed=len(ids) - len(found), unlisted=max(0, record.version - moves)))
        return histories

    def follow(self, after: str = "$", *, block_ms: int = 1000) -> Iterator[list[Event]]:
        """Batches of new events as they come; an empty one where nothing came in time."""
        if after == "$":
            latest = self.newest(1)
            after = latest[-1].id if latest else "0"
        while True:
            with read_errors_as(LedgerUnavailable):
                raw = cast("Any", self._client.xread({redis_keys.EVENTS: after}, count=500, block=block_ms))
            entries = _entries_of(raw)
            if entries:
                after = entries[-1][0]
            yield [Event(*entry) for entry in entries]

    def state(self) -> LogState:
        """In one transaction: of what a script writes together, it shows all or nothing."""
        pipeline = self._client.pipeline()
        pipeline.hget(redis_keys.COUNTERS, "events")
        pipeline.xinfo_stream(redis_keys.EVENTS)
        with read_errors_as(LedgerUnavailable):
            counted, info = pipeline.execute(raise_on_error=False)
            for part, reply in (("counters", counted), ("events", info)):
                if str(reply).startswith("WRONGTYPE"):
                    raise LedgerBroken(part)
                if isinstance(reply, redis.RedisError) and not str(reply).startswith("no such key"):
                    raise reply
        try:
            number = int(counted or 0)
        except ValueError:
            raise LedgerBroken("counters") from None
        if isinstance(info, Exception):
            return LogState(number, 0, "0-0", None)
        oldest = info["first-entry"]
        return LogState(
            number, int(info["entries-added"]), info["last-generated-id"], Event(*oldest) if oldest else None
        )

    def all_until(self, last_id: str, *, after: str = "") -> Iterator[Event]:
        """Every event from the oldest one, or from the one after a place, to this place, a page a round trip."""
        after = f"({after}" if after else "-"
        while True:
            with read_errors_as(LedgerUnavailable):
                raw = cast("Entries", self._client.xrange(redis_keys.EVENTS, after, last_id, count=_PAGE))
            yield from (Event(*entry) for entry in raw)
            if len(raw) < _PAGE:
                return
            after = f"({raw[-1][0]}"

    # Groups: each event goes to one consumer of a group, and stays with it until it is acknowledged.

    def join(self, group: str) -> None:
        """A new group begins with the oldest event that is kept; one that is known goes on where it was."""
        with read_errors_as(LedgerUnavailable):
            try:
                self._client.xgroup_create(redis_keys.EVENTS, group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def take(self, group: str, consumer: str, *, count: int, block_ms: int = 0, after: str = ">") -> list[Event]:
        """New events for this consumer; with `after`, those that it took before and has not acknowledged."""
        with read_errors_as(LedgerUnavailable):
            raw = cast(
                "Any",
                self._client.xreadgroup(
                    group, consumer, {redis_keys.EVENTS: after}, count=count, block=block_ms or None
                ),
            )
        return [Event(place, fields or {}) for place, fields in _entries_of(raw)]

    def claim(self, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Event]:
        """What another consumer took so long ago that it may be dead: it is this one's now."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("Any", self._client.xautoclaim(redis_keys.EVENTS, group, consumer, idle_ms, "0-0", count=count))
        return [Event(place, fields or {}) for place, fields in raw[1]]

    def ack(self, group: str, event_id: str) -> None:
        with read_errors_as(LedgerUnavailable):
            self._client.xack(redis_keys.EVENTS, group, event_id)

    def leave(self, group: str, consumer: str) -> None:
        """Forget a consumer that comes no more; not one that still owes something: that is claimed by another."""
        with read_errors_as(LedgerUnavailable):
            owed = cast(
                "Any", self._client.xpending_range(redis_keys.EVENTS, group, "-", "+", 1, consumername=consumer)
            )
            if not owed:
                self._client.xgroup_delconsumer(redis_keys.EVENTS, group, consumer)

    def alarm(self, verb: Alarm, *, actor: str, **fields: str) -> None:
        """An event that is no move, and that an operator must see."""
        self.tell(verb, {"actor": actor} | fields)

    def trim(self, keep_ms: int, actor: str = "worker", *, until: str = "") -> int:
        """Forget what is older than `keep_ms`, but nothing that a group owes or set aside. Returns how many.

        `until`: nothing that comes after this place either.
        The event `trimmed` says so in the same script: where the oldest events are gone without it, no worker trimmed.
        """
        with redis_errors_as(LedgerUnavailable):
            oldest = place_of(f"{ledger_ms(self._client, self._test_clock) - keep_ms}-0")
            if until:
                last_ms, last = place_of(until)
                oldest = min(oldest, (last_ms, last + 1))
            aside = OutcomesAside(self._client)
            kept = aside.places()  # before and after: an outcome is set aside, or replayed, in one step meanwhile
            for group in self._client.xinfo_groups(redis_keys.EVENTS) if self._exists() else []:
                oldest = min(oldest, place_of(group["last-delivered-id"]))
                waiting = self._client.xpending(redis_keys.EVENTS, group["name"])
                if waiting["min"]:
                    oldest = min(oldest, place_of(waiting["min"]))
            oldest = min([oldest, *map(place_of, (*kept, *aside.places()))])
            names = (redis_keys.COUNTERS, redis_keys.EVENTS)
            reply = self._scripts.run("trim", names, (f"{oldest[0]}-{oldest[1]}", actor))
        if reply[0] == "BROKEN":
            raise broken(reply[1])
        return int(reply[1]) if reply[0] == "TRIMMED" else 0

    def _exists(self) -> bool:
        return bool(self._client.exists(redis_keys.EVENTS))


def _ids_in(history: str) -> list[tuple[str, bool]]:
    """The ids as `_events.lua` wrote them, and whether each is of a move. What is no such id names no event."""
    found: list[tuple[str, bool]] = []
    first_ms = 0
    for mark, ms, number in _EVENT_ID.findall(history[:_LONGEST_HISTORY]):
        first_ms, later_ms = (int(ms), 0) if not found else (first_ms, int(ms))
        found.append((f"{first_ms + later_ms}-{number or 0}", mark == "m"))
    return found


def moves_in(history: str) -> list[str]:
    """The places of the transfer's moves, oldest first, by its record's history."""
    return [place for place, is_move in _ids_in(history) if is_move]


def place_of(entry_id: str) -> tuple[int, int]:
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
