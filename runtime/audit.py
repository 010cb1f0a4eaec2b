"""The audit: compares ledger, `due`, counters, vault and queue, in both directions. It only reads.

A transfer that moves during the audit can look wrong for a moment, so only a discrepancy that is seen twice counts.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self, cast

import redis

from epay_transfers.ledger import invoice
from epay_transfers.ledger.errors import (
    UNREADABLE_CURE,
    LedgerBroken,
    LedgerUnavailable,
    RecordUnreadable,
    VaultUnavailable,
)
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import ACTORS, NAMESPACE, QUEUES
from epay_transfers.ledger.queue.message_guard import NotAWakeup
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.circuit_breakers import FARTHEST_MS as BREAKERS_FARTHEST_MS
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Listed
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ledger.store.redis_errors import read_errors_as
from epay_transfers.ledger.store.totals import names_of
from epay_transfers.ledger.store.unreadable import NO_HASH, fields_of
from epay_transfers.runtime import trail

_PAGE = 500

_NUMBER = re.compile(r"\d+(\.\d+)?")

#: Counters that count no transfers: moves, events, trimmed events.
_NO_STATES = frozenset({"sequence", "events", "trimmed", "format"})  #: `archived` is compared with the records

#: If a transfer has been due for longer than this, no sweeper takes care of it: is a worker running?
LATE_MS = 60_000

#: A worker looks once a day at a transfer that is dead, in review, or whose inquiries have ended.
_DAY_MS = 86_400_000

#: No transfer waits longer than the longest deadline of an intent, 30 days, and a day.
FARTHEST_MS = 31 * 86_400_000


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Two stores that disagree about a transfer. `where` names the two."""

    where: str
    key: str
    says: str

    @property
    def what(self) -> tuple[str, str, str]:
        """By this it is seen again: of a time that is too long or too far the number is another one by then."""
        is_by_time = self.where.endswith(", clock") or self.where == "ledger, queue"
        return self.where, self.key, _NUMBER.sub("#", self.says) if is_by_time else self.says


@dataclass(frozen=True, slots=True)
class Kept:
    """What the audit keeps of a record while it looks: of a million it must not keep them whole."""

    key: str
    state: State
    terminal: str
    version: int
    state_since: int
    next_attempt_at: int
    deadline_at: int
    lease_until: int
    parked_until: int

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(
            record.key,
            record.state,
            sys.intern(record.terminal),
            record.version,
            record.state_since,
            record.next_attempt_at,
            record.deadline_at,
            record.lease_until,
            record.parked_until,
        )

    def is_at(self, place: Listed) -> bool:
        at = (place.state, place.terminal, place.at.since_ms)
        return at == (self.state, self.terminal, self.state_since)


Records = dict[str, Kept]


class Told:
    """What the events tell of each transfer, collected while they are read for something else.

    `is_whole`: the log begins with the ledger's first event, so each transfer begins in it with its first version.
    `since_ms` is when the oldest move that is left was made: what moved since then has an event.
    """

    def __init__(self, progress: "Progress", of: int) -> None:
        self._progress = progress
        self._of = of
        self.last: dict[str, tuple[int, str]] = {}
        self.torn: set[str] = set()
        self.is_whole = False
        self.since_ms = 0

    def reading(self, events: Iterator[Event]) -> Iterator[Event]:
        for at, event in enumerate(events):
            fields = event.fields
            self.is_whole = self.is_whole or (at == 0 and trail.number_of(event) == 1)
            if fields.get("version", "").isdecimal() and "key" in fields:
                self.since_ms = self.since_ms or event.at_ms
                self._move(fields["key"], int(fields["version"]), sys.intern(fields.get("state", "")))
            if (at + 1) % STEP == 0:
                self._progress("events", at + 1, self._of)
            yield event

    def _move(self, key: str, version: int, state: str) -> None:
        before, _ = self.last.get(key, (0 if self.is_whole else version - 1, ""))
        if version != before + 1:
            self.torn.add(key)
        self.last[key] = (version, state)


#: Told what was read, how many of it, and of how many: an audit of a million transfers takes minutes.
Progress = Callable[[str, int, int], None]

