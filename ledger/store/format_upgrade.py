"""Converts a ledger of format 1 into this version's: its pauses, its lists, its counters, and the bank's references.

Pauses come first, in one transaction that also shuts out every process of the older version; this version uses the
ledger once its number is written, which is the last step. So no claim passes in between. What if we die here? Each step
can be done again: run it again, and it goes on.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import redis

from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger_format import FIELD, FORMAT, OLDER, check_format, format_of
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pause
from epay_transfers.ledger.store.redis_errors import of_its_type, read_errors_as, redis_errors_as
from epay_transfers.ledger.store.totals import NUMBER, SUM, counted_reason, counter_names

#: Of a worker of the older version, which says each minute that it runs.
_GONE_MS = 180_000

_LANES = frozenset(Lane)
_PAGE = 500

_NUMBER = re.compile(r"[0-9]{1,15}")

#: What a process of the older version meets in the place of its lists.
_SHUT = f"this ledger is in format {FORMAT}: run the newer version"

_NOT_WRITTEN = "no worker had written down the reason before the upgrade"

#: What a record is listed and counted by, as `_counters.lua` reads it.
_FIELDS = (
    "key", "state", "state_since", "terminal", "currency", "amount", "reason", "code", "message", "bank_reference",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of it. `broken`: the keys of records that can't be listed, since something lacks in them."""

    transfers: int
    pauses: Sequence[Pause]
    broken: Sequence[str]


@dataclass(slots=True)
class _Lists:
    """What the records say."""

    counters: Counter[str] = field(default_factory=Counter)
    transfers: int = 0
    broken: list[str] = field(default_factory=list)


class FormatUpgrade:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock

    def is_needed(self) -> bool:
        """Raises `LedgerFormat` for a newer format than this version's."""
        with read_errors_as(LedgerUnavailable):
            is_older = self._format() == OLDER
        if not is_older:
            check_format(self._client)
        return is_older

    def running(self) -> list[str]:
        """The workers of the older version that were heard within three minutes."""
        with read_errors_as(LedgerUnavailable):
            told = cast("dict[str, str]", self._client.hgetall(redis_keys.OLDER_VAULT_KEYS))
            now_ms = ledger_ms(self._client, self._test_clock) if told else 0
        times = {worker: text.partition(" ")[0] for worker, text in told.items()}
        return sorted(worker for worker, at in times.items() if not at.isdigit() or int(at) + _GONE_MS > now_ms)

    def pauses(self) -> list[Pause]:
        """Those that stand in the older form, as they are going to be kept."""
        with read_errors_as(LedgerUnavailable):
            lanes, names = self._older_pauses(self._client)
        return _converted(lanes, names)

    def run(self) -> Converted:
        """All of it. Every process of both versions is to be stopped; one that runs is refused its changes."""
        with redis_errors_as(LedgerUnavailable):
            pauses = self._carry_pauses()
            lists = _Lists()
            if self._format() == OLDER:
                self._list_all(lists)
                self._write_counters(lists.counters)
        return Converted(lists.transfers, pauses, lists.broken)

    def _format(self) -> str:
        with of_its_type("counters"):
            return format_of(cast("dict[str, str]", self._client.hgetall(redis_keys.COUNTERS)))

    def _older_pauses(self, client: redis.Redis) -> tuple[dict[str, str], set[str]]:
        lanes, names = {}, set()
        if client.type(redis_keys.OLDER_LANES) == "hash":
            lanes = cast("dict[str, str]", client.hgetall(redis_keys.OLDER_LANES))
        if client.type(redis_keys.PAUSES) == "set":
            names = cast("set[str]", client.smembers(redis_keys.PAUSES))
        return lanes, names

    def _carry_pauses(self) -> list[Pause]:
        """In one transaction, which is tried again where a process of the older version paused meanwhile."""
        older = {redis_keys.OLDER_LANES: "hash", redis_keys.PAUSES: "set", redis_keys.OLDER_OPEN: "zset"}
        while True:
            with self._client.pipeline() as pipeline:
                pipeline.watch(redis_keys.COUNTERS, *older)  # type: ignore[no-untyped-call]  # redis-py does not type it
                if self._format() != OLDER:
                    return []
                found = [key for key, kind in older.items() if self._client.type(key) == kind]
                pauses = _converted(*self._older_pauses(self._client))
                pipeline.multi()
                for key in found:
                    pipeline.delete(key)
                for pause in pauses:
                    pipeline.hset(redis_keys.PAUSES, pause.id, pause.to_text())
                for key in (redis_keys.OLDER_LANES, redis_keys.OLDER_OPEN):
                    pipeline.set(key, _SHUT)
                pipeline.hset(redis_keys.COUNTERS, FIELD, OLDER)
                try:
                    pipeline.execute()
                except redis.WatchError:
                    continue
                return pauses

    def _list_all(self, lists: _Lists) -> None:
        self._client.delete(redis_keys.BY_STATE)
        for names in self._pages():
            reading = self._client.pipeline(transaction=False)
            for name in names:
                reading.hmget(name, _FIELDS)
            found = [_record(values) for values in reading.execute(raise_on_error=False)]
            whole = [record for record in found if record is not None]
            lists.broken += [name.rpartition(":r:")[2] for name, record in zip(names, found, strict=True) if not record]
            writing = self._client.pipeline(transaction=False)
            for record in whole:
                writing.zadd(redis_keys.BY_STATE, {_place(record): 0})
            for record, is_new in zip(whole, writing.execute(), strict=True):
                if is_new:  # a scan may show a record twice
                    lists.transfers += 1
                    number, amount = _counters_of(record)
                    lists.counters[number] += 1
                    lists.counters[amount] += int(record["amount"])
            self._keep_references({record["key"]: record["bank_reference"] for record in whole})

    def _pages(self) -> Iterator[list[str]]:
        cursor = 0
        while True:
            cursor, names = self._client.scan(cursor, match=redis_keys.every("r:"), count=_PAGE)
            if names:
                yield [str(name) for name in names]
            if not cursor:
                return

    def _keep_references(self, references: Mapping[str, str]) -> None:
        for key, reference in references.items():
            if reference:
                _, place = redis_keys.references(reference)
                known = (cast("str | None", self._client.hget(place, reference)) or "").split()
                if key not in known:
                    self._client.hset(place, reference, " ".join([*known, key]))

    def _write_counters(self, counters: Mapping[str, int]) -> None:
        """With the number of the format: from here on this version uses the ledger."""
        kept = cast("dict[str, str]", self._client.hgetall(redis_keys.COUNTERS))
        older = [name for name in kept if name.partition(":")[0] in {NUMBER, SUM}]
        with self._client.pipeline() as pipeline:
            if older:
                pipeline.hdel(redis_keys.COUNTERS, *older)
            for name, count in counters.items():
                pipeline.hset(redis_keys.COUNTERS, name, str(count))
            pipeline.delete(redis_keys.OLDER_VAULT_KEYS)
            pipeline.hset(redis_keys.COUNTERS, FIELD, FORMAT)
            pipeline.execute()


