"""The event log: read from its end, of one transfer, as it grows; and never trimmed past who has not read it."""

import itertools
from typing import Any

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, create

GROUP = "payouts"
MANY = 1000


@pytest.fixture
def log(ledger_client: redis.Redis, clock: FakeClock) -> Events:
    return Events(ledger_client, clock)


def fill(client: redis.Redis, count: int = MANY, key: str = "251124000001") -> list[str]:
    """Events one millisecond apart, from where the tests' clock begins. The server forgets whole pages of them."""
    pipeline: Any = client.pipeline(transaction=False)
    ids = [f"{NOW + n}-0" for n in range(count)]
    for place in ids:
        pipeline.xadd(redis_keys.EVENTS, {"key": key, "n": place}, id=place)
    pipeline.execute()
    return ids


def kept(client: redis.Redis) -> list[str]:
    entries: Any = client.xrange(redis_keys.EVENTS)
    return [place for place, _ in entries]


def test_the_newest_come_oldest_first(log: Events, ledger_client: redis.Redis) -> None:
    ids = fill(ledger_client, 10)

    assert [event.id for event in log.newest(3)] == ids[-3:]
    assert [event.id for event in log.newest(100)] == ids
    assert log.newest(0) == []


def test_none_are_none(log: Events) -> None:
    assert log.newest() == []
    assert log.trim(0) == 0


def test_it_is_followed_from_now_on(log: Events, ledger: Ledger) -> None:
    create(ledger, "before")
    following = log.follow(block_ms=1)
    assert next(following) == []

    record = create(ledger, "after")
    assert [event.fields["key"] for event in next(following)] == [record.key]
    assert next(following) == []


def test_it_is_followed_from_a_place(log: Events, ledger_client: redis.Redis) -> None:
    ids = fill(ledger_client, 1200)

    batches = list(itertools.islice(log.follow(ids[99], block_ms=1), 3))
    assert [len(batch) for batch in batches] == [500, 500, 100]
    assert [event.id for batch in batches for event in batch] == ids[100:]


def test_an_alarm_stands_among_the_moves(log: Events) -> None:
    log.alarm(Alarm.CONTRADICTION, actor="worker", key="251124000001", bank_said="paid")

    (event,) = log.newest()
    assert event.at_ms == int(event.id.partition("-")[0]), "its place in the log says when it was told"
    assert event.fields == {
        "number": "1",
        "verb": "contradiction",
        "actor": "worker",
        "key": "251124000001",
        "bank_said": "paid",
    }


def test_what_is_old_is_forgotten_and_what_is_young_is_kept(
    log: Events, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    ids = fill(ledger_client)
    clock.advance(10)

    gone = log.trim(keep_ms=10_000 - 500)

    assert gone > 0
    assert kept(ledger_client)[:-1] == ids[gone:], "and one event, which tells it"
    assert set(ids[500:]) <= set(kept(ledger_client))


@pytest.mark.parametrize("read", [0, 1, 450, 999])
def test_nothing_is_forgotten_that_a_group_has_not_read(
    log: Events, ledger_client: redis.Redis, clock: FakeClock, read: int
) -> None:
    """However old it is: a consumer that was away for a month finds its outcomes."""
    ids = fill(ledger_client)
    ledger_client.xgroup_create(redis_keys.EVENTS, "fast", id="$")
    ledger_client.xgroup_create(redis_keys.EVENTS, GROUP, id="0")
    if read:
        ledger_client.xreadgroup(GROUP, "one", {redis_keys.EVENTS: ">"}, count=read)
        ledger_client.xack(redis_keys.EVENTS, GROUP, *ids[:read])
    clock.advance(10**6)

    log.trim(keep_ms=0)

    assert set(ids[read:]) <= set(kept(ledger_client))
    assert len(kept(ledger_client)) < MANY or read < 200


@pytest.mark.parametrize("owed", [0, 350, 998])
def test_nor_what_it_has_read_and_not_acknowledged(
    log: Events, ledger_client: redis.Redis, clock: FakeClock, owed: int
) -> None:
    ids = fill(ledger_client)
    ledger_client.xgroup_create(redis_keys.EVENTS, GROUP, id="0")
    ledger_client.xreadgroup(GROUP, "one", {redis_keys.EVENTS: ">"}, count=MANY)
    ledger_client.xack(redis_keys.EVENTS, GROUP, *(place for n, place in enumerate(ids) if n != owed))
    clock.advance(10**6)

    log.trim(keep_ms=0)

    assert set(ids[owed:]) <= set(kept(ledger_client))
    assert len(kept(ledger_client)) < MANY or owed < 200


def test_a_ledger_that_is_away_is_one_error(clock: FakeClock) -> None:
    log = Events(connect("redis://127.0.0.1:1/0"), clock)

    for call in (
        log.newest,
        lambda: log.trim(0),
        lambda: next(log.follow("0")),
        lambda: log.alarm(Alarm.CLOCK_WRONG, actor="b"),
    ):
        with pytest.raises(LedgerUnavailable):
            call()


def test_an_event_without_a_time_has_that_of_its_place_in_the_log() -> None:
    assert Event("1795500000000-3", {}).at_ms == 1_795_500_000_000
    assert Event("1795500000000-3", {"at": "5"}).at_ms == 5
