"""Whose wake-up still waits in its queue, by the record alone: it is looked at again later, and not moved."""

from collections.abc import Callable

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.clocks import FakeClock
from tests.support.factories import LASTS_MS, Place, create, found, into
from tests.support.redis_state import snapshot

QUEUED: Place = (State.QUEUED, Phase.SEND)
RESUMED: Place = (State.RESUMED, Phase.CONFIRM)

#: So long it has waited when it is looked at.
WAITED_MS = 20_000

Prepare = Callable[[Ledger, FakeClock], Record]


def fresh(ledger: Ledger, clock: FakeClock) -> Record:
    return waited(clock, create(ledger))


def resumed(ledger: Ledger, clock: FakeClock) -> Record:
    return waited(clock, into(ledger, RESUMED))


def woken(ledger: Ledger, clock: FakeClock) -> Record:
    record = create(ledger)
    ledger.move(record, Verb.SCHEDULE_WAKEUP, wakeup(), actor="sweeper")
    return waited(clock, found(ledger, record))


def deferred(ledger: Ledger, clock: FakeClock) -> Record:
    record = create(ledger)
    ledger.move(record, Verb.DEFER, Change(look_again_in=5_000, fields={"wakeups": 0}, silent=True), actor="worker")
    return waited(clock, found(ledger, record))


def woken_and_deferred(ledger: Ledger, clock: FakeClock) -> Record:
    record = create(ledger)
    ledger.move(record, Verb.SCHEDULE_WAKEUP, wakeup(), actor="sweeper")
    clock.advance(1)
    change = Change(look_again_in=5_000, fields={"wakeups": 0}, silent=True)
    ledger.move(found(ledger, record), Verb.DEFER, change, actor="worker")
    return waited(clock, found(ledger, record))


def handed_on(ledger: Ledger, clock: FakeClock) -> Record:
    record = create(ledger)
    change = Change(due_in=1_000, increments=("wakeups",), fields={"woken_at": 0}, silent=True)
    ledger.move(record, Verb.SCHEDULE_WAKEUP, change, actor="worker")
    return waited(clock, found(ledger, record))


def doubted(ledger: Ledger, clock: FakeClock) -> Record:
    return waited(clock, into(ledger, (State.IN_DOUBT, Phase.SEND)))


def parked(ledger: Ledger, clock: FakeClock) -> Record:
    return waited(clock, into(ledger, (State.PARKED, Phase.SEND)))


def claimed(ledger: Ledger, clock: FakeClock) -> Record:
    return waited(clock, into(ledger, (State.SENDING, Phase.SEND)))


def late(ledger: Ledger, clock: FakeClock) -> Record:
    record = create(ledger)
    clock.advance(LASTS_MS / 1000)
    return record


def wakeup() -> Change:
    return Change(due_in=5_000, increments=("wakeups",), times_in={"woken_at": 0}, silent=True)


def waited(clock: FakeClock, record: Record) -> Record:
    clock.advance(WAITED_MS / 1000)
    return record


def leave(ledger: Ledger, record: Record, head: int | None) -> list[str]:
    return ledger.leave_waiting([record.key], now=head, batch=None, confirms=head)


def due_at(client: redis.Redis, record: Record) -> float | None:
    score = client.zscore(redis_keys.DUE, record.key)
    return None if score is None else float(str(score))


@pytest.mark.parametrize("prepare", [fresh, woken, resumed])
def test_what_was_called_for_after_the_head_of_its_queue_waits_its_turn(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, prepare: Prepare
) -> None:
    """It is looked at again after as long as it has waited, and nothing else of it changes."""
    record = prepare(ledger, clock)
    (was,) = snapshot(ledger_client)

    assert leave(ledger, record, clock.now_ms() - WAITED_MS - 1) == []
    assert due_at(ledger_client, record) == clock.now_ms() + WAITED_MS
    (is_now,) = snapshot(ledger_client)
    assert {key for key in was | is_now if was.get(key) != is_now.get(key)} == {redis_keys.DUE}


