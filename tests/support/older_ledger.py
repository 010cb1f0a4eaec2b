"""A ledger as the version before format 2 left it: nine transfers, and the pauses of operators and workers.

`ledger_format_1.json` has every key of it, as the code of commit cf3273a wrote them.
"""

import json
from pathlib import Path
from typing import Any

import redis

_KEYS = Path(__file__).with_name("ledger_format_1.json")


def put(client: redis.Redis) -> None:
    """Every key of it. Its times begin where the tests' clock does."""
    for key, (kind, value) in json.loads(_KEYS.read_text(encoding="utf-8")).items():
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
