"""How the tests of this room look at a server: all of it, byte for byte; and whether the ledger's parts agree."""

from collections import Counter
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
    names = cast("list[str]", client.keys(redis_keys.suffix_record("*", 0).replace("000000", "??????")))
    pipeline: Any = client.pipeline(transaction=False)
    for name in sorted(names):
        pipeline.hgetall(name)
    return [Record.from_hash(raw) for raw in pipeline.execute()]


def due(client: redis.Redis) -> dict[str, int]:
    scores = cast("list[tuple[str, float]]", client.zrange(redis_keys.DUE, 0, -1, withscores=True))
    return {key: int(score) for key, score in scores}


def events(client: redis.Redis) -> list[dict[str, str]]:
    return [fields for _, fields in cast("list[tuple[str, dict[str, str]]]", client.xrange(redis_keys.EVENTS))]


def assert_agrees(client: redis.Redis) -> None:
    """The ledger's invariants, all of them: `due`, `by_state` and the counters say what the records say."""
    all_records = records(client)
    unfinished = {record.key: record for record in all_records if record.state in UNFINISHED}
    assert set(due(client)) == set(unfinished)

    listed = set(cast("list[str]", client.zrange(redis_keys.BY_STATE, 0, -1)))
    assert listed == {f"{each.state}:{each.terminal}:{each.state_since}:{each.key}" for each in all_records}

    counted: Counter[str] = Counter()
    for record in all_records:
        number, amount = names_of(record)
        counted[number] += 1
        counted[amount] += record.amount
        counted[f"used:{record.space}"] += 1
    raw = cast("dict[str, str]", client.hgetall(redis_keys.COUNTERS))
    kept = {name: int(count) for name, count in raw.items() if name not in _NO_STATES and int(count)}
    assert kept == dict(counted)
    assert_numbered(client, int(raw.get("events", 0)))


def assert_numbered(client: redis.Redis, last: int) -> None:
    """The numbers of the events rise one by one, from what was trimmed to the counter's."""
    numbers = [event.get("number") for event in events(client)]
    assert numbers == [str(number) for number in range(last - len(numbers) + 1, last + 1)]


#: Counters that count no transfers.
_NO_STATES = frozenset({"sequence", "events", "trimmed"})


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