def test_of_many_that_wait_each_is_looked_at_seldom_but_none_later_than_its_deadline(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """However long it has waited: 200 looks a second at the most, and what ends before is looked at then."""
    record = fresh(ledger, clock)
    head = clock.now_ms() - WAITED_MS - 1
    ends_at = clock.now_ms() - WAITED_MS + LASTS_MS

    for soonest_ms, looked_at in (
        (0, clock.now_ms() + WAITED_MS),
        (70_000, clock.now_ms() + 70_000),
        (LASTS_MS, ends_at),
    ):
        assert ledger.leave_waiting([record.key], now=head, batch=None, confirms=None, soonest_ms=soonest_ms) == []
        assert due_at(ledger_client, record) == looked_at


@pytest.mark.parametrize(
    "prepare", [deferred, woken_and_deferred, handed_on, doubted, parked, claimed, late], ids=lambda way: way.__name__
)
def test_what_no_message_calls_for_or_has_a_time_of_its_own_is_left(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, prepare: Prepare
) -> None:
    """Retries, inquiries, parked ones, leases and deadlines keep their times, whatever waits in the queues."""
    record = prepare(ledger, clock)
    was = snapshot(ledger_client)

    assert leave(ledger, record, 1) == [record.key]
    assert snapshot(ledger_client) == was


@pytest.mark.parametrize("prepare", [fresh, woken, resumed])
def test_what_was_called_for_before_the_head_has_no_message_any_more(
    ledger: Ledger, clock: FakeClock, prepare: Prepare
) -> None:
    record = prepare(ledger, clock)

    assert leave(ledger, record, clock.now_ms() - WAITED_MS + 2_001) == [record.key]


@pytest.mark.parametrize("prepare", [fresh, woken, resumed])
def test_nothing_waits_in_an_empty_queue(ledger: Ledger, clock: FakeClock, prepare: Prepare) -> None:
    record = prepare(ledger, clock)

    assert leave(ledger, record, None) == [record.key]


def test_each_urgency_has_a_queue_of_its_own(ledger: Ledger, clock: FakeClock) -> None:
    now, batch = create(ledger, "payout-1"), create(ledger, "payout-2", urgency="batch")
    clock.advance(10)

    assert ledger.leave_waiting([now.key, batch.key], now=1, batch=None, confirms=None) == [batch.key]
    assert ledger.leave_waiting([now.key, batch.key], now=None, batch=1, confirms=None) == [now.key]


def test_one_that_waits_is_looked_at_each_minute_and_at_its_deadline(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """So long a queue that was lost in a backlog may stay unseen."""
    record = create(ledger)
    clock.advance(300)
    assert leave(ledger, record, 1) == []
    assert due_at(ledger_client, record) == clock.now_ms() + 60_000

    clock.advance(LASTS_MS / 1000 - 310)
    assert leave(ledger, record, 1) == []
    assert due_at(ledger_client, record) == record.deadline_at


def test_what_can_not_be_read_is_left_to_its_reader(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """A key of another type, no record, a word for a number, a name that is no key, another transfer's record."""
    keys = [create(ledger, f"payout-{number}").key for number in range(4)]
    ledger_client.delete(redis_keys.record(keys[0]), redis_keys.record(keys[1]))
    ledger_client.set(redis_keys.record(keys[0]), "no hash")
    ledger_client.hset(redis_keys.record(keys[2]), "state_since", "long ago")
    ledger_client.hset(redis_keys.record(keys[3]), "key", keys[2])
    clock.advance(10)

    assert ledger.leave_waiting([*keys, "no key"], now=1, batch=1, confirms=1) == [*keys, "no key"]


def test_what_has_left_due_does_not_come_back(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    record = fresh(ledger, clock)
    ledger_client.zrem(redis_keys.DUE, record.key)

    leave(ledger, record, 1)

    assert due_at(ledger_client, record) is None
