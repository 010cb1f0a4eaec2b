"""The connections to the servers: a busy one is used as it is, and nothing that a look would have seen is missed."""

import gc
import os
import select
import socket
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import connection
from epay_transfers.ledger.store.connection import connect, in_one_write, server_of
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem
from tests.support.servers import KillableServer

FEW = 20


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


def test_a_connection_that_rested_is_looked_at_by_one_system_call(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend enqueues now and then, and so most of its commands come after a rest."""
    monkeypatch.setattr(connection, "_MOMENT_S", 0.0)
    looks: list[int] = []

    class Counted:
        def __init__(self) -> None:
            self._poll = poll()

        def register(self, link: socket.socket, what: int) -> None:
            self._poll.register(link, what)

        def poll(self, timeout: float) -> list[tuple[int, int]]:
            looks.append(1)
            return self._poll.poll(timeout)

    with connect(server.server.url) as client:
        client.ping()
        poll = select.poll
        monkeypatch.setattr(select, "poll", Counted)

        for _ in range(FEW):
            assert client.ping()
        _three(client)

    assert len(looks) == FEW + 1


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


@pytest.mark.parametrize(("rested_s", "stay"), [(59.0, 4), (61.0, 1)])
def test_what_a_burst_opened_is_closed_when_nobody_needed_it_for_a_minute(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch, rested_s: float, stay: int
) -> None:
    """Or a worker that was busy once would keep a connection of each of its threads for ever."""
    with connect(server.server.url) as client:
        pool = client.connection_pool
        burst = [pool.get_connection() for _ in range(4)]
        for each in burst:
            pool.release(each)
        assert _connections(client) == 4

        later = connection._CLOCK.monotonic() + rested_s
        monkeypatch.setattr(connection, "_CLOCK", _At(later))
        for _ in range(FEW):
            assert client.ping()

        assert _connections(client) == stay
        again = [pool.get_connection() for _ in range(4)]
        assert len(set(again)) == 4
        assert pool._created_connections == 4


@dataclass(frozen=True)
class _At(SystemClock):
    at_s: float

    def monotonic(self) -> float:
        return self.at_s


def _connections(client: redis.Redis) -> int:
    return int(client.info("clients")["connected_clients"])


class _Interrupted(BaseException):
    """A time limit of a task, or Ctrl-C."""


@pytest.mark.parametrize(
    ("read_before", "begin"),
    [(0, connect), (0, partial(connect, shared=True)), (1, connect)],
    ids=["one command", "one that may be shared", "a pipeline"],
)
def test_what_is_left_of_an_interrupted_command_is_no_answer_of_the_next(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch, read_before: int, begin: Callable[[str], redis.Redis]
) -> None:
    """Each command after it would read the answer of the one before."""
    monkeypatch.setattr(connection, "_MOMENT_S", 3600.0)
    with begin(server.server.url) as client:
        client.mset({"a": "1", "b": "2", "c": "3"})
        read = connection._PlainConnection.read_response
        with monkeypatch.context() as patch:
            patch.setattr(connection._PlainConnection, "read_response", _interrupting(read, after=read_before))
            with pytest.raises(_Interrupted):
                _three(client) if read_before else client.get("a")

        assert [client.get(name) for name in "cba"] == ["3", "2", "1"]


def _interrupting(read: Callable[..., Any], *, after: int) -> Callable[..., Any]:
    answers: list[Any] = []

    def interrupted(link: Any, *args: Any, **kwargs: Any) -> Any:
        if len(answers) == after:
            raise _Interrupted
        answers.append(read(link, *args, **kwargs))
        return answers[-1]

    return interrupted


def _three(client: redis.Redis) -> None:
    pipeline = client.pipeline(transaction=False)
    for name in "abc":
        pipeline.get(name)
    pipeline.execute()


def test_an_error_that_the_server_answers_keeps_the_connection(server: KillableServer) -> None:
    with connect(server.server.url) as client:
        first = client.client_id()
        with pytest.raises(redis.ResponseError):
            client.execute_command("NO-SUCH-COMMAND")

        assert client.client_id() == first


def test_commands_in_one_write_have_their_answers_in_order_and_an_error_stands_among_them(
    server: KillableServer,
) -> None:
    """The connection is used again afterwards: nothing is left on it."""
    with connect(server.server.url) as client:
        set_, wrong, got = in_one_write(client, [("SET", "a", "1"), ("INCR", "a", "b"), ("GET", "a")])

        assert (set_, got) == ("OK", "1")
        assert isinstance(wrong, redis.ResponseError)
        assert client.get("a") == "1"
        assert len(client.connection_pool._available_connections) == 1


def test_the_first_error_of_a_pipeline_is_raised_and_leaves_nothing_on_the_connection(server: KillableServer) -> None:
    """Or it stands among the answers, where the caller wants them all."""
    with connect(server.server.url) as client:
        client.set("a", "b")
        pipeline = client.pipeline(transaction=False)
        pipeline.incr("a")
        pipeline.get("a")

        wrong, got = pipeline.execute(raise_on_error=False)
        assert isinstance(wrong, redis.ResponseError)
        assert got == "b"
        pipeline.incr("a")
        with pytest.raises(redis.ResponseError):
            pipeline.execute()
        assert pipeline.execute() == []
        assert client.get("a") == "b"
        assert len(client.connection_pool._available_connections) == 1


def test_a_pipeline_on_a_server_that_went_away_raises_and_sends_nothing_twice(server: KillableServer) -> None:
    with connect(server.server.url) as client:
        client.ping()
        server.kill()
        pipeline = client.pipeline(transaction=False)
        pipeline.incr("a")
        with pytest.raises(redis.ConnectionError):
            pipeline.execute()
        server.restart()

        assert pipeline.execute() == []
        assert client.get("a") is None


@pytest.mark.parametrize("argument", ["text", "", "ж", b"\xff\x00", 7, 1.5])
def test_a_command_is_packed_as_the_library_packs_it(argument: str | bytes | float) -> None:
    for name in ("SET", "SCRIPT LOAD"):
        assert b"".join(connection._Packer().pack(name, "a", argument)) == b"".join(
            connection._LIBRARYS_PACKER.pack(name, "a", argument)
        )


def test_what_can_not_be_packed_is_the_librarys_error() -> None:
    with pytest.raises(redis.DataError):
        connection._Packer().pack("SET", "a", None)


def test_an_answer_that_came_is_kept_though_the_connection_was_lost_behind_it(server: KillableServer) -> None:
    """What the first command did was done; the others may have been done as well."""
    with connect(server.server.url) as client:
        first, *others = in_one_write(client, [("SET", "a", "1"), ("QUIT",), ("GET", "a")])

        assert first == "OK"
        assert isinstance(others[-1], redis.ConnectionError)
        assert client.get("a") == "1"
        with pytest.raises(redis.ConnectionError):
            in_one_write(client, [("SHUTDOWN", "NOSAVE"), ("GET", "a")])


def test_a_clients_address_is_told_as_often_as_it_is_asked_for() -> None:
    """Each time counted as one more connection of the client's, of which it may have a thousand."""
    with connect("redis://127.0.0.1:1/3", "REDIS_URL") as client:
        told = {server_of(client) for _ in range(client.connection_pool.max_connections + 1)}

        assert [(one.setting, one.place, one.database) for one in told] == [("REDIS_URL", "127.0.0.1:1", 3)]
        with pytest.raises(redis.ConnectionError, match="refused"):
            client.ping()


def test_a_connection_that_is_dropped_waits_for_no_collector() -> None:
    """It has a buffer of 32 KiB, which its own parser kept."""
    with connect("redis://127.0.0.1:1/0") as client:
        gc.collect()
        gc.disable()
        try:
            dropped: Any = client.connection_pool.make_connection()
            parser = weakref.ref(dropped._parser)
            del dropped
            assert parser() is None
        finally:
            gc.enable()


def test_an_error_of_ours_keeps_nothing_of_the_clients(server: KillableServer) -> None:
    """Its frames hold the command, and what the server said of it."""
    client = connect(server.server.url)
    server.kill()
    with pytest.raises(LedgerUnavailable) as caught, redis_errors_as(LedgerUnavailable):
        client.set("name", "a value")

    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    kept = [value for frame in frames for value in frame.f_locals.values()]
    assert not any(isinstance(each, TracebackType | redis.RedisError) for each in kept)
    server.restart()


def test_an_error_that_was_dropped_waits_for_no_collector(server: KillableServer) -> None:
    """Its frames hold the connection, with its buffer."""
    with connect(server.server.url) as client:
        client.ping()
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(redis.ResponseError) as caught:
                client.execute_command("NONE")
            error = weakref.ref(caught.value)
            del caught
            assert error() is None
        finally:
            gc.enable()
