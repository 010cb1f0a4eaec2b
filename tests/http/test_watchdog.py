"""The watchdog: it ends each attempt at its time, and where it is dead nothing is sent."""

import functools
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.worker.bank.attempt import Attempt, PlainPool, UnwatchedError, WatchedPlain
from epay_transfers.worker.bank.outcome import Evidence, NoResponse, Response
from epay_transfers.worker.bank.transport import Transport
from epay_transfers.worker.bank.watchdog import WATCHDOG, Watchdog
from tests.http.asking import HandClock
from tests.http.misbehaving import Server, Talk, well, with_length
from tests.support.waiting import until

CARD = b'{"cardCred":"4405639704015096"}'


def kill(watchdog: Watchdog) -> None:
    """Its thread ends by an error; back when it has."""
    thread = watchdog._thread

    def die() -> None:
        raise SystemExit

    watchdog.watch(die, within_s=0.0)
    assert thread is not None
    thread.join(20)
    assert not thread.is_alive()


def running() -> Watchdog:
    """One that waits for a time that does not come."""
    watchdog = Watchdog()
    watchdog.watch(lambda: None, within_s=3600.0)
    until(lambda: watchdog._wakes_at > 0)
    return watchdog


def set_and_break(event: threading.Event) -> None:
    event.set()
    raise OSError


def transport_of() -> Transport:
    return Transport(SystemClock(), connect_timeout_s=5.0, read_timeout_s=20.0, deadline_s=20.0, ca_file=None)


