"""The ledger's time is its server's: what is stored is that time and a duration, and what ends waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordTimes
from epay_transfers.ledger.store.circuit_breakers import PROBE_MS, Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import ClockApart, Moved, Refused
from tests.support.clocks import FakeClock
from tests.support.factories import CHALLENGE, HOST, LASTS_MS, WAYS, Place, claim, create, found, into, make, reach
from tests.support.redis_state import due, events, snapshot
from tests.support.state_table import AFTER, BEFORE

QUEUED: Place = (State.QUEUED, Phase.SEND)
SENDING: Place = (State.SENDING, Phase.SEND)
PARKED: Place = (State.PARKED, Phase.SEND)
RESUMED: Place = (State.RESUMED, Phase.CONFIRM)


@pytest.fixture
def true(ledger_client: redis.Redis) -> Ledger:
    """The ledger as production has it: nobody gives it a time."""
    return Ledger(ledger_client)


@contextmanager
def meanwhile(client: redis.Redis) -> Iterator[list[int]]:
    """Before the block, and after it, by the server: two times, once it is over."""
    times: list[int] = []
    for at in range(2):
        seconds, micros = client.time()
        times.append(seconds * 1000 + micros // 1000)
        if not at:
            yield times


def test_what_a_transfer_begins_with_is_the_servers_time(true: Ledger, ledger_client: redis.Redis) -> None:
    with meanwhile(ledger_client) as times:
        record = create(true)

    assert times[0] <= record.created_at <= times[1]
    assert record.state_since == record.created_at
    assert record.deadline_at == record.created_at + LASTS_MS
    assert due(ledger_client) == {record.key: record.created_at + 5000}
    assert found(true, record) == record
    assert events(ledger_client)[-1]["at"] == str(record.created_at)


def test_who_waits_shorter_than_the_producers_grace_is_due_at_its_deadline(
    true: Ledger, ledger_client: redis.Redis
) -> None:
    record = create(true, lasts_ms=4999)

    assert due(ledger_client) == {record.key: record.deadline_at}


def test_a_claim_a_rate_and_a_lease_go_by_the_servers_time(true: Ledger, ledger_client: redis.Redis) -> None:
    record = create(true)
    with meanwhile(ledger_client) as times:
        claimed = claim(true, record, gap_ms=200, lease_ms=60_000)

    after = found(true, record)
    assert times[0] <= claimed.at_ms <= times[1]
    assert after.state_since == claimed.at_ms
    assert after.lease_until == claimed.at_ms + 60_000
    assert due(ledger_client) == {record.key: after.lease_until}
    assert int(str(ledger_client.hget(redis_keys.RATES, "main"))) == claimed.at_ms + 200


def test_a_move_stores_durations_as_times(true: Ledger, ledger_client: redis.Redis) -> None:
    record = into(true, SENDING)
    times_in: RecordTimes = {"parked_until": 900_000, "next_attempt_at": 900_000}
    with meanwhile(ledger_client) as times:
        moved = true.move(record, Verb.PARK, Change(due_in=900_000, times_in=times_in, challenge=CHALLENGE), actor="w")

    after = found(true, record)
    assert times[0] <= moved.at_ms <= times[1]
    assert after.parked_until == after.next_attempt_at == moved.at_ms + 900_000
    assert due(ledger_client) == {record.key: after.next_attempt_at}
    told = events(ledger_client)[-1]
    assert (told["next_attempt_at"], told["at"]) == (str(after.next_attempt_at), str(moved.at_ms))
    assert "parked_until" not in told


def test_what_is_given_as_a_duration_ends_with_the_deadline(true: Ledger, ledger_client: redis.Redis) -> None:
    record = create(true)

    true.move(
        record,
        Verb.DEFER,
        Change(due_in=LASTS_MS + 1, no_later=record.deadline_at, times_in={"next_attempt_at": LASTS_MS + 1}),
        actor="w",
    )

    assert found(true, record).next_attempt_at == record.deadline_at
    assert due(ledger_client) == {record.key: record.deadline_at}


def test_who_is_due_comes_with_what_time_it_is(true: Ledger, ledger_client: redis.Redis) -> None:
    record = create(true)
    true.move(record, Verb.SCHEDULE_WAKEUP, Change(due_in=0, silent=True), actor="w")
    with meanwhile(ledger_client) as times:
        looked, bare = true.due(10), true.due(0)

    assert times[0] <= looked.now_ms <= bare.now_ms <= times[1]
    assert ([record.key for record in looked.records], bare.records) == ([record.key], [])
    assert times[0] <= true.now_ms() <= times[1] + 1000


def test_a_breaker_is_asked_about_seconds_later_by_the_servers_time(true: Ledger, ledger_client: redis.Redis) -> None:
    breakers = Breakers(ledger_client, Events(ledger_client), "worker")
    with meanwhile(ledger_client) as times:
        breakers.trip(HOST, "refused")

    first = int(str(ledger_client.hget(redis_keys.BREAKERS, f"open:{HOST}")))
    assert times[0] + PROBE_MS <= first <= times[1] + PROBE_MS
    assert not breakers.may_probe(HOST)
    ledger_client.hset(redis_keys.BREAKERS, f"open:{HOST}", str(times[0]))
    assert breakers.may_probe(HOST)
    assert int(str(ledger_client.hget(redis_keys.BREAKERS, f"open:{HOST}"))) >= times[1] + PROBE_MS


def test_a_question_that_is_further_off_than_any_rule_says_is_asked_now(
    true: Ledger, ledger_client: redis.Redis
) -> None:
    """What a clock that was wrong has left heals by itself."""
    breakers = Breakers(ledger_client, Events(ledger_client), "worker")
    ledger_client.hset(redis_keys.BREAKERS, f"open:{HOST}", str(true.now_ms() + 7_200_000))

    assert breakers.may_probe(HOST)


def test_events_are_trimmed_by_the_servers_time(true: Ledger, ledger_client: redis.Redis) -> None:
    events = Events(ledger_client)
    pipeline = ledger_client.pipeline()
    for number in range(300):  # a node of a stream holds a hundred; only whole ones are dropped
        pipeline.xadd(redis_keys.EVENTS, {"verb": "old"}, id=f"{true.now_ms() - 60_000}-{number + 1}")
    pipeline.execute()
    create(true)

    assert events.trim(120_000) == 0
    assert events.trim(30_000) >= 200


# What ends waits for the ledger's time.


@pytest.mark.parametrize(("place", "field"), [(QUEUED, "deadline_at"), (PARKED, "parked_until")])
def test_nothing_expires_before_its_time_whoever_says_so(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, place: Place, field: str
) -> None:
    record = into(ledger, place)
    if place is PARKED:
        ledger_client.hset(redis_keys.record(record.key), field, str(record.deadline_at))
        record = found(ledger, record)
    reach(ledger, getattr(record, field) - 1)
    was = snapshot(ledger_client)

    assert ledger.move(record, Verb.EXPIRE, actor="w") == Refused(record.state, record.epoch)
    assert snapshot(ledger_client) == was
    clock.advance(0.001)
    assert isinstance(ledger.move(record, Verb.EXPIRE, actor="w"), Moved)


def test_a_claim_comes_too_late_at_the_deadline_and_a_confirm_never(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record, answered = create(ledger), into(ledger, RESUMED, "payout-2")
    reach(ledger, record.deadline_at - 1)
    assert isinstance(claim(ledger, create(ledger, "payout-3", lasts_ms=2)), Moved)
    reach(ledger, record.deadline_at)
    was = snapshot(ledger_client)

    assert claim(ledger, record, gap_ms=1000) == Refused(State.QUEUED, record.epoch)
    assert snapshot(ledger_client) == was
    assert isinstance(claim(ledger, answered), Moved)


@pytest.mark.parametrize("verb", [Verb.DOUBT, Verb.REQUEUE, Verb.FAIL_CLAIMED])
def test_a_lease_that_stands_is_not_swept(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, verb: Verb
) -> None:
    """Whoever looks into a claim that is not its own says after what time; its own worker says none, and is heard."""
    record, own = into(ledger, SENDING), into(ledger, SENDING, "payout-2")
    reach(ledger, record.lease_until - 1)
    was = snapshot(ledger_client)

    assert ledger.move(record, verb, Change(due_in=0, only_after=record.lease_until), actor="sweeper") == Refused(
        State.SENDING, record.epoch
    )
    assert snapshot(ledger_client) == was
    assert isinstance(ledger.move(own, verb, Change(due_in=0), actor="worker"), Moved)
    clock.advance(0.001)
    swept = ledger.move(record, verb, Change(due_in=0, only_after=record.lease_until), actor="sweeper")
    assert isinstance(swept, Moved)


@pytest.mark.parametrize("seconds", [10**8, -(10**8)])
@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in {Verb.CREATE, Verb.EXPIRE}])
def test_what_records_the_truth_is_refused_for_no_time(
    ledger: Ledger, clock: FakeClock, verb: Verb, seconds: int
) -> None:
    """Whatever the server's clock says by now."""
    place = next(place for place in WAYS if place[0] in verb.row.moves and verb.row.phase in {None, place[1]})
    record = into(ledger, place)
    clock.jump(seconds)

    is_late = verb is Verb.CLAIM and seconds > 0
    assert isinstance(make(ledger, record, verb, clock.now_ms()), Moved) is not is_late