#: So many are read between two words.
STEP = 20_000


def _say_nothing(_what: str, _done: int, _of: int) -> None:
    """For a caller that does not wait for a person."""


class Audit:
    def __init__(
        self, ledger: Ledger, queue: redis.Redis, vault: redis.Redis | None, progress: Progress = _say_nothing
    ) -> None:
        self._progress = progress
        self._ledger = ledger
        self._queue = queue
        self._vault = vault
        self._log = Events(ledger.client, ledger.test_clock)
        self._pauses = Pauses(ledger.client, ledger.test_clock)
        self._unanswered: list[str] = []  #: archived, and a producer that repeats the reference is not led there

    def run(self) -> list[Discrepancy]:
        """The discrepancies that were seen twice, as they were seen last."""
        first = {oddity.what for oddity in self._look()}
        if not first:
            return []
        again = {oddity for oddity in self._look() if oddity.what in first}
        return sorted(again, key=lambda oddity: (oddity.where, oddity.key))

    def _look(self) -> Iterator[Discrepancy]:
        with read_errors_as(LedgerUnavailable):
            unreadable: dict[str, RecordUnreadable] = {}
            self._unanswered = []
            records, counted = self._read_all(unreadable)
            for key in self._unanswered:
                yield Discrepancy("ledger, archived references", key, "archived, and its reference does not lead to it")
            for key, error in unreadable.items():
                yield Discrepancy("record", key, f"can't be read: {error.why}; {UNREADABLE_CURE}")
            if not unreadable:  # the share of unreadable records in the counters is unknown
                yield from self._counters(counted)
            for oddity in (*self._due(records), *self._lists(records), *self._messages(records)):
                if not _is_of(unreadable, oddity):
                    yield oddity
            yield from self._times()
            for key, said in self._ledger.contradictions().items():
                ended = records[key].state if key in records else "not in the ledger"
                yield Discrepancy("ledger, bank", key, f"{ended}, but the bank says {said}")
            for oddity in self._events(records):
                if not _is_of(unreadable, oddity):
                    yield oddity
        if self._vault is not None:
            with read_errors_as(VaultUnavailable):
                yield from (oddity for oddity in self._blobs(self._vault, records) if oddity.key not in unreadable)

    def _read_all(self, unreadable: dict[str, RecordUnreadable]) -> tuple[Records, Counter[str]]:
        """Every record, and what the counters must say of them. A scan may name one twice."""
        records: Records = {}
        counted: Counter[str] = Counter()
        of = self._ledger.client.zcard(redis_keys.BY_STATE)
        for record in self._records(unreadable):
            if record.key not in records:
                records[record.key] = Kept.of(record)
                number, amount = names_of(record)
                counted[number] += 1
                counted[amount] += record.amount
                counted[f"used:{record.space}"] += 1
                counted["archived"] += 1 if record.archived_at else 0
                if len(records) % STEP == 0:
                    self._progress("records", len(records), of)
        return records, counted

    def _records(self, unreadable: dict[str, RecordUnreadable]) -> Iterator[Record]:
        names = self._ledger.client.scan_iter(redis_keys.suffix_record("*", 0).rpartition(":")[0] + ":*", count=_PAGE)
        page: list[str] = []
        for name in names:
            page.append(str(name))
            if len(page) == _PAGE:
                yield from self._read(page, unreadable)
                page = []
        yield from self._read(page, unreadable)

    def _read(self, names: list[str], unreadable: dict[str, RecordUnreadable]) -> Iterator[Record]:
        """The records of a page. A record whose key can't be read is named by its suffix."""
        pipeline = self._ledger.client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(name)
        archived: dict[str, str] = {}
        for name, reply in zip(names, pipeline.execute(raise_on_error=False), strict=True):
            raw = fields_of(reply)
            key = (raw or {}).get("key") or name.removeprefix(redis_keys.suffix_record("*", 0).partition("*")[0])
            if raw == {}:
                continue  # gone since it was found
            try:
                record = _record(key, raw)
            except RecordUnreadable as error:
                unreadable[key] = error
            else:
                archived |= {key: record.reference} if record.archived_at else {}
                yield record
        self._unanswered += self._ledger.not_led_to(archived)

    def _due(self, records: Records) -> Iterator[Discrepancy]:
        due = dict(cast("list[tuple[str, float]]", self._ledger.client.zrange(redis_keys.DUE, 0, -1, withscores=True)))
        now_ms = self._ledger.now_ms()
        for key, record in records.items():
            if not record.state.final and key not in due:
                yield Discrepancy("ledger, due", key, f"{record.state}, but no time is set for a worker to look again")
        for key, at in due.items():
            if key not in records:
                yield Discrepancy("due, ledger", key, "due, but not in the ledger")
            elif records[key].state.final:
                yield Discrepancy("due, ledger", key, f"due, but {records[key].state}")
            elif now_ms - at > LATE_MS:
                yield Discrepancy("due, clock", key, f"{records[key].state}, due for {int(now_ms - at) // 1000} s")
            elif at - now_ms > FARTHEST_MS or at > _latest(records[key], now_ms):
                yield Discrepancy(
                    "due, clock", key, f"{records[key].state}, due in {_days(at - now_ms)}: no rule says that"
                )

    def _times(self) -> Iterator[Discrepancy]:
        """Times too far ahead for any rule: they were written by a wrong clock."""
        client, now_ms = self._ledger.client, self._ledger.now_ms()
        for place, farthest_ms, prefix in (
            (redis_keys.BREAKERS, BREAKERS_FARTHEST_MS + LATE_MS, "open:"),
            (redis_keys.RATES, FARTHEST_MS, ""),
        ):
            for name, text in cast("dict[str, str]", client.hgetall(place)).items():
                ahead_ms = int(text.partition(" ")[0]) - now_ms
                if name.startswith(prefix) and ahead_ms > farthest_ms:
                    yield _too_far(place.rpartition(":")[2], name, ahead_ms)
        for pause in self._pauses.standing():
            if pause.until_ms - now_ms > FARTHEST_MS:
                yield _too_far("pauses", pause.id, pause.until_ms - now_ms)

    def _events(self, records: Records) -> Iterator[Discrepancy]:
        """The trail by its numbers, and then by the records: each move that raised a version has its event."""
        try:
            state = self._log.state()
        except LedgerBroken as error:
            yield Discrepancy("events, counters", "events", str(error))
            return
        told = Told(self._progress, state.counted)
        for found in trail.flaws(state, told.reading(self._log.all_until(state.last_id))):
            yield Discrepancy("events, counters", "events", found.says)
        for key in told.torn:
            yield Discrepancy("events, ledger", key, "its events' versions do not follow each other")
        for key, (version, word) in told.last.items():
            record = records.get(key)
            if record is None:
                yield Discrepancy("events, ledger", key, "has events, but is not in the ledger")
            elif (version, word) != (record.version, record.state):
                yield Discrepancy(
                    "events, ledger",
                    key,
                    f"{record.state}, version {record.version}, but its last event says {word}, version {version}",
                )
        for key, record in records.items():
            has_moved_since = told.since_ms and record.state_since > told.since_ms
            if key not in told.last and (told.is_whole or has_moved_since):
                yield Discrepancy("ledger, events", key, f"{record.state}, and no event tells how it came to that")

    def _lists(self, records: Records) -> Iterator[Discrepancy]:
        right: set[str] = set()
        wrong: set[str] = set()
        for at, each in enumerate(self._ledger.lists.all(list(State)), 1):
            record = records.get(each.at.key)
            if record is None:
                yield Discrepancy("by_state, ledger", each.at.key, "listed, but not in the ledger")
            else:
                (right if record.is_at(each) else wrong).add(each.at.key)
            if at % STEP == 0:
                self._progress("places in lists", at, len(records))
        for key in (records.keys() - right) | wrong:
            says = f"{records[key].state}, but the lists for operators say otherwise"
            yield Discrepancy("ledger, by_state", key, says)

    def _counters(self, counted: Counter[str]) -> Iterator[Discrepancy]:
        try:
            kept = self._ledger.counters()
        except LedgerBroken as error:
            yield Discrepancy("counters, ledger", "counters", str(error))
            return
        kept = {name: value for name, value in kept.items() if name not in _NO_STATES and not name.startswith("vault:")}
        for name in sorted(set(counted) | set(kept)):
            if kept.get(name, 0) != counted[name]:
                yield Discrepancy("counters, ledger", name, f"counted {counted[name]}, kept {kept.get(name, 0)}")

    def _messages(self, records: Records) -> Iterator[Discrepancy]:
        """Messages without a transfer, and transfers that wait for a worker without a message (the sweeper's task)."""
        called: set[str] = set()
        for queue in QUEUES:
            for message_id, data in self._queue.hgetall(f"{NAMESPACE}:{queue}.msgs").items():
                key = _key_of(data, queue, message_id)
                if key is None:
                    yield Discrepancy("queue, ledger", queue, "holds a message that is no wake-up")
                elif key not in records:
                    yield Discrepancy("queue, ledger", key, "has a wake-up, but is not in the ledger")
                else:
                    called.add(key)
        now_ms = self._ledger.now_ms()
        for key, record in records.items():
            waits_ms = now_ms - max(record.state_since, record.next_attempt_at)
            if record.state in {State.QUEUED, State.RESUMED} and key not in called and waits_ms > LATE_MS:
                yield Discrepancy(
                    "ledger, queue", key, f"{record.state} for {waits_ms // 1000} s, and no wake-up is queued for it"
                )

    def _blobs(self, vault: redis.Redis, records: Records) -> Iterator[Discrepancy]:
        """Compares places only: the audit never reads a sealed text."""
        by_place = {redis_keys.card(key): record for key, record in records.items()}
        held: set[str] = set()
        for name in map(str, vault.scan_iter(redis_keys.every("card:"), count=_PAGE)):
            if not str(vault.get(name) or "").startswith("B:"):
                continue
            held.add(name)
            record = by_place.get(name)
            if record is None:
                place = name.removeprefix(redis_keys.every("card:").removesuffix("*"))
                yield Discrepancy("vault, ledger", place, "holds a card of a transfer that is not in the ledger")
            elif record.state in {State.PARKED, State.RESUMED, State.CONFIRMING} or record.state.final:
                yield Discrepancy("vault, ledger", record.key, f"holds a card of a transfer that is {record.state}")
        for key, record in records.items():
            if record.state is State.QUEUED and redis_keys.card(key) not in held:
                yield Discrepancy(
                    "ledger, vault", key, "queued, but its card is missing: its producer may enqueue it again"
                )


