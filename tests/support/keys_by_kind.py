"""One key of a server, put there by its kind, as a file of a test's keeps it."""

from typing import Any

import redis


def put_key(client: redis.Redis, name: str, kind: str, value: Any) -> None:
    match kind:
        case "hash":
            client.hset(name, mapping=value)
        case "string":
            client.set(name, value)
        case "list":
            client.rpush(name, *value)
        case "set":
            client.sadd(name, *value)
        case "zset":
            client.zadd(name, dict(value))
        case "stream":
            for event_id, fields in value:
                client.xadd(name, fields, id=event_id)
        case "bits":
            for bit in value:
                client.setbit(name, bit, 1)
        case _:
            raise AssertionError(kind)
