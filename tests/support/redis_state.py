"""How the tests of this room look at a server: all of it, byte for byte; and whether the ledger's parts agree."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import UNFINISHED
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.totals import names_of

Snapshot = dict[str, tuple[bytes, int]]


def snapshot(*clients: redis.Redis) -> list[Snapshot]:
    """Every key with its whole content and the moment at which it ends."""
    return [_snapshot(client) for client in clients]


def _snapshot(client: redis.Redis) -> Snapshot:
    names = sorted(cast("list[str]", client.keys("*")))
    pipeline: Any = client.pipeline(transaction=False)
    for name in names:
        pipeline.dump(name)
        pipeline.pexpiretime(name)
    values = pipeline.execute()
    return dict(zip(names, zip(values[::2], values[1::2], strict=True), strict=True))


def records(client: redis.Redis) -> list[Record]:
    pipeline: Any = client.pipeline(transaction=False)
    for name in _names(client):
        pipeline.hgetall(name)
    return [Record.from_ledger(raw["key"], raw) for raw in pipeline.execute()]


def _names(client: redis.Redis) -> list[str]:
    """Of the records, in the order of their invoice ids."""
    return sorted(cast("list[str]", client.keys(redis_keys.suffix_record("*", 0).replace("000000", "??????"))))


def due(client: redis.Redis) -> dict[str, int]:
    scores = cast("list[tuple[str, float]]", client.zrange(redis_keys.DUE, 0, -1, withscores=True))
    return {key: int(score) for key, score in scores}


def events(client: redis.Redis) -> list[dict[str, str]]:
    return [fields for _, fields in cast("list[tuple[str, dict[str, str]]]", client.xrange(redis_keys.EVENTS))]


@dataclass
class SeenEvents:
    """The events that an earlier look has read: none of them ever changes, so that the next look reads the new ones."""

    count: int = 0
    last: int = 0  #: the number of the newest
    last_id: str = ""


def assert_agrees(client: redis.Redis, seen: SeenEvents | None = None) -> tuple[list[Record], dict[str, int]]:
    """The ledger's invariants, all of them: `due`, `by_state` and the counters say what the records say.

    Returns the records and `due`, as they were read. `seen`: of the same ledger, whose events only grow.
    """
    seen = seen or SeenEvents()
    pipeline: Any = client.pipeline(transaction=False)
    for name in _names(client):
        pipeline.hgetall(name)
    pipeline.zrange(redis_keys.DUE, 0, -1, withscores=True).zrange(redis_keys.BY_STATE, 0, -1)
    pipeline.hgetall(redis_keys.COUNTERS)
    pipeline.xlen(redis_keys.EVENTS).xrange(redis_keys.EVENTS, min=f"({seen.last_id}" if seen.last_id else "-")
    *hashes, scores, listed, raw, events_count, new_events = pipeline.execute()
    all_records = [Record.from_ledger(each["key"], each) for each in hashes]
    due_at = {key: int(score) for key, score in scores}

    unfinished = {record.key: record for record in all_records if record.state in UNFINISHED}
    assert set(due_at) == set(unfinished)
    assert set(listed) == {f"{each.state}:{each.terminal}:{each.state_since}:{each.key}" for each in all_records}

    counted: Counter[str] = Counter()
    for record in all_records:
        number, amount = names_of(record)
        counted[number] += 1
        counted[amount] += record.amount
        counted[f"used:{record.space}"] += 1
        counted["archived"] += 1 if record.archived_at else 0
    counted += Counter()  # without those that are 0
    kept = {name: int(count) for name, count in raw.items() if name not in _NO_STATES and int(count)}
    assert kept == dict(counted)
    assert events_count == seen.count + len(new_events)
    _assert_numbered(new_events, seen, int(raw.get("events", 0)))
    return all_records, due_at


def _assert_numbered(new_events: list[tuple[str, dict[str, str]]], seen: SeenEvents, last: int) -> None:
    """The numbers of the events rise one by one, from what was trimmed to the counter's."""
    numbers = [fields.get("number") for _, fields in new_events]
    before = last - len(numbers)
    assert numbers == [str(number) for number in range(before + 1, last + 1)]
    assert seen.count == 0 or seen.last == before
    seen.count, seen.last = seen.count + len(numbers), last
    if new_events:
        seen.last_id = new_events[-1][0]


#: Counters that count no transfers.
_NO_STATES = frozenset({"sequence", "events", "trimmed", "format"})


def empty(vault: redis.Redis) -> None:
    """The vault restarts. Its run is the same here, so the count of its writes goes on; another run begins anew."""
    count = vault.get(redis_keys.WRITES)
    vault.flushall()
    if count:
        vault.set(redis_keys.WRITES, str(count))


def everything(client: redis.Redis) -> str:
    """Every key of the server's databases 0 and 1, with its value, as text."""
    texts = []
    for database in (0, 1):
        own: dict[str, Any] = dict(client.connection_pool.connection_kwargs, db=database, decode_responses=False)
        with redis.Redis(**{name: own[name] for name in ("host", "port", "db", "decode_responses")}) as raw:
            for name in cast("list[bytes]", raw.keys("*")):
                texts += [repr(name), _value(raw, name)]
    return "\n".join(texts)


def _value(raw: Any, name: bytes) -> str:
    match raw.type(name):
        case b"string":
            return repr(raw.get(name)) if raw.strlen(name) < 10_000 else ""
        case b"hash":
            return repr(raw.hgetall(name))
        case b"list":
            return repr(raw.lrange(name, 0, -1))
        case b"zset":
            return repr(raw.zrange(name, 0, -1))
        case b"set":
            return repr(raw.smembers(name))
        case b"stream":
            return repr(raw.xrange(name))
        case kind:
            raise AssertionError(kind)