def _converted(lanes: Mapping[str, str], names: set[str]) -> list[Pause]:
    """No cause of a worker's: such a pause may end by itself, and these are to be ended by a person."""
    found = []
    for name, text in sorted(lanes.items()):
        until, actor, reason = _read(text)
        found += _pause(name, "format_1", until, actor, reason)
    alone = names - {name for name, text in lanes.items() if text.startswith("0 ")}
    for name in sorted(alone):
        found += _pause(name, "format_1-added", 0, "an operator", _NOT_WRITTEN)
    return found


def _pause(name: str, start: str, until_ms: int, actor: str, reason: str) -> list[Pause]:
    """None for a name that held nothing: it names no lane, or no terminal."""
    lane, _, terminal = name.partition(":")
    if lane not in _LANES or not terminal or terminal.split() != [terminal]:
        return []
    pause_id = f"{start}-{lane}-{'all' if terminal == ALL else terminal}"
    return [Pause(pause_id, Lane(lane), terminal, Cause.OTHER, until_ms, actor, reason)]


def _read(text: str) -> tuple[int, str, str]:
    """Where it can't be read it stands until a person ends it."""
    until, _, words = text.partition(" ")
    try:
        actor, reason, *_ = json.loads(words)
    except (ValueError, TypeError, RecursionError):
        actor, reason = "?", "it can't be read"
    return int(until) if until.isascii() and until.isdigit() else 0, str(actor), str(reason)


def _record(values: object) -> dict[str, str] | None:
    """None where no move of it could be written either, as `_move.lua` has it: something lacks."""
    if not isinstance(values, list):  # the key is of another type
        return None
    record = {name: value or "" for name, value in zip(_FIELDS, values, strict=True)}
    is_named = all(record[name] for name in ("key", "state", "terminal", "currency"))
    is_counted = all(_NUMBER.fullmatch(record[name]) for name in ("state_since", "amount"))
    return record if is_named and is_counted else None


def _place(record: Mapping[str, str]) -> str:
    return f"{record['state']}:{record['terminal']}:{record['state_since']}:{record['key']}"


def _counters_of(record: Mapping[str, str]) -> tuple[str, str]:
    reason = counted_reason(record["state"], record["reason"], record["code"], record["message"])
    return counter_names(record["state"], record["terminal"], record["currency"], reason)
