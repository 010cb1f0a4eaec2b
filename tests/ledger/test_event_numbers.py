"""Every event has the ledger's next number, whatever wrote it; and one that can't be written stops its whole script."""

from collections.abc import Callable

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerBroken, RecordUnreadable
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, claim, create, into, new_transfer
from tests.support.pausing import end_pauses
from tests.support.redis_state import events, snapshot

SENDING = (State.SENDING, Phase.SEND)
LAST_ID = "18446744073709551615-18446744073709551615"


def everything_that_tells(client: redis.Redis, clock: FakeClock) -> list[str]:
    """One event of each kind of writer; their verbs."""
    ledger, log = Ledger(client, clock), Events(client, clock)
    pauses, breakers = Pauses(client, clock), Breakers(client, log, "worker", clock)
    claim(ledger, create(ledger))
    pauses.pause(Lane.SEND, ALL, actor="a", reason="r")
    end_pauses(pauses, Lane.SEND, ALL)
    breakers.trip("bank", "refused")
    breakers.close("bank")
    log.alarm(Alarm.VAULT_FORGOT, actor="worker")
    client.zadd(redis_keys.DUE, {"251124999999": 1})
    ledger._aside.set([RecordUnreadable("251124999999", "its state is unknown")], NOW)
    client.zrem(redis_keys.DUE, "251124999999")
    return ["create", "claim", "pause", "unpause", "breaker_opened", "breaker_closed", "vault_forgot",
            "record_unreadable"]  # fmt: skip


def test_whatever_writes_an_event_gives_it_the_next_number(ledger_client: redis.Redis, clock: FakeClock) -> None:
    verbs = everything_that_tells(ledger_client, clock)

    told = [(event["number"], event["verb"]) for event in events(ledger_client)]
    assert told == [(str(number), verb) for number, verb in enumerate(verbs, 1)]
    assert ledger_client.hget(redis_keys.COUNTERS, "events") == str(len(verbs))


