"""A ledger as the version before format 2 left it: nine transfers, and the pauses of operators and workers."""

import json
from typing import Any

import redis

from tests.support.sample_files import sample


def put(client: redis.Redis) -> None:
    """Every key of it. Its times begin where the tests' clock does."""
    for key, (kind, value) in json.loads(sample("ledger-format-1.json")).items():
        _put(client, key, kind, value)


def _put(client: redis.Redis, key: str, kind: str, value: Any) -> None:
    match kind:
        case "hash":
            client.hset(key, mapping=value)
        case "set":
            client.sadd(key, *value)
        case "string":
            client.set(key, value)
        case "zset":
            client.zadd(key, dict(value))
        case "stream":
            for event_id, fields in value:
                client.xadd(key, fields, id=event_id)
        case "bits":
            for bit in value:
                client.setbit(key, bit, 1)
        case _:
            raise AssertionError(kind)
