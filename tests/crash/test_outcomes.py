"""A consumer of outcomes is killed at each of its lines: no outcome is lost, and each transfer's come in order.

A forked process runs the real consumer on a real server, and kills itself at one line; others do what it left.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import redis

from epay_transfers.ledger.store import outcome_feed, outcomes_aside, redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.outcome_feed import OutcomeFeed
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.producers import Outcome, outcome_consumer
from epay_transfers.runtime import embedded_servers
from tests.support.clocks import FakeClock
from tests.support.servers import running

GROUP = "payouts"
SEEN = "seen"  #: what the handlers committed, as a backend's database would have it
KEYS = {"good": "251124000001", "bad": "251124000002"}
ALL_TIMES = "TRANSFERS_KILLS" in os.environ
VERSIONS = 4
TRIES = 2

Line = tuple[str, int]
Handler = Callable[[Outcome], None]

#: Whose lines are meant. The handler's are, too: between its commit and its return.
FILES = {str(Path(str(module.__file__))) for module in (outcome_consumer, outcome_feed, outcomes_aside)} | {__file__}
HANDLERS = {"failing", "healthy"}


@pytest.fixture
def server() -> Any:
    """It is not killed, so it writes nothing to a disk."""
    with running(embedded_servers.LEDGER_OPTIONS | {"appendonly": "no"}) as server:
        yield server


def prepare(client: redis.Redis) -> None:
    """Events as `_move.lua` writes them, one move of each transfer after the other, and their records' histories."""
    client.flushall()
    histories: dict[str, str] = {}
    for version in range(1, VERSIONS + 1):
        for reference, key in KEYS.items():
            state = "queued" if version < VERSIONS else "paid"
            fields = {"verb": "x", "key": key, "reference": reference, "version": str(version), "state": state}
            ms = 1_795_500_000_000 + version
            place = str(client.xadd(redis_keys.EVENTS, fields, id=f"{ms}-{'0' if reference == 'good' else '1'}"))  # type: ignore[arg-type]  # str is a field's type
            first = histories.get(key)
            end = "" if place.endswith("-0") else "-1"
            histories[key] = f"m{place}" if first is None else f"{first}m{version - 1}{end}"
    for key, history in histories.items():
        client.hset(redis_keys.record(key), "history", history)


def failing(outcome: Outcome, database: redis.Redis) -> None:
    database.rpush(SEEN, f"{outcome.reference} {outcome.version}")
    if (outcome.reference, outcome.version) == ("bad", 2):
        raise ValueError("a handler's error")
    assert outcome.version


def healthy(outcome: Outcome, database: redis.Redis) -> None:
    database.rpush(SEEN, f"{outcome.reference} {outcome.version}")
    assert outcome.version


def consume(url: str, handler: Callable[[Outcome, redis.Redis], None]) -> None:
    """Until nothing is left. What a dead consumer had is claimed at once."""
    client, database, clock = connect(url), connect(url), FakeClock()
    outcome_consumer.run_outcomes(
        OutcomeFeed(client, clock), clock, lambda *_: False, clock.advance, lambda outcome: handler(outcome, database),
        group=GROUP, consumer=None, is_stopped=lambda: False, idle=0, claim_after=0, set_aside_after=TRIES,
    )  # fmt: skip
    client.close()
    database.close()


def is_meant(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_filename in FILES and (code.co_filename != __file__ or code.co_name in HANDLERS)


def traced(run: Callable[[], None], at_line: Callable[[Line], None]) -> None:
    def trace(frame: FrameType, event: str, _more: Any) -> Any:
        if not is_meant(frame):
            return None
        if event == "line":
            at_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)


def lines_of(run: Callable[[], None]) -> list[tuple[Line, int]]:
    """Each line that it comes by, the first or the last time by turns; in `make torture` both times."""
    counts: dict[Line, int] = {}

    def count(line: Line) -> None:
        counts[line] = counts.get(line, 0) + 1

    traced(run, count)
    if ALL_TIMES:
        return [(line, time) for line, times in counts.items() for time in sorted({1, times})]
    return [(line, times if number % 2 else 1) for number, (line, times) in enumerate(counts.items())]


def killed_at(run: Callable[[], None], line: Line, time: int) -> bool:
    """False: it ended before it came there so often."""
    pid = os.fork()
    if pid == 0:
        left = [time]

        def kill(at: Line) -> None:
            if at == line:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            traced(run, kill)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def seen_of(client: redis.Redis, reference: str) -> list[int]:
    entries = [str(entry).split() for entry in client.lrange(SEEN, 0, -1)]
    return [int(version) for each, version in entries if each == reference]


def check(client: redis.Redis, reference: str, last: int) -> None:
    """Each version was seen, and none after a later one."""
    seen = seen_of(client, reference)
    assert seen == sorted(seen), reference
    assert set(seen) == set(range(1, last + 1)), reference


def pending(client: redis.Redis) -> int:
    return int(client.xpending(redis_keys.EVENTS, GROUP)["pending"])


def warm(client: redis.Redis) -> None:
    """Load the scripts, so that each run comes by the same lines."""
    for name in ("outcome_ready", "outcome_aside", "outcome_replay"):
        client.script_load(Scripts(client, (name,))._texts[name])


def test_a_consumer_that_is_killed_at_any_line_loses_nothing_and_keeps_the_order(
    server: embedded_servers.EmbeddedServer,
) -> None:
    client = connect(server.url)
    warm(client)
    prepare(client)
    kills = 0
    for line, time in lines_of(lambda: consume(server.url, failing)):
        prepare(client)
        kills += killed_at(lambda: consume(server.url, failing), line, time)
        consume(server.url, failing)

        aside = OutcomesAside(client).all()
        assert [(each.reference, each.version) for each in aside] == [("bad", 2), ("bad", 3), ("bad", 4)], line
        assert pending(client) == 0, line
        check(client, "good", VERSIONS)
        check(client, "bad", 2)
        assert seen_of(client, "bad").count(2) <= TRIES, "no more deliveries than there may be"
    assert kills > 100
    client.close()


def test_a_consumer_that_is_killed_at_any_line_of_a_replay_loses_nothing_and_keeps_the_order(
    server: embedded_servers.EmbeddedServer,
) -> None:
    client = connect(server.url)
    warm(client)

    def set_aside() -> None:
        prepare(client)
        consume(server.url, failing)
        OutcomesAside(client).ask_replay(GROUP, [KEYS["bad"]], "operator aigul")
        client.delete(SEEN)

    set_aside()
    kills = 0
    for line in {line for line, _ in lines_of(lambda: consume(server.url, healthy))}:
        set_aside()
        kills += killed_at(lambda: consume(server.url, healthy), line, 1)
        consume(server.url, healthy)

        seen = seen_of(client, "bad")
        assert (seen, set(seen)) == (sorted(seen), {2, 3, 4}), line
        assert (pending(client), OutcomesAside(client).all(), OutcomesAside(client).replays()) == (0, [], set()), line
    assert kills > 100
    client.close()
