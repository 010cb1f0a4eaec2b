"""The connections to the servers: a busy one is used as it is, and nothing that a look would have seen is missed."""

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.store import connection
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem
from epay_transfers.runtime import embedded_servers
from tests.support.servers import KillableServer

FEW = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KillableServer]:
    server = KillableServer.start(tmp_path, embedded_servers.VAULT_OPTIONS)
    yield server
    server.server.stop()


def test_a_busy_connection_is_looked_at_by_no_system_call(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look costs the interpreter more than itself where many threads run."""
    monkeypatch.setattr(connection, "_MOMENT_S", 3600.0)
    with connect(server.server.url) as client:
        client.ping()
        monkeypatch.setattr(select, "poll", _unasked)

        for _ in range(FEW):
            assert client.ping()

        assert len(client.connection_pool._available_connections) == 1


def _unasked() -> None:
    raise AssertionError("a busy connection was looked at")


def test_a_server_that_was_started_anew_meanwhile_is_met_on_a_new_connection(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command is lost to a connection that the server before it had ended."""
    monkeypatch.setattr(connection, "_MOMENT_S", 0.0)
    with connect(server.server.url) as client:
        client.set("a", "1")
        server.kill()
        server.restart()

        assert client.get("a") is None


@pytest.mark.parametrize("kind", ["redis", "unix"])
def test_a_server_that_does_not_answer_is_a_timeout(kind: str, tmp_path: Path) -> None:
    """The kernel keeps the time, and its error is none of the client's: it is told as one."""
    family, place = (socket.AF_UNIX, str(tmp_path / "s")) if kind == "unix" else (socket.AF_INET, ("127.0.0.1", 0))
    with socket.socket(family) as silent:
        silent.bind(place)
        silent.listen()
        address = f"unix://{place}" if kind == "unix" else f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with connect(address, timeout_s=0.2) as client, pytest.raises(redis.TimeoutError) as caught:
            client.ping()

    problem = known_problem(caught.value)
    assert problem is not None
    assert problem.reason is ServerReason.TIMEOUT


def test_a_copy_of_the_process_uses_no_connection_of_its_parents(server: KillableServer) -> None:
    """Two processes on one connection would read each other's answers."""
    with connect(server.server.url) as client:
        parents = client.client_id()
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writes, str(client.client_id()).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert int(os.read(reads, 100)) != parents
        assert client.client_id() == parents
        os.close(reads)
        os.close(writes)


def test_a_connection_that_was_marked_is_made_anew(server: KillableServer) -> None:
    with connect(server.server.url) as client:
        first = client.client_id()
        client.connection_pool._available_connections[0].mark_for_reconnect()

        assert client.client_id() == first, "it was in use once more"
        assert client.client_id() != first