def _record(key: str, raw: dict[str, str] | None) -> Record:
    if raw is None:
        raise RecordUnreadable(key, NO_HASH)
    return Record.from_ledger(key, raw)


def _too_far(place: str, name: str, ahead_ms: float) -> Discrepancy:
    return Discrepancy(f"{place}, clock", name, f"until in {_days(ahead_ms)}: no rule says that")


def _is_of(unreadable: dict[str, RecordUnreadable], oddity: Discrepancy) -> bool:
    """A record that has lost its key is named by its place."""
    is_known = invoice.is_key(oddity.key)
    return bool(unreadable.keys() & {oddity.key, redis_keys.place(oddity.key) if is_known else ""})


def _latest(record: Kept, now_ms: int) -> int:
    """The latest time at which a worker looks again at a transfer in this state."""
    match record.state:
        case State.QUEUED:
            return record.deadline_at
        case State.SENDING | State.CONFIRMING:
            return record.lease_until
        case State.PARKED:
            return max(record.parked_until, now_ms + _DAY_MS)
        case _:
            return now_ms + _DAY_MS


def _days(ms: float) -> str:
    return f"{ms / 86_400_000:.1f} days" if ms > 86_400_000 else f"{ms // 1000:.0f} s"


def _key_of(data: bytes | str, queue: str, message_id: bytes | str) -> str | None:
    lies_under = message_id.decode(errors="replace") if isinstance(message_id, bytes) else message_id
    try:
        return message_guard.received(data, queue, lies_under, ACTORS).key
    except NotAWakeup:
        return None
