"""The follower as a process on a real server: it outlives the ledger, goes on where it stood, and tells attacks."""

import json
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ops.context import Context
from epay_transfers.ops.follower import Follower, Output, Position
from epay_transfers.runtime import embedded_servers
from tests.support.clocks import FakeClock
from tests.support.servers import KillableServer, free_port
from tests.support.waiting import until

COMMAND = [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", "events", "--follow", "--json"]
Line = dict[str, Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[KillableServer]:
    server = KillableServer.start(tmp_path / "ledger", embedded_servers.LEDGER_OPTIONS)
    yield server
    server.server.stop()


@pytest.fixture
def client(ledger: KillableServer) -> Iterator[redis.Redis]:
    client = connect(ledger.server.url)
    yield client
    client.close()


@dataclass
class Following:
    """A follower, and every line that it has written so far."""

    process: subprocess.Popen[str]
    lines: list[Line] = field(default_factory=list)
    _incoming: queue.Queue[str] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line)

    def until(self, **wanted: str) -> Line:
        """The next line that says so."""
        while True:
            line: Line = json.loads(self._incoming.get(timeout=60))
            self.lines.append(line)
            if wanted.items() <= line.items():
                return line

    def numbers(self) -> list[int]:
        return [int(line["number"]) for line in self.lines if "alarm" not in line]

    def alarms(self) -> list[str]:
        return [line["alarm"] for line in self.lines if "alarm" in line]

    def close(self) -> None:
        self.process.kill()
        self._reader.join()

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(30)


@contextmanager
def following(ledger: KillableServer, folder: Path, *more: str, **settings: str) -> Iterator[Following]:
    place = folder / "events.place"
    with (
        (folder / "follower.log").open("a") as said,
        subprocess.Popen(  # noqa: S603 - this very program
            [*COMMAND, "--place", str(place), *more],
            env={"REDIS_URL": ledger.server.url, "PATH": "/usr/bin"} | settings,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        follower = Following(process)
        try:
            yield follower
        finally:
            follower.close()


def tell(client: redis.Redis, count: int = 1) -> None:
    for _ in range(count):
        Events(client).alarm(Alarm.CLOCK_RIGHT, actor="worker")


def test_it_begins_with_the_oldest_and_goes_on_where_it_stood(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """SIGTERM between two events; what comes while no follower runs is read by the next one, and nothing twice."""
    tell(client, 3)
    with following(ledger, tmp_path) as first:
        first.until(number="3")
        assert first.end() == 0
    tell(client, 2)

    with following(ledger, tmp_path) as second:
        second.until(number="5")
        tell(client)
        second.until(number="6")
        assert second.end(signal.SIGINT) == 130

    assert first.numbers() == [1, 2, 3]
    assert second.numbers() == [4, 5, 6]
    assert first.alarms() == second.alarms() == []


def test_a_follower_that_is_killed_repeats_what_it_had_not_stored_and_loses_nothing(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """Its place is stored after the lines: an older place repeats lines."""
    tell(client, 3)
    with following(ledger, tmp_path) as first:
        first.until(number="3")
        first.end()
    older = (tmp_path / "events.place").read_text()
    tell(client, 2)
    with following(ledger, tmp_path) as second:
        second.until(number="5")
        second.end(signal.SIGKILL)
    (tmp_path / "events.place").write_text(older)

    with following(ledger, tmp_path) as third:
        third.until(number="5")

    assert third.numbers() == [4, 5]


def test_a_ledger_that_is_killed_and_comes_back_is_followed_on(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    tell(client, 2)
    with following(ledger, tmp_path) as follower:
        follower.until(number="2")
        for number in (3, 4):
            ledger.kill()
            _until_it_says(tmp_path, "the ledger does not answer", times=number - 2)
            ledger.restart()
            tell(client)
            follower.until(number=str(number))
        assert follower.end() == 0

    assert follower.numbers() == [1, 2, 3, 4]
    assert follower.alarms() == []


def copied(client: redis.Redis) -> list[tuple[str, bytes]]:
    return [(str(name), client.dump(str(name)) or b"") for name in client.keys("*")]


def put_back(client: redis.Redis, copies: list[tuple[str, bytes]]) -> None:
    client.flushdb()
    for name, dump in copies:
        client.restore(name, 0, dump)


def by_hand(client: redis.Redis, *words: str) -> None:
    """A command that no process of ours sends."""
    client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py has no types for it


def _until_it_says(folder: Path, text: str, times: int) -> None:
    said = folder / "follower.log"
    ended = threading.Event()
    for _ in range(600):
        if said.read_text().count(text) >= times:
            return
        ended.wait(0.1)
    raise AssertionError(said.read_text())


def test_a_ledger_that_was_restored_is_an_alarm(ledger: KillableServer, client: redis.Redis, tmp_path: Path) -> None:
    """Log and counter went back together, so that only a reader from before can know; all that it holds comes again."""
    tell(client, 2)
    copies = copied(client)
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="5")
        follower.end()
    put_back(client, copies)

    with following(ledger, tmp_path) as follower:
        told = follower.until(alarm="went_back")
        follower.until(number="2")
        tell(client)
        follower.until(number="3")
        follower.end()

    assert told["number"] == "5"
    assert follower.numbers() == [1, 2, 3]
    assert follower.alarms() == ["went_back"]


def test_a_ledger_that_was_restored_and_wrote_on_is_an_alarm(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    tell(client, 2)
    copies = copied(client)
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="5")
        follower.end()
    put_back(client, copies)
    tell(client)

    with following(ledger, tmp_path) as follower:
        follower.until(alarm="out_of_order", number="3", before="5")
        follower.until(number="3")
        tell(client)
        follower.until(number="4")


ATTACKS = {
    "emptied": (["XADD", redis_keys.EVENTS, "MAXLEN", "0", "*", "verb", "x"], "unannounced_trim"),
    "shortened": (["XTRIM", redis_keys.EVENTS, "MAXLEN", "1"], "unannounced_trim"),
    "deleted": (["DEL", redis_keys.EVENTS], "went_back"),
    "forged": (["XADD", redis_keys.EVENTS, "*", "verb", "pay", "actor", "operator aigul"], "unnumbered"),
    "forged with the next number": (
        ["XADD", redis_keys.EVENTS, "*", "number", "4", "verb", "pay", "actor", "worker"],
        "counter",
    ),
    "forged far ahead": (["XADD", redis_keys.EVENTS, "*", "number", "99", "verb", "pay", "actor", "worker"], "gap"),
    "an event counted, and not written": (["HINCRBY", redis_keys.COUNTERS, "events", "1"], "gap"),
    "the counter set back": (["HSET", redis_keys.COUNTERS, "events", "1"], "counter"),
    "another type": (["SET", redis_keys.EVENTS, "x"], "broken"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_a_line_among_the_events(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path, attack: str
) -> None:
    """While it follows, and while it does not: what was shipped stays, and the attack stands beside it."""
    command, alarm = ATTACKS[attack]
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="3")
        by_hand(client, *command)
        told = follower.until(alarm=alarm)
        follower.end()
    assert told["says"]
    assert follower.numbers()[:3] == [1, 2, 3]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_while_none_followed_is_told_by_the_next_one(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path, attack: str
) -> None:
    command, alarm = ATTACKS[attack]
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="3")
        follower.end()

    by_hand(client, *command)

    with following(ledger, tmp_path) as follower:
        assert follower.until(alarm=alarm)["says"]


def test_a_forged_event_shows_again_when_the_next_true_one_comes(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="3")
        client.xadd(redis_keys.EVENTS, {"number": "4", "verb": "pay", "actor": "worker"})
        tell(client)
        follower.until(alarm="entries_added")

    assert {"out_of_order", "counter"} & set(follower.alarms())


def test_a_log_that_a_worker_trims_is_no_alarm(ledger: KillableServer, client: redis.Redis, tmp_path: Path) -> None:
    """While it follows, and while it does not, as long as it had read them."""
    tell(client, 500)
    with following(ledger, tmp_path) as follower:
        follower.until(number="500")
        assert _trimmed(client) > 0
        follower.until(verb="trimmed")
        tell(client, 200)
        follower.until(number="701")
        follower.end()
    assert _trimmed(client) > 0
    tell(client)

    with following(ledger, tmp_path) as second:
        second.until(number="703")
        by_hand(client, "XADD", redis_keys.EVENTS, "*", "verb", "the comparison has been made")
        second.until(alarm="entries_added")

    assert follower.alarms() == []
    assert second.alarms() == ["unnumbered", "entries_added"]


def _trimmed(client: redis.Redis) -> int:
    """All pages that are full, whatever their age."""
    names = (redis_keys.COUNTERS, redis_keys.EVENTS)
    reply = Events(client)._scripts.run("trim", names, ("99999999999999-0", "worker"))
    return int(reply[1])


def test_what_was_trimmed_before_it_was_read_is_a_gap(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """A follower that was away for longer than events are kept has lost them, announced or not."""
    tell(client, 3)
    with following(ledger, tmp_path) as follower:
        follower.until(number="3")
        follower.end()
    tell(client, 500)
    gone = _trimmed(client)

    with following(ledger, tmp_path) as follower:
        assert follower.until(alarm="gap")["last"] == str(gone)


def test_a_place_that_can_not_be_read_is_refused(ledger: KillableServer, tmp_path: Path) -> None:
    """It does not begin anew by itself: a month of events would come twice."""
    (tmp_path / "events.place").write_text('{"place": 7}')

    with following(ledger, tmp_path) as follower:
        assert follower.process.wait(30) == 1

    assert "--place:" in (tmp_path / "follower.log").read_text()


def test_a_reader_that_ends_ends_the_follower_and_its_place_stays(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """What was not read any more is not stored as read."""
    tell(client)
    with following(ledger, tmp_path) as first:
        first.until(number="1")
        first.end()
    before = (tmp_path / "events.place").read_text()
    tell(client)
    with subprocess.Popen(  # noqa: S603 - this very program
        [*COMMAND, "--place", str(tmp_path / "events.place")],
        env={"REDIS_URL": ledger.server.url, "PATH": "/usr/bin"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr is not None
        assert "what read the events has ended" in process.stderr.read()

    assert (tmp_path / "events.place").read_text() == before


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as said:
            return said.status, said.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_one_that_reads_and_writes_is_ready_and_one_without_its_ledger_is_not(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """It lives all the same: started anew it would do no better. It serves no metrics."""
    port = free_port()
    tell(client)
    with following(ledger, tmp_path, FOLLOWER_ADDRESS=f"127.0.0.1:{port}") as follower:
        follower.until(number="1")
        until(lambda: get(port, "/ready") == (200, "ok\n"))
        assert get(port, "/live") == (200, "ok\n")
        assert get(port, "/metrics") == (404, "here are /live, /ready\n")

        ledger.kill()

        until(lambda: get(port, "/ready")[0] == 503)
        assert get(port, "/ready")[1] == "no events: the ledger did not answer the last question\n"
        assert get(port, "/live") == (200, "ok\n")
        ledger.restart()
        until(lambda: get(port, "/ready") == (200, "ok\n"))
        assert follower.end() == 0


def test_an_address_that_is_taken_keeps_no_event_from_the_log(
    ledger: KillableServer, client: redis.Redis, tmp_path: Path
) -> None:
    """It is said, and the follower follows."""
    tell(client)
    with following(ledger, tmp_path, FOLLOWER_ADDRESS=ledger.server.url.split("/")[2]) as follower:
        follower.until(number="1")

    said = (tmp_path / "follower.log").read_text()
    assert said.startswith("FOLLOWER_ADDRESS: can't listen at 127.0.0.1:")
    assert "give this follower another HOST:PORT" in said


def test_where_nothing_is_set_a_follower_listens_nowhere(
    ledger: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", ledger.server.url)

    assert Context.connect().settings.follower_address == ""


def test_one_whose_output_takes_no_line_is_not_ready_and_lives(client: redis.Redis) -> None:
    """Another follower would have the same output: a restart mends nothing. What was taken is over."""
    tell(client)
    clock = FakeClock()
    heard: list[tuple[list[str], list[str]]] = []

    def take_long() -> None:
        clock.advance(300)
        heard.append((follower.live(), follower.ready()))

    output = Output(event=lambda _: None, alarm=lambda _: None, flush=take_long, trouble=pytest.fail)
    follower = Follower(
        Events(client), Position(), output, clock, is_stopping=lambda: bool(heard), sleep=lambda _: None
    )
    follower.run()

    live, ready = heard[0]
    assert live == []
    assert "not written: the output has not taken the last lines for 300 s" in ready
    assert follower.ready() == ["stopping"]


def test_one_whose_question_hangs_is_started_anew(client: redis.Redis) -> None:
    """Each question has a timeout, so a round that takes minutes is a fault of the process."""
    clock = FakeClock()
    follower = Follower(
        Events(client), Position(), Output(lambda _: None, lambda _: None, lambda: None, pytest.fail), clock,
        is_stopping=lambda: False, sleep=lambda _: None,
    )  # fmt: skip
    assert follower.live() == []

    clock.advance(61)

    assert follower.live() == ["hangs: a question to the ledger takes 61 s"]
