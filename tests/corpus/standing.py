"""All keys of a server as JSON, and back: what a version left there, for a later one to go on with."""

import json
from collections.abc import Iterable
from typing import Any, cast

import redis

from tests.support.keys_by_kind import put_key

#: How long what had an end lasts once it is put back: its own end was counted by another clock.
_LASTS_MS = 900_000


def read(client: redis.Redis) -> list[list[Any]]:
    """Of each key: its name, its type, what it holds, and whether it ends."""
    found = []
    for name in sorted(cast("list[str]", client.keys("*"))):
        kind = "bits" if ":suffixes:" in name else str(client.type(name))
        found.append([name, kind, _value(client, name, kind), bool(client.pttl(name) >= 0)])
    return found


def put(client: redis.Redis, keys: Iterable[list[Any]]) -> None:
    for name, kind, value, ends in keys:
        put_key(client, name, kind, value)
        if ends:
            client.pexpire(name, _LASTS_MS)


def of_this_run(content: dict[str, Any], vault: redis.Redis) -> dict[str, Any]:
    """Both servers name the run of the vault's, which an upgrade does not end: here it is that of this one."""
    (run,) = [value.partition(":")[0] for name, _, value, _ in content["vault"] if name.endswith(":writes")]
    info = cast("dict[str, str]", vault.info("server"))
    adapted: dict[str, Any] = json.loads(json.dumps(content).replace(run, info["run_id"][: len(run)]))
    return adapted


def _value(client: redis.Redis, name: str, kind: str) -> Any:  # noqa: PLR0911 - one for each type
    match kind:
        case "hash":
            return client.hgetall(name)
        case "string":
            return client.get(name)
        case "list":
            return client.lrange(name, 0, -1)
        case "set":
            return sorted(cast("set[str]", client.smembers(name)))
        case "zset":
            return client.zrange(name, 0, -1, withscores=True)
        case "stream":
            return client.xrange(name)
        case "bits":
            found: list[int] = []
            while (bit := client.bitpos(name, 1, found[-1] + 1 if found else 0, -1, "BIT")) >= 0:
                found.append(bit)
            return found
        case _:
            raise AssertionError(kind)
