"""Lanes: paused and opened one by one, with who and why, and told to everybody."""

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.lanes import ALL, Lane, Lanes, Pause
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.clocks import FakeClock
from tests.support.factories import NOW
from tests.support.redis_state import events


@pytest.fixture
def lanes(ledger_client: redis.Redis, clock: FakeClock) -> Lanes:
    return Lanes(ledger_client, clock)


def test_a_pause_says_who_and_why(lanes: Lanes, ledger_client: redis.Redis) -> None:
    lanes.pause(Lane.SEND, "main", actor="aida", reason='the bank said "stop" — until noon', until_ms=NOW + 60_000)

    assert lanes.pauses() == [Pause(Lane.SEND, "main", NOW + 60_000, "aida", 'the bank said "stop" — until noon')]
    (event,) = events(ledger_client)
    told = {"verb": "pause", "lane": "send", "terminal": "main", "actor": "aida"}
    assert event.items() >= told.items()


def stopped(lanes: Lanes, lane: Lane, terminal: str) -> bool:
    lanes.refresh()
    return lanes.paused(lane, terminal, Ledger(lanes._client, lanes._test_clock).now_ms()) is not None


def test_a_stop_with_an_end_ends_by_itself(lanes: Lanes, clock: FakeClock) -> None:
    lanes.pause(Lane.SEND, "main", actor="a", reason="r", until_ms=NOW + 1000)
    clock.advance(0.999)
    assert stopped(lanes, Lane.SEND, "main")

    clock.advance(0.001)
    assert not stopped(lanes, Lane.SEND, "main")
    assert lanes.pauses() == []


def test_one_without_an_end_waits_for_a_person(lanes: Lanes, clock: FakeClock, ledger_client: redis.Redis) -> None:
    lanes.pause(Lane.CONFIRM, ALL, actor="a", reason="r")
    clock.advance(10**6)
    assert stopped(lanes, Lane.CONFIRM, "kiosk")

    lanes.unpause(Lane.CONFIRM, ALL, actor="b", reason="over")
    assert not stopped(lanes, Lane.CONFIRM, "kiosk")
    assert [event["verb"] for event in events(ledger_client)] == ["pause", "unpause"]


def test_each_lane_and_terminal_is_paused_apart(lanes: Lanes) -> None:
    lanes.pause(Lane.SEND, "kiosk", actor="a", reason="r")

    assert stopped(lanes, Lane.SEND, "kiosk")
    assert not stopped(lanes, Lane.SEND, "main")
    assert not stopped(lanes, Lane.INQUIRE, "kiosk")

    lanes.pause(Lane.SEND, ALL, actor="a", reason="r")
    lanes.unpause(Lane.SEND, "kiosk", actor="a", reason="r")
    assert stopped(lanes, Lane.SEND, "kiosk")


def test_the_last_pause_of_a_lane_counts(lanes: Lanes) -> None:
    lanes.pause(Lane.SEND, "main", actor="a", reason="short", until_ms=NOW + 1000)
    lanes.pause(Lane.SEND, "main", actor="b", reason="long")

    assert lanes.pauses() == [Pause(Lane.SEND, "main", 0, "b", "long")]


def test_a_ledger_that_is_away_is_one_error(clock: FakeClock) -> None:
    lanes = Lanes(connect("redis://127.0.0.1:1/0"), clock)

    for call in (
        lanes.pauses,
        lambda: lanes.pause(Lane.SEND, ALL, actor="a", reason="r"),
        lambda: lanes.unpause(Lane.SEND, ALL, actor="a", reason="r"),
    ):
        with pytest.raises(LedgerUnavailable):
            call()
