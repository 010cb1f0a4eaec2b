"""The run of `transfers archive`: find what ended long ago, export it, read it back, and then reduce it in the ledger.

The ledger is changed by a file that was read back from the disk, and by nothing else. A transfer of which something is
open stays as it is, and is told.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable, RecordUnreadable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import FINAL
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived, Why, is_whole
from epay_transfers.ledger.store.events import Event, Events, moves_in, place_of
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Cursor
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.redis_errors import read_errors_as
from epay_transfers.ledger.store.unreadable import fields_of
from epay_transfers.ops.archive.files import Exported, Folder

#: So many are looked at, and exported, at a time: what a killed run has to do again.
PAGE = 500

#: No worker asks the bank about a transfer so long after its end: what was settled by hand is asked about for a week.
YOUNGEST_MS = 30 * 86_400_000

#: Told how many were looked at, and of how many.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Result:
    """`archived`: how many are archived now, or would be. `left`: how many are as they were, by why."""

    archived: int = 0
    looked_at: int = 0
    left: Counter[Why] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Owed:
    """What groups of readers have not dealt with, by places in the event log; and whose outcomes were set aside."""

    delivered: tuple[int, int] | None  #: what comes after it was not handed out to every group
    waiting: tuple[int, int] | None  #: the first that a consumer has not acknowledged
    aside: frozenset[str]

    def has(self, place: tuple[int, int]) -> bool:
        is_new = self.delivered is not None and place > self.delivered
        return is_new or (self.waiting is not None and place >= self.waiting)


class Archiving:
    def __init__(self, ledger: Ledger, *, before_ms: int, actor: str, why: str = "", progress: Progress) -> None:
        self._ledger = ledger
        self._before_ms = before_ms
        self._actor = actor
        self._why = why
        self._progress = progress
        self._events = Events(ledger.client, ledger.test_clock)
        self._archived = Archived(ledger.client, ledger.test_clock)

    def count(self) -> Result:
        """What a run would archive now. It changes nothing."""
        result = Result()
        for page in self._pages(result):
            result.archived += len(page)
        return result

    def run(self, folder: Folder) -> Result:
        """Raises `Refusal` for the folder, `LedgerUnavailable`; what was done until then stays done."""
        result = Result()
        with folder.used():
            folder.remove_parts()
            for name in folder.exported():
                self._reduce(folder, name, result)
            stamp = f"{datetime.fromtimestamp(self._ledger.now_ms() / 1000, UTC):%Y%m%dT%H%M%S}"
            for page in self._pages(result):
                name = folder.fresh_name(stamp)
                folder.write(name, page)
                self._reduce(folder, name, result)
        return result

    def _reduce(self, folder: Folder, name: str, result: Result) -> None:
        for each in folder.read_exported(name):
            left = self._archived.reduce(
                each.record, before_ms=self._before_ms, file=name, actor=self._actor, why=self._why
            )
            if left is None:
                result.archived += 1
            else:
                result.left[left] += 1
        folder.finish(name)
        result.files.append(name)

    def _pages(self, result: Result) -> Iterator[list[Exported]]:
        after: Cursor | None = None
        of = self._ledger.client.zcard(redis_keys.BY_STATE)
        while True:
            page = self._ledger.lists.page(list(FINAL), until_ms=self._before_ms, after=after, limit=PAGE)
            found = self._ready(page.keys, result)
            if found:
                yield found
            result.looked_at += len(page.keys)
            self._progress(result.looked_at, of)
            if page.next is None:
                return
            after = page.next

    def _ready(self, keys: Sequence[str], result: Result) -> list[Exported]:
        """Those of which nothing is open, with the events that are left of each. The script looks once more."""
        owed, contradicted = self._owed(), self._ledger.contradictions()
        raws = self._raw(keys, result)
        records = {key: Record.from_ledger(key, raw) for key, raw in raws.items()}
        histories = self._events.of_many(list(records.values()))
        found = []
        for (key, record), history in zip(records.items(), histories, strict=True):
            why = _why_left(record, history.events, owed, contradicted)
            if why is None:
                found.append(Exported(raws[key], [{"id": event.id} | event.fields for event in history.events]))
            else:
                result.left[why] += 1
        return found

    def _raw(self, keys: Sequence[str], result: Result) -> dict[str, dict[str, str]]:
        """Every field of each, as it stands there, but of those that are archived."""
        sound = [key for key in keys if is_key(key)]
        pipeline = self._ledger.client.pipeline(transaction=False)
        for key in sound:
            pipeline.hgetall(redis_keys.record(key))
        with read_errors_as(LedgerUnavailable):
            replies = pipeline.execute(raise_on_error=False) if sound else []
        found: dict[str, dict[str, str]] = {}
        for key, reply in zip(sound, replies, strict=True):
            raw = fields_of(reply) or {}
            try:
                Record.from_ledger(key, raw)
            except RecordUnreadable:
                result.left[Why.UNREADABLE] += 1
            else:
                found |= {key: raw} if is_whole(raw) else {}
        result.left[Why.UNREADABLE] += len(keys) - len(sound)
        return found

    def _owed(self) -> _Owed:
        client = self._ledger.client
        delivered, waiting = [], []
        with read_errors_as(LedgerUnavailable):
            for group in client.xinfo_groups(redis_keys.EVENTS) if client.exists(redis_keys.EVENTS) else []:
                delivered.append(place_of(group["last-delivered-id"]))
                first = client.xpending(redis_keys.EVENTS, group["name"])["min"]
                waiting += [place_of(first)] if first else []
        aside = frozenset(each.key for each in OutcomesAside(client).all())
        return _Owed(min(delivered, default=None), min(waiting, default=None), aside)


def _why_left(record: Record, events: Sequence[Event], owed: _Owed, contradicted: Mapping[str, str]) -> Why | None:
    """What can be seen from here; the script looks at the record, `due` and the contradictions itself."""
    last = max(map(place_of, moves_in(record.history)), default=None)
    if record.key in contradicted:
        return Why.CONTRADICTION
    if record.question_id or record.watch_at:
        return Why.QUESTION
    if record.key in owed.aside or (last is not None and owed.has(last)):
        return Why.OUTCOME
    if any(event.fields.get("verb") in _ALARMS for event in events):
        return Why.ALARM
    return None


#: What tells of a transfer and is no move of it, but that it was archived.
_ALARMS = frozenset(Alarm) - {Alarm.ARCHIVED}
