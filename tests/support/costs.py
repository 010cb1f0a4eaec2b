"""What a block costs the servers: round trips, commands and bytes, counted, and never timed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis


@dataclass
class Cost:
    trips: int = 0  #: writes to the server's socket, whatever number of commands is in each
    sent: int = 0  #: bytes of them
    commands: int = 0  #: those that scripts call, too


@contextmanager
def counted(clients: Mapping[str, redis.Redis]) -> Iterator[dict[str, Cost]]:
    """By the names of the clients. What another database of a server is asked counts as the server's."""
    costs = {name: Cost() for name in clients}
    ports = {client.connection_pool.connection_kwargs["port"]: costs[name] for name, client in clients.items()}
    send = redis.Connection.send_packed_command

    def counting(connection: redis.Connection, command: str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        parts = [command.encode()] if isinstance(command, str) else list(command)
        cost = ports[connection.port]
        cost.trips += 1
        cost.sent += sum(map(len, parts))
        send(connection, parts, check_health)  # type: ignore[no-untyped-call]  # redis-py has no type here

    before = {name: _calls(client) for name, client in clients.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis.Connection, "send_packed_command", counting)
        yield costs
    for name, client in clients.items():
        costs[name].commands = _calls(client) - before[name] - 1  # the question before is no part of it


def _calls(client: redis.Redis) -> int:
    told: dict[str, dict[str, int]] = client.info("commandstats")
    return sum(its["calls"] for its in told.values())
