"""The claim: durable before the first byte, and not made while a lane, the breaker or the rate says wait."""

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.store.replies import Behind, Moved, Paused, Refused, Wait
from tests.support.clocks import FakeClock
from tests.support.factories import HOST, NOW, WAYS, Place, claim, create, found, into
from tests.support.pausing import end_pauses
from tests.support.redis_state import assert_agrees, due, snapshot

QUEUED: Place = (State.QUEUED, Phase.SEND)
RESUMED: Place = (State.RESUMED, Phase.CONFIRM)


@pytest.mark.parametrize(("place", "end"), [(QUEUED, State.SENDING), (RESUMED, State.CONFIRMING)])
def test_a_claim_takes_epoch_and_lease(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, place: Place, end: State
) -> None:
    record = into(ledger, place)
    ledger_client.hset(redis_keys.record(record.key), "wakeups", "4")
    clock.advance(1)

    reply = claim(ledger, record, lease_ms=60_000)

    after = found(ledger, record)
    until = clock.now_ms() + 60_000
    assert isinstance(reply, Moved)
    assert (reply.state, reply.epoch) == (end, record.epoch)
    assert (after.state, after.epoch, after.lease_until, after.wakeups) == (end, record.epoch, until, 0)
    assert due(ledger_client) == {record.key: until}
    assert not ledger_client.exists(redis_keys.RATES), "a terminal without a rate books no turn"
    assert_agrees(ledger_client)


@pytest.mark.parametrize("place", [place for place in WAYS if place not in {QUEUED, RESUMED}], ids=str)
def test_only_one_of_two_workers_gets_it(ledger: Ledger, ledger_client: redis.Redis, place: Place) -> None:
    """Whoever comes later finds a state that no claim starts from: of the other worker, or of what it has recorded."""
    record = into(ledger, place)
    was = snapshot(ledger_client)

    assert claim(ledger, record, gap_ms=1000) == Refused(record.state, record.epoch)
    assert snapshot(ledger_client) == was


def test_a_claim_from_an_old_peek_is_refused(ledger: Ledger, ledger_client: redis.Redis) -> None:
    old = create(ledger)
    assert isinstance(ledger.move(old, Verb.REPLACE_CARD, Change(due_at=NOW), actor="b"), Moved)
    was = snapshot(ledger_client)

    assert claim(ledger, old) == Refused(State.QUEUED, found(ledger, old).epoch)
    assert snapshot(ledger_client) == was


@pytest.mark.parametrize("terminal", ["main", ALL])
@pytest.mark.parametrize("until_ms", [0, NOW + 5000])
def test_a_paused_lane_stops_it(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, terminal: str, until_ms: int
) -> None:
    pauses = Pauses(ledger_client, clock)
    record = create(ledger)
    pauses.pause(Lane.SEND, terminal, actor="op", reason="r", until_ms=until_ms)
    was = snapshot(ledger_client)

    assert claim(ledger, record, gap_ms=1000) == Paused(until_ms)
    assert snapshot(ledger_client) == was

    clock.advance(5)
    if not until_ms:
        assert claim(ledger, record) == Paused(0)
        end_pauses(pauses, Lane.SEND, terminal)
    assert isinstance(claim(ledger, record), Moved)


@pytest.mark.parametrize(("lane", "terminal"), [(Lane.CONFIRM, ALL), (Lane.INQUIRE, ALL), (Lane.SEND, "kiosk")])
def test_another_lane_or_terminal_does_not(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, lane: Lane, terminal: str
) -> None:
    Pauses(ledger_client, clock).pause(lane, terminal, actor="op", reason="r")

    assert isinstance(claim(ledger, create(ledger)), Moved)


