"""Threads that ask a server at the same time share a round trip, and each gets its own answer, or its own error."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis

from epay_transfers.ledger.store import shared_trips
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem
from epay_transfers.ledger.store.shared_trips import SharedTrips
from tests.support.servers import KillableServer
from tests.support.waiting import until

THREADS = 8


class Slow:
    """A server whose first round trip takes until `go_on` is set."""

    def __init__(self, answer: Callable[[bytes], Any]) -> None:
        self.go_on = threading.Event()
        self.trips: list[list[bytes]] = []
        self._answer = answer

    def carry(self, packed: Sequence[bytes]) -> list[Any]:
        self.trips.append(list(packed))
        if len(self.trips) == 1:
            assert self.go_on.wait(60)
        return [self._answer(command) for command in packed]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end: a slow machine lets no command go alone that a test has wait."""
    monkeypatch.setattr(shared_trips, "_PATIENCE_S", 3600.0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def three_behind_one(server: Slow, trips: SharedTrips, pool: ThreadPoolExecutor) -> list[Future[Any]]:
    """One round trip is under way, and three more threads ask meanwhile; then it ends."""
    asked = [pool.submit(trips.run, b"first")]
    until(lambda: bool(server.trips))
    for command in (b"b", b"c", b"d"):
        asked.append(pool.submit(trips.run, command))
        until(lambda: len(trips._waiting) == len(asked) - 1)
    server.go_on.set()
    return asked


def test_what_is_asked_during_a_round_trip_goes_together_with_the_next(pool: ThreadPoolExecutor) -> None:
    server = Slow(bytes.upper)
    asked = three_behind_one(server, SharedTrips(server.carry), pool)

    assert [each.result(60) for each in asked] == [b"FIRST", b"B", b"C", b"D"]
    assert server.trips == [[b"first"], [b"b", b"c", b"d"]]


def test_a_command_that_comes_alone_waits_for_no_other() -> None:
    server = Slow(bytes.upper)
    server.go_on.set()
    trips = SharedTrips(server.carry)

    assert [trips.run(b"a"), trips.run(b"b")] == [b"A", b"B"]
    assert server.trips == [[b"a"], [b"b"]]


def test_an_error_among_the_answers_is_raised_by_the_thread_that_asked(pool: ThreadPoolExecutor) -> None:
    def answer(command: bytes) -> object:
        return redis.ResponseError("c is wrong") if command == b"c" else command

    server = Slow(answer)
    first, second, wrong, last = three_behind_one(server, SharedTrips(server.carry), pool)

    assert [each.result(60) for each in (first, second, last)] == [b"first", b"b", b"d"]
    with pytest.raises(redis.ResponseError, match="c is wrong"):
        wrong.result(60)


def test_a_round_trip_that_fails_is_an_error_of_each_that_was_in_it_and_of_no_other(pool: ThreadPoolExecutor) -> None:
    """Each has an error of its own, with its cause: what one thread adds to it, no other thread tells or holds."""

    def answer(command: bytes) -> bytes:
        if command == b"c":
            raise redis.ConnectionError("lost") from OSError("why")
        return command

    server = Slow(answer)
    trips = SharedTrips(server.carry)
    first, *others = three_behind_one(server, trips, pool)

    assert first.result(60) == b"first"
    errors = [each.exception(60) for each in others]
    assert [(type(each), str(each), str(each and each.__cause__)) for each in errors] == [
        (redis.ConnectionError, "lost", "why")
    ] * 3
    assert len({id(each) for each in errors}) == 3
    assert trips.run(b"e") == b"e"


def test_what_was_answered_before_the_connection_was_lost_is_an_answer(pool: ThreadPoolExecutor) -> None:
    """The others may have been carried out as well: they have an error, each one of its own."""
    lost = redis.ConnectionError("lost")
    server = Slow(lambda command: command if command in {b"first", b"b"} else lost)
    _, answered, *others = three_behind_one(server, SharedTrips(server.carry), pool)

    assert answered.result(60) == b"b"
    errors = [each.exception(60) for each in others]
    assert [str(each) for each in errors] == ["lost"] * 2
    assert len({id(each) for each in errors}) == 2


def test_a_command_that_a_hung_round_trip_keeps_waiting_goes_alone(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection that is dead does not stop what others could answer, and nothing is sent twice for it."""
    monkeypatch.setattr(shared_trips, "_PATIENCE_S", 0.2)
    server = Slow(bytes.upper)
    trips = SharedTrips(server.carry)
    hung = pool.submit(trips.run, b"first")
    until(lambda: bool(server.trips))

    assert [each.result(60) for each in [pool.submit(trips.run, command) for command in (b"b", b"c")]] == [b"B", b"C"]
    server.go_on.set()

    assert hung.result(60) == b"FIRST"
    assert sorted(server.trips) == [[b"b"], [b"c"], [b"first"]]
    assert trips.run(b"e") == b"E"


def test_an_answer_too_few_is_taken_for_no_answer_at_all(pool: ThreadPoolExecutor) -> None:
    """Else a thread could get another's."""
    server = Slow(bytes.upper)
    trips = SharedTrips(lambda packed: server.carry(packed)[: 2 if len(packed) == 3 else 1])
    _, carrier, *others = three_behind_one(server, trips, pool)

    assert type(carrier.exception(60)) is ValueError
    assert [type(each.exception(60)) for each in others] == [redis.ConnectionError] * 2
    assert trips.run(b"e") == b"E"


def raising(error: BaseException, *, at: bytes) -> Callable[[bytes], bytes]:
    """Each command is its own answer, but this one ends the round trip."""

    def answer(command: bytes) -> bytes:
        if command == at:
            raise error
        return command

    return answer


class NoCopy(redis.ResponseError):
    """An error that can't be made from what it says."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def test_what_the_carrier_can_not_hand_on_is_a_lost_connection_and_is_not_sent_again(pool: ThreadPoolExecutor) -> None:
    """A claim that was sent twice would look like another worker's."""
    server = Slow(raising(NoCopy("not ", "so"), at=b"c"))
    trips = SharedTrips(server.carry)
    _, carrier, *others = three_behind_one(server, trips, pool)

    assert type(carrier.exception(60)) is NoCopy
    assert [type(each.exception(60)) for each in others] == [redis.ConnectionError] * 2
    assert server.trips == [[b"first"], [b"b", b"c", b"d"]]
    assert trips.run(b"e") == b"e"


def test_what_ends_the_thread_that_carries_is_a_lost_connection_for_the_others(pool: ThreadPoolExecutor) -> None:
    """They know how to go on from that: what they asked may have been done."""
    server = Slow(raising(SystemExit(3), at=b"b"))
    trips = SharedTrips(server.carry)
    _, carrier, *others = three_behind_one(server, trips, pool)

    assert type(carrier.exception(60)) is SystemExit
    assert [type(each.exception(60)) for each in others] == [redis.ConnectionError] * 2
    assert trips.run(b"e") == b"e"


def test_many_threads_at_a_real_server_each_get_their_own_answers(
    server: KillableServer, pool: ThreadPoolExecutor
) -> None:
    """Scripts, hashes, texts and errors go together on one connection."""
    with connect(server.server.url, shared=True) as client:
        digest = str(client.script_load("return {KEYS[1], ARGV[1]}"))
        for thread in range(THREADS):
            client.set(f"text {thread}", f"of {thread}")
            client.hset(f"hash {thread}", mapping={"of": thread})

        def ask(thread: int) -> None:
            for number in range(200):
                assert client.evalsha(digest, 1, f"key {thread}", number) == [f"key {thread}", str(number)]
                assert client.get(f"text {thread}") == f"of {thread}"
                assert client.hgetall(f"hash {thread}") == {"of": str(thread)}
                with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                    client.get(f"hash {thread}")

        for each in [pool.submit(ask, thread) for thread in range(THREADS)]:
            each.result(120)

        assert len(client.connection_pool._available_connections) == 1


def test_a_command_that_can_not_be_packed_goes_into_no_round_trip(
    server: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beside it would fail with it."""
    with connect(server.server.url, shared=True) as client:
        monkeypatch.setattr(SharedTrips, "run", _untaken)
        with pytest.raises(redis.DataError):
            client.get(None)


def _untaken(_trips: SharedTrips, packed: bytes) -> None:
    raise AssertionError(packed)


def test_a_script_that_the_server_does_not_know_is_loaded_beside_the_others(
    server: KillableServer, pool: ThreadPoolExecutor
) -> None:
    """Each thread meets it by itself, and none reads the answer of another."""
    with connect(server.server.url, shared=True) as client:
        scripts = Scripts(client, ("due",))
        client.zadd("due", {f"name {number}": number for number in range(THREADS)})

        def ask(limit: int) -> list[str]:
            return scripts.run("due", ["due"], ["1000", limit])

        for _ in range(20):
            client.script_flush()
            found = [each.result(60) for each in [pool.submit(ask, limit) for limit in range(1, THREADS + 1)]]
            assert [len(names) for names in found] == [1 + limit for limit in range(1, THREADS + 1)]


def test_a_server_that_is_gone_is_told_to_each_thread_and_met_again_once_it_is_back(
    server: KillableServer, pool: ThreadPoolExecutor
) -> None:
    with connect(server.server.url, "REDIS_URL", shared=True) as client:
        client.get("a")
        server.kill()

        errors = [each.exception(60) for each in [pool.submit(client.get, "a") for _ in range(THREADS)]]
        problems = [known_problem(error) for error in errors if error]
        assert len(problems) == THREADS
        assert {problem and problem.reason for problem in problems} <= {ServerReason.REFUSED, ServerReason.LOST}
        assert all("REDIS_URL" in str(problem) for problem in problems)

        server.restart()
        assert client.get("a") is None