def test_a_silent_move_takes_no_number(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    ledger.move(record, Verb.LOOK_LATER, Change(due_at=NOW, silent=True), actor="sweeper")

    assert ledger_client.hget(redis_keys.COUNTERS, "events") == "1"


def test_a_trim_says_up_to_which_number_it_went(ledger_client: redis.Redis, clock: FakeClock) -> None:
    log = Events(ledger_client, clock)
    for _ in range(1000):
        log.alarm(Alarm.CLOCK_RIGHT, actor="worker", reason="x" * 50)
    clock.advance(10**6)

    first = log.trim(0, "worker one")
    again = log.trim(0, "worker one")

    kept = events(ledger_client)
    assert first > 0
    assert kept[0]["number"] == str(first + again + 1)
    assert [kept[-1][name] for name in ("verb", "actor")] == ["trimmed", "worker one"]
    assert kept[-1]["up_to"] == str(first + again)
    assert [int(event["number"]) for event in kept] == list(range(first + again + 1, 1002 + (again > 0)))


def test_a_trim_of_nothing_tells_nothing(ledger_client: redis.Redis, clock: FakeClock) -> None:
    log = Events(ledger_client, clock)
    log.alarm(Alarm.CLOCK_RIGHT, actor="worker")

    assert log.trim(10**9) == 0
    assert len(events(ledger_client)) == 1


def test_a_breaker_that_is_open_already_is_told_once(ledger_client: redis.Redis, clock: FakeClock) -> None:
    log = Events(ledger_client, clock)
    one, other = (Breakers(ledger_client, log, name, clock) for name in ("one", "other"))

    for breakers in (one, other):
        breakers.trip("bank", "refused")
    for breakers in (one, other):
        breakers.close("bank")

    assert [event["verb"] for event in events(ledger_client)] == ["breaker_opened", "breaker_closed"]


def _no_number(client: redis.Redis) -> None:
    client.hset(redis_keys.COUNTERS, "events", "many")


def _too_high(client: redis.Redis) -> None:
    client.hset(redis_keys.COUNTERS, "events", "1" + 15 * "0")


def _no_stream(client: redis.Redis) -> None:
    client.delete(redis_keys.EVENTS)
    client.set(redis_keys.EVENTS, "x")


def _no_hash(client: redis.Redis) -> None:
    client.delete(redis_keys.COUNTERS)
    client.set(redis_keys.COUNTERS, "x")


def _full(client: redis.Redis) -> None:
    """A stream whose highest id was given takes no further event: XADD alone says so."""
    client.xadd(redis_keys.EVENTS, {"verb": "forged"}, id=LAST_ID)


BREAKS = [_no_number, _too_high, _no_stream, _no_hash, _full]


def _move(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    ledger = Ledger(client, clock)
    record = into(ledger, SENDING)
    return lambda: ledger.move(record, Verb.PAY, Change(fields={"bank_id": "a9e1"}), actor="worker")


def _claim(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    ledger = Ledger(client, clock)
    record = create(ledger)
    return lambda: claim(ledger, record, gap_ms=1000)


def _create(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    ledger = Ledger(client, clock)
    create(ledger, "payout-0")
    return lambda: ledger.create([new_transfer("payout-1")], actor="backend")


def _pause(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    create(Ledger(client, clock))
    return lambda: Pauses(client, clock).pause(Lane.SEND, ALL, actor="a", reason="r")


def _trip(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    create(Ledger(client, clock))
    return lambda: Breakers(client, Events(client, clock), "worker", clock).trip("bank", "refused")


def _alarm(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    create(Ledger(client, clock))
    return lambda: Events(client, clock).alarm(Alarm.VAULT_FORGOT, actor="worker")


def _aside(client: redis.Redis, clock: FakeClock) -> Callable[[], object]:
    ledger = Ledger(client, clock)
    create(ledger)
    client.zadd(redis_keys.DUE, {"251124999999": 1})
    return lambda: ledger._aside.set([RecordUnreadable("251124999999", "its state is unknown")], NOW)


@pytest.mark.parametrize("breaks", BREAKS)
@pytest.mark.parametrize("begin", [_move, _claim, _create, _pause, _trip, _alarm, _aside])
def test_an_event_that_can_not_be_written_stops_all_that_it_tells_of(
    ledger_client: redis.Redis,
    clock: FakeClock,
    begin: Callable[[redis.Redis, FakeClock], Callable[[], object]],
    breaks: Callable[[redis.Redis], None],
) -> None:
    """Not a byte is changed: no record, no pause, no breaker without its event."""
    act = begin(ledger_client, clock)
    breaks(ledger_client)
    was = snapshot(ledger_client)

    with pytest.raises(LedgerBroken):
        act()

    assert snapshot(ledger_client) == was


def test_a_change_of_what_is_no_hash_is_refused_with_its_name(ledger_client: redis.Redis, clock: FakeClock) -> None:
    ledger_client.set(redis_keys.BREAKERS, "x")
    was = snapshot(ledger_client)

    with pytest.raises(LedgerBroken, match=r"^the ledger's breakers can't be written"):
        Breakers(ledger_client, Events(ledger_client, clock), "worker", clock).trip("bank", "refused")
    assert snapshot(ledger_client) == was


def test_a_pause_whose_other_hash_is_none_is_not_taken_back(ledger_client: redis.Redis, clock: FakeClock) -> None:
    pauses = Pauses(ledger_client, clock)
    pauses.pause(Lane.SEND, ALL, actor="a", reason="r")
    (pause,) = pauses.standing()
    ledger_client.set(redis_keys.ADDED_PAUSES, "x")
    was = snapshot(ledger_client)

    with pytest.raises(LedgerBroken, match=r"^the ledger's pauses can't be written"):
        pauses.unpause(pause, actor="a", reason="r")
    assert snapshot(ledger_client) == was


def test_an_operators_pause_ends_with_its_event(ledger_client: redis.Redis, clock: FakeClock) -> None:
    """It stands in a hash of its own, where its operator may only add."""
    pauses = Pauses(ledger_client, clock)
    pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    pauses.add(Lane.CONFIRM, ALL, Cause.FRAUD)

    end_pauses(pauses, Lane.SEND, ALL)

    assert [pause.lane for pause in pauses.standing()] == [Lane.CONFIRM]
    assert [event["verb"] for event in events(ledger_client)] == ["unpause"]


@pytest.mark.parametrize("breaks", [_no_number, _no_stream, _no_hash])
def test_a_log_that_is_broken_is_not_trimmed(
    ledger_client: redis.Redis, clock: FakeClock, breaks: Callable[[redis.Redis], None]
) -> None:
    log = Events(ledger_client, clock)
    log.alarm(Alarm.VAULT_FORGOT, actor="worker")
    breaks(ledger_client)
    was = snapshot(ledger_client)

    with pytest.raises(LedgerBroken):
        _trim(log)
    assert snapshot(ledger_client) == was


def _trim(log: Events) -> None:
    reply = log._scripts.run("trim", (redis_keys.COUNTERS, redis_keys.EVENTS), ("9999999999999-0", "worker"))
    raise LedgerBroken(reply[1]) if reply[0] == "BROKEN" else AssertionError(reply)


def test_the_state_of_a_log_that_is_none_is_empty(ledger_client: redis.Redis, clock: FakeClock) -> None:
    state = Events(ledger_client, clock).state()

    assert (state.counted, state.added, state.last_id, state.oldest) == (0, 0, "0-0", None)


def test_the_state_is_what_the_scripts_wrote(ledger_client: redis.Redis, clock: FakeClock) -> None:
    everything_that_tells(ledger_client, clock)
    log = Events(ledger_client, clock)

    state = log.state()

    places = [event.id for event in log.all_until("+")]
    assert (state.counted, state.added, state.last_id) == (8, 8, places[-1])
    assert state.oldest is not None
    assert (state.oldest.id, state.oldest.fields["number"]) == (places[0], "1")