def test_a_confirm_goes_while_sending_is_paused(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    record = into(ledger, RESUMED)
    pauses = Pauses(ledger_client, clock)
    pauses.pause(Lane.CONFIRM, ALL, actor="op", reason="r")
    assert claim(ledger, record) == Paused(0)

    end_pauses(pauses, Lane.CONFIRM, ALL)
    pauses.pause(Lane.SEND, ALL, actor="op", reason="r")
    assert isinstance(claim(ledger, record), Moved)


def test_an_open_breaker_lets_it_wait(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    breakers = Breakers(ledger_client, Events(ledger_client, clock), "worker", clock)
    record = create(ledger)
    breakers.trip(HOST, "refused")
    was = snapshot(ledger_client)

    assert claim(ledger, record, gap_ms=1000) == Wait(5000, "breaker")
    clock.advance(4.5)
    assert claim(ledger, record) == Wait(1000, "breaker")
    clock.advance(100)
    assert claim(ledger, record) == Wait(1000, "breaker")  # time alone closes nothing: a question to the bank does
    assert snapshot(ledger_client) == was
    assert isinstance(claim(ledger, create(ledger, "payout-2"), host="another.example"), Moved)

    breakers.close(HOST)
    assert isinstance(claim(ledger, record), Moved)


def test_a_terminals_rate_spaces_its_transfers(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    one, two, three = (create(ledger, f"payout-{n}") for n in range(3))
    kiosk = create(ledger, "kiosk", terminal="kiosk", space="kiosk")

    assert isinstance(claim(ledger, one, gap_ms=200), Moved)
    assert claim(ledger, two, gap_ms=200) == Wait(200, "rate")
    was = snapshot(ledger_client)
    assert claim(ledger, two, gap_ms=200) == Wait(200, "rate")  # its turn is its own
    assert snapshot(ledger_client) == was
    assert isinstance(claim(ledger, kiosk, gap_ms=200), Moved)
    clock.advance(0.15)
    assert claim(ledger, two, gap_ms=200) == Wait(50, "rate")
    clock.advance(0.05)
    assert claim(ledger, three, gap_ms=200) == Wait(200, "rate")
    assert isinstance(claim(ledger, two, gap_ms=200), Moved)
    clock.advance(0.2)
    assert isinstance(claim(ledger, three, gap_ms=200), Moved)


def test_a_batch_takes_no_turn_far_ahead_and_a_client_comes_first(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """Five gaps ahead a batch may still take a turn of its own; beyond them it waits without one."""
    batch = [create(ledger, f"batch-{n}", urgency="batch") for n in range(8)]
    client = create(ledger, "client")

    waits = [claim(ledger, record, gap_ms=200) for record in batch]

    assert waits[1:6] == [Wait(ms, "rate") for ms in (200, 400, 600, 800, 1000)]
    assert waits[6:] == [Wait(1200, "batch")] * 2
    turns = [ledger_client.hget(redis_keys.record(record.key), "rate_slot_at") is not None for record in batch]
    assert turns == [False, *[True] * 5, False, False]
    assert claim(ledger, client, gap_ms=200) == Wait(1200, "rate")
    assert ledger_client.hget(redis_keys.record(client.key), "rate_slot_at") is not None


def test_a_turn_stands_for_those_who_come_a_little_late(ledger: Ledger, clock: FakeClock) -> None:
    """A sweeper rests half a second, and a token is fetched: at 20 a second all would be late for ever."""
    first, second = create(ledger, "first"), create(ledger, "second")
    assert isinstance(claim(ledger, first, gap_ms=50), Moved)
    assert claim(ledger, second, gap_ms=50) == Wait(50, "rate")

    clock.advance(5.05)
    assert isinstance(claim(ledger, second, gap_ms=50), Moved)


def test_a_turn_that_was_never_used_is_void_in_the_end(ledger: Ledger, clock: FakeClock) -> None:
    records = [create(ledger, f"payout-{n}") for n in range(200)]
    waits = [claim(ledger, record, gap_ms=50) for record in records]
    assert waits[100] == Wait(5000, "rate")

    clock.advance(5.051)
    assert claim(ledger, records[1], gap_ms=50) == Wait(4949, "rate"), "its turn was 5.001 s ago"


def test_nobody_books_a_turn_beyond_its_own_deadline(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """A burst that expires unused leaves the terminal to those who come after it."""
    burst = [create(ledger, f"payout-{n}", lasts_ms=10_000) for n in range(30)]
    for record in burst:
        claim(ledger, record, gap_ms=1000)
    booked = int(str(ledger_client.hget(redis_keys.RATES, "main")))
    assert booked == NOW + 10_000
    assert ledger_client.hget(redis_keys.record(burst[-1].key), "rate_slot_at") is None

    clock.advance(16)
    assert isinstance(claim(ledger, create(ledger, "late", lasts_ms=900_000), gap_ms=1000), Moved)


def test_one_of_all_may_ask_whether_the_bank_is_back(ledger_client: redis.Redis, clock: FakeClock) -> None:
    """Not before its time, once each time that it has come, and nobody where the breaker is closed."""
    one, other = (Breakers(ledger_client, Events(ledger_client, clock), name, clock) for name in ("one", "other"))
    assert not one.may_probe(HOST)
    one.trip(HOST, "refused")
    assert not one.may_probe(HOST)

    for _ in range(2):
        clock.advance(5)
        assert [one.may_probe(HOST), other.may_probe(HOST)] == [True, False]
    one.close(HOST)
    assert not other.may_probe(HOST)


def test_a_client_who_confirms_does_not_wait_for_the_rate(ledger: Ledger) -> None:
    record = into(ledger, RESUMED)
    claim(ledger, create(ledger, "payout-2"), gap_ms=10_000)

    assert isinstance(claim(ledger, record, gap_ms=10_000), Moved)


def test_a_ledger_that_went_back_lets_nobody_send(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    """The process knows how far the ledger was; a lower sequence is one that has forgotten moves."""
    record = create(ledger)
    assert ledger.seen == ledger.counters()["sequence"]
    ledger.seen += 1
    was = snapshot(ledger_client)

    assert claim(ledger, record, gap_ms=1000) == Behind(ledger.seen - 1)
    assert snapshot(ledger_client) == was

    ledger_client.hincrby(redis_keys.COUNTERS, "sequence", 5)
    assert claim(ledger, record) == Behind(ledger.seen - 1), "others have gone on meanwhile; what it saw stands"
    assert isinstance(claim(Ledger(ledger_client, clock), record), Moved), "a worker that was started anew goes on"


def test_who_was_told_more_by_another_transfer_remembers_it(ledger: Ledger) -> None:
    records: list[Record] = [create(ledger, f"payout-{n}") for n in range(3)]

    assert ledger.seen == 3
    claim(ledger, records[0])
    assert ledger.seen == 4