def test_the_table_says_which_moves_wait_for_a_time() -> None:
    assert {verb: dict(row.after) for verb, row in ((verb, verb.row) for verb in Verb) if row.after} == AFTER
    assert {verb: dict(row.before) for verb, row in ((verb, verb.row) for verb in Verb) if row.before} == BEFORE


# A machine whose clock is wrong claims nothing.


@pytest.mark.parametrize(("off_ms", "is_far"), [(2000, False), (-2000, False), (2001, True), (-2001, True)])
def test_a_machine_that_is_too_far_off_gets_nothing_and_is_told_the_time(
    ledger: Ledger,
    ledger_client: redis.Redis,
    clock: FakeClock,
    off_ms: int,
    is_far: bool,  # noqa: FBT001 - a table's column
) -> None:
    record = create(ledger)
    was = snapshot(ledger_client)

    reply = claim(ledger, record, gap_ms=1000, own_ms=clock.now_ms() + off_ms)

    assert reply.at_ms == clock.now_ms()
    assert isinstance(reply, ClockApart if is_far else Moved)
    assert (snapshot(ledger_client) == was) is is_far


def test_every_answer_to_a_claim_says_what_time_it_is(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    def at(record: Record, **more: object) -> int:
        return int(claim(ledger, record, **more).at_ms)

    now, record = clock.now_ms(), create(ledger)
    assert at(replace(record, epoch=7)) == now
    ledger_client.hset(redis_keys.PAUSES, "a", "0 send * - - []")
    assert at(record) == now
    ledger_client.delete(redis_keys.PAUSES)
    ledger_client.hset(redis_keys.BREAKERS, f"open:{HOST}", "1")
    assert at(record) == now
    ledger_client.delete(redis_keys.BREAKERS)
    assert at(record, gap_ms=1000) == now
    batch = [create(ledger, f"batch-{n}", urgency="batch") for n in range(8)]
    assert {at(each, gap_ms=1000) for each in batch} == {now}
    assert at(create(ledger, "short", lasts_ms=1), gap_ms=1000) == now
    last = create(ledger, "behind")
    ledger.seen += 100
    assert at(last) == now