def while_connecting(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    class Connection(WatchedPlain):
        def connect(self) -> None:
            super().connect()
            do()

    class Pool(PlainPool):
        ConnectionCls = Connection

    monkeypatch.setattr("epay_transfers.worker.bank.transport.POOLS", {"http": Pool})


class TestTheEnd:
    def test_it_comes_though_the_attempts_clock_stands_still(self) -> None:
        """The end of the connection wakes the reader; else the socket's own limit fails the test."""
        left, right = socket.socketpair()
        with left, right, Attempt(HandClock(), 0.1) as attempt:
            left.settimeout(20)
            attempt.touch(left)
            assert left.recv(1) == b""
            assert attempt.was_cut

    def test_an_earlier_end_is_kept_though_the_thread_waits_for_a_later_one(self) -> None:
        watchdog, ended = running(), [threading.Event() for _ in range(3)]
        for event, within_s in zip(ended, (0.3, 0.1, 0.2), strict=True):
            watchdog.watch(event.set, within_s=within_s)

        assert all(event.wait(20) for event in ended)

    def test_it_comes_in_the_order_of_the_times(self) -> None:
        watchdog, order, last = Watchdog(), list[float](), threading.Event()
        for within_s in (0.5, 0.3, 0.4, 0.2, 0.1):
            watchdog.watch(functools.partial(order.append, within_s), within_s=within_s)
        watchdog.watch(last.set, within_s=0.6)

        assert last.wait(20)
        assert order == sorted(order)
        assert len(order) == 5

    def test_one_thread_watches_all_attempts(self) -> None:
        watchdog, threads, last = Watchdog(), set[int](), threading.Event()
        for _ in range(20):
            watchdog.watch(lambda: threads.add(threading.get_ident()), within_s=0.05)
        watchdog.watch(last.set, within_s=0.1)

        assert last.wait(20)
        assert len(threads) == 1

    def test_a_watch_that_has_ended_calls_nothing_and_is_not_kept(self) -> None:
        watchdog, called, last = running(), list[int](), threading.Event()
        for _ in range(100):
            watchdog.watch(lambda: called.append(1), within_s=0.05).end()
        watchdog.watch(last.set, within_s=0.1)

        assert last.wait(20)
        assert called == []
        assert len(watchdog._watches) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that is what dies
class TestItsDeath:
    def test_it_ends_all_that_it_watched(self) -> None:
        """Else they would have no end. An attempt that can't be ended keeps no other from its end."""
        watchdog, ended = running(), [threading.Event() for _ in range(3)]
        for event in ended:
            watchdog.watch(functools.partial(set_and_break, event), within_s=3600.0)
        kill(watchdog)

        assert all(event.is_set() for event in ended)
        assert not watchdog.is_alive

    def test_an_end_that_breaks_it_is_tried_once_more(self) -> None:
        watchdog, tries = running(), list[int]()
        thread = watchdog._thread

        def die() -> None:
            tries.append(1)
            raise OSError

        watchdog.watch(die, within_s=0.0)
        assert thread is not None
        thread.join(20)

        assert len(tries) == 2

    def test_the_next_attempt_starts_it_anew(self) -> None:
        watchdog, ended = running(), threading.Event()
        kill(watchdog)
        watchdog.watch(ended.set, within_s=0.05)

        assert ended.wait(20)
        assert watchdog.is_alive

    def test_it_dies_before_a_request_and_nothing_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        while_connecting(monkeypatch, lambda: kill(WATCHDOG))
        with Server({"/x": (well, b"{}")}) as server:
            heard = transport_of().exchange("POST", f"{server.url}/x", body=CARD)
            assert heard == NoResponse(Evidence.NOT_SENT, "deadline")
            monkeypatch.undo()
            assert isinstance(transport_of().exchange("POST", f"{server.url}/x", body=CARD), Response)

        assert len(server.executed) == 1

    def test_it_is_gone_without_a_word_and_nothing_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        while_connecting(monkeypatch, lambda: monkeypatch.setattr(Watchdog, "is_alive", False))
        with Server({"/x": (well, b"{}")}) as server:
            heard = transport_of().exchange("POST", f"{server.url}/x", body=CARD)

        assert heard == NoResponse(Evidence.NOT_SENT, "unwatched")
        assert server.executed == []

    def test_it_is_gone_between_two_pieces_and_the_second_is_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        left, right = socket.socketpair()
        with left, right:
            with Attempt(SystemClock(), 20.0) as attempt:
                attempt.touch(left)
                monkeypatch.setattr(Watchdog, "is_alive", False)
                with pytest.raises(UnwatchedError):
                    attempt.touch(left)

            assert attempt.evidence is Evidence.MAYBE_SENT

    def test_it_dies_while_the_response_is_awaited_and_the_waiting_ends(self) -> None:
        def dies(talk: Talk) -> None:
            kill(WATCHDOG)
            talk.hold()
            talk.say(with_length(b"{}"))

        with Server({"/x": (dies, b"{}")}) as server:
            heard = transport_of().exchange("POST", f"{server.url}/x", body=CARD)

        assert heard == NoResponse(Evidence.MAYBE_SENT, "deadline")

    def test_where_no_thread_can_be_started_nothing_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with Server({"/x": (well, b"{}")}) as server:
            monkeypatch.setattr("epay_transfers.worker.bank.attempt.WATCHDOG", Watchdog())
            monkeypatch.setattr(threading.Thread, "start", none)
            heard = transport_of().exchange("POST", f"{server.url}/x", body=CARD)
            monkeypatch.undo()

        assert heard == NoResponse(Evidence.NOT_SENT, "unexpected")
        assert server.executed == []


def test_a_child_of_a_fork_has_its_own() -> None:
    """The parent's thread is not in it, and the parent's lock may be held in it for ever. An attempt of the parent's
    sends nothing in the child.
    """
    script = """
        import os, signal, socket, threading
        from epay_transfers.ledger.clock import SystemClock
        from epay_transfers.worker.bank.attempt import Attempt, UnwatchedError
        from epay_transfers.worker.bank.watchdog import WATCHDOG

        left, right = socket.socketpair()
        with Attempt(SystemClock(), 3600.0) as attempt:
            with WATCHDOG._changed:
                child = os.fork()
                if child == 0:
                    signal.alarm(30)
                    ended = threading.Event()
                    WATCHDOG.watch(ended.set, within_s=0.05)
                    if not ended.wait(20):
                        os._exit(1)
                    try:
                        attempt.touch(left)
                    except UnwatchedError:
                        os._exit(0)
                    os._exit(2)
            _, status = os.waitpid(child, 0)
            attempt.touch(left)
        assert status == 0, status
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    assert subprocess.run(command, check=False, timeout=60, env=os.environ).returncode == 0  # noqa: S603 - this very program
