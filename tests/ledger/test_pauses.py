"""Pauses: side by side, each under its own id, with who and why; a lane is open when none of them holds."""

import json
from collections.abc import Callable, Iterator

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Added, Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pause, Pauses, TooManyPauses, is_pause_id
from epay_transfers.ledger.store.replies import Moved, Paused
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, claim, create
from tests.support.pausing import end_pauses
from tests.support.redis_state import events


@pytest.fixture
def pauses(ledger_client: redis.Redis, clock: FakeClock) -> Pauses:
    return Pauses(ledger_client, clock)


def holds(pauses: Pauses, lane: Lane, terminal: str) -> bool:
    pauses.refresh()
    return pauses.holding(lane, terminal, Ledger(pauses._client, pauses._test_clock).now_ms()) is not None


def test_a_pause_says_who_and_why(pauses: Pauses, ledger_client: redis.Redis) -> None:
    pause_id = pauses.pause(
        Lane.SEND, "main", actor="aida", reason='said "stop" — until noon', cause=Cause.BANK, until_ms=NOW + 60_000
    )

    (pause,) = pauses.standing()
    wanted = Pause(pause_id, Lane.SEND, "main", Cause.BANK, NOW + 60_000, "aida", 'said "stop" — until noon', NOW)
    assert pause == wanted
    (event,) = events(ledger_client)
    told = {"verb": "pause", "lane": "send", "terminal": "main", "actor": "aida", "cause": "bank", "pause": pause_id}
    assert event.items() >= told.items()


def test_one_with_an_end_ends_by_itself(pauses: Pauses, clock: FakeClock) -> None:
    pauses.pause(Lane.SEND, "main", actor="a", reason="r", until_ms=NOW + 1000)
    clock.advance(0.999)
    assert holds(pauses, Lane.SEND, "main")

    clock.advance(0.001)
    assert not holds(pauses, Lane.SEND, "main")
    assert pauses.standing() == []


def test_one_without_an_end_waits_for_a_person(pauses: Pauses, clock: FakeClock, ledger_client: redis.Redis) -> None:
    pauses.pause(Lane.CONFIRM, ALL, actor="a", reason="r")
    clock.advance(10**6)
    assert holds(pauses, Lane.CONFIRM, "kiosk")

    end_pauses(pauses, Lane.CONFIRM, ALL)
    assert not holds(pauses, Lane.CONFIRM, "kiosk")
    assert [event["verb"] for event in events(ledger_client)] == ["pause", "unpause"]


def test_each_lane_and_terminal_is_paused_apart(pauses: Pauses) -> None:
    pauses.pause(Lane.SEND, "kiosk", actor="a", reason="r")

    assert holds(pauses, Lane.SEND, "kiosk")
    assert not holds(pauses, Lane.SEND, "main")
    assert not holds(pauses, Lane.INQUIRE, "kiosk")


def test_the_end_of_one_pause_opens_nothing_that_another_holds(
    pauses: Pauses, ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """Maintenance and a fraud stop: two people, two causes, and the first that ends leaves the other as it is."""
    fraud = pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    maintenance = pauses.add(Lane.SEND, ALL, Cause.MAINTENANCE)
    record = create(ledger)
    there = pauses.get(maintenance)
    assert there is not None

    assert pauses.unpause(there, actor="a", reason="done")

    assert [pause.id for pause in pauses.standing()] == [fraud]
    assert claim(ledger, record) == Paused(0)
    assert [event["pause"] for event in events(ledger_client) if event["verb"] == "unpause"] == [maintenance]


def test_many_workers_that_see_the_same_make_one_pause_and_never_shorten_it(pauses: Pauses) -> None:
    for until_ms in (NOW + 5000, 0, NOW + 1000):
        pauses.pause(Lane.SEND, "main", actor="w", reason="r", cause=Cause.TERMINAL_LIMIT, until_ms=until_ms)

    assert [(pause.field_name, pause.until_ms) for pause in pauses.standing()] == [("terminal_limit-send-main", 0)]


def test_a_second_reason_under_the_same_cause_is_told_and_shown(pauses: Pauses, ledger_client: redis.Redis) -> None:
    for reason in ("limit transfer in KZT", "limit terminal_day in USD", "limit transfer in KZT"):
        pauses.pause(Lane.SEND, "main", actor="w", reason=reason, cause=Cause.MONEY_LIMIT)

    assert [pause.reason for pause in pauses.standing()] == ["limit transfer in KZT; limit terminal_day in USD"]
    told = [event["reason"] for event in events(ledger_client)]
    assert told == ["limit transfer in KZT", "limit terminal_day in USD"]


def test_each_reason_and_each_standing_has_an_id_of_its_own(pauses: Pauses) -> None:
    """An operator who ends a pause by its id has read its reasons: a 487, a 464 besides, a 487 after the end."""
    ids = [
        pauses.pause(Lane.SEND, "main", actor="w", reason=reason, cause=Cause.SETUP_CODE)
        for reason in ("code 487", "code 487", "464: fraud suspected")
    ]
    (pause,) = pauses.standing()

    assert ids[0] == ids[1] != ids[2] == pause.id
    assert pause.is_successor_of(ids[0])
    assert pauses.get(ids[0]) is None
    end_pauses(pauses, Lane.SEND, "main")
    assert pauses.pause(Lane.SEND, "main", actor="w", reason="code 487", cause=Cause.SETUP_CODE) not in ids


def test_an_id_lasts_while_tries_are_given_and_used(pauses: Pauses, ledger: Ledger) -> None:
    pause_id = pauses.pause(Lane.SEND, "main", actor="w", reason="code 487", cause=Cause.SETUP_CODE)
    pauses.let_try(pauses.standing()[0], 1, actor="operator aigul", reason="try")
    claim(ledger, create(ledger))

    (pause,) = pauses.standing()
    assert (pause.id, pause.tries) == (pause_id, 0)


def test_an_operators_pause_that_was_ended_is_not_written_down(pauses: Pauses) -> None:
    """One worker ends it while another writes down by whom it is."""
    pause_id = pauses.add(Lane.SEND, ALL, Cause.OTHER)
    assert pauses.unpause(pauses.standing()[0], actor="operator b", reason="over")

    assert pauses.pause(Lane.SEND, ALL, actor="operator a", reason="r", pause_id=pause_id) == ""
    assert pauses.standing() == []


def test_one_that_stands_otherwise_by_now_is_not_ended(pauses: Pauses, clock: FakeClock) -> None:
    """An operator ends what the operator has read: the same cause may have come again since."""
    pauses.pause(Lane.SEND, "main", actor="w", reason="code 487", cause=Cause.SETUP_CODE)
    (seen,) = pauses.standing()
    end_pauses(pauses, Lane.SEND, "main")
    clock.advance(1)
    pauses.pause(Lane.SEND, "main", actor="w", reason="code 487", cause=Cause.SETUP_CODE)

    assert not pauses.unpause(seen, actor="a", reason="r")
    assert len(pauses.standing()) == 1


def test_a_trial_lets_as_many_through_as_it_says_and_names_the_last(pauses: Pauses, ledger: Ledger) -> None:
    pauses.pause(Lane.SEND, "main", actor="w", reason="code 487", cause=Cause.SETUP_CODE)
    first, second, third = (create(ledger, f"payout-{n}") for n in range(3))
    assert pauses.let_try(pauses.standing()[0], 2, actor="a", reason="the bank says that it works")

    assert not holds(pauses, Lane.SEND, "main")
    assert isinstance(claim(ledger, first), Moved)
    assert isinstance(claim(ledger, second), Moved)
    assert claim(ledger, third) == Paused(0)
    assert holds(pauses, Lane.SEND, "main")
    (pause,) = pauses.trials()
    told = (pause.trial, pause.tries, pause.reason, pause.cause)
    assert told == (second.key, 0, "code 487", Cause.SETUP_CODE)


def test_a_trial_of_one_pause_does_not_pass_another(pauses: Pauses, ledger: Ledger) -> None:
    pauses.pause(Lane.SEND, "main", actor="w", reason="r", cause=Cause.SETUP_CODE)
    pauses.let_try(pauses.standing()[0], 1, actor="a", reason="r")
    pauses.add(Lane.SEND, ALL, Cause.FRAUD)

    assert claim(ledger, create(ledger)) == Paused(0)
    assert [pause.tries for pause in pauses.standing() if pause.cause is Cause.SETUP_CODE] == [1]


@pytest.mark.parametrize("text", ["", "x", "0 send", "-1 send * - - []", "0 fly * - - []", "0 send * - - nothing"])
@pytest.mark.parametrize("key", [redis_keys.PAUSES, redis_keys.ADDED_PAUSES])
def test_what_can_not_be_read_holds_and_is_shown(
    pauses: Pauses, ledger: Ledger, ledger_client: redis.Redis, key: str, text: str
) -> None:
    """A user of the server wrote it, or a newer version: on the safe side nothing is sent."""
    ledger_client.hset(key, "odd", text)

    assert any(pause.id == "odd" and pause.is_for(Lane.SEND, "main") for pause in pauses.standing()) or "fly" in text
    assert claim(ledger, create(ledger)) == Paused(0) or "fly" in text


def test_more_pauses_than_anybody_means_hold_everything(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """An operator's server user may add what it likes: it slows down no claim, and stops what it may stop anyway."""
    ledger_client.hset(redis_keys.ADDED_PAUSES, mapping={str(n): "0 inquire * - - []" for n in range(201)})

    assert claim(ledger, create(ledger)) == Paused(0)


@pytest.mark.parametrize("key", [redis_keys.PAUSES, redis_keys.ADDED_PAUSES])
@pytest.mark.parametrize("text", ["0 send * - - []", "garbage"])
@pytest.mark.parametrize("name", ["x y", "é", "a" * 200, "", "k7f3"])
def test_a_pause_of_any_name_has_an_id_that_ends_it(
    pauses: Pauses, ledger_client: redis.Redis, name: str, text: str, key: str
) -> None:
    """A server's user may put in what no command would: it holds, so it can be named and ended."""
    ledger_client.hset(key, name, text)
    shown = pauses.standing()[0].id

    assert is_pause_id(shown)
    there = pauses.get(shown)
    assert there is not None
    assert pauses.unpause(there, actor="operator aigul", reason="it is none")
    assert pauses.standing() == []


@pytest.mark.parametrize("key", [redis_keys.PAUSES, redis_keys.ADDED_PAUSES])
def test_too_many_pauses_are_shown_as_the_scripts_see_them(
    pauses: Pauses, ledger: Ledger, ledger_client: redis.Redis, key: str
) -> None:
    """Over or not: every lane is held, so every lane is shown as paused, and why."""
    ledger_client.hset(key, mapping={str(n): "1 inquire main - - []" for n in range(201)})

    assert claim(ledger, create(ledger)) == Paused(0)
    assert [(pause.id, pause.lane) for pause in pauses.standing()] == [(f"too-many-{lane}", lane) for lane in Lane]
    assert all(holds(pauses, lane, "main") for lane in Lane)


def test_added_pauses_that_are_over_are_cleared_away_a_page_an_event(
    pauses: Pauses, ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """However many a thief added; one that stands stays, and then it alone holds."""
    fraud = pauses.add(Lane.CONFIRM, ALL, Cause.FRAUD)
    ledger_client.hset(redis_keys.ADDED_PAUSES, mapping={f"n{n}": f"{NOW - 10} send * - - []" for n in range(3000)})

    gone = pauses.clear_added(since_ms=0, actor="worker")

    assert gone == 3000
    assert [pause.id for pause in pauses.standing()] == [fraud]
    assert isinstance(claim(ledger, create(ledger)), Moved)
    told = [event for event in events(ledger_client) if event["verb"] == "unpause"]
    assert 0 < len(told) < 20
    assert pauses.clear_added(since_ms=0, actor="worker") == 0


def test_those_that_are_over_for_a_moment_only_are_not_cleared(pauses: Pauses, ledger_client: redis.Redis) -> None:
    """The clock may be wrong."""
    ledger_client.hset(redis_keys.ADDED_PAUSES, mapping={f"n{n}": f"{NOW - 10} send * - - []" for n in range(201)})

    assert pauses.clear_added(since_ms=3_600_000, actor="worker") == 0


def test_a_hundred_thousand_pauses_cost_a_look_no_more_than_a_few_hundred(
    pauses: Pauses, ledger_client: redis.Redis
) -> None:
    """What is read is bounded: by the commands that the server counts, and by what comes back."""
    for start in range(0, 100_000, 10_000):
        ledger_client.hset(
            redis_keys.ADDED_PAUSES,
            mapping={f"n{n}": "0 send * - - []" for n in range(start, start + 10_000)},
        )
    ledger_client.config_resetstat()

    assert 200 < len(pauses.standing()) < 1000
    assert len(pauses.there()) == 201
    stats = ledger_client.info("commandstats")
    assert "cmdstat_hgetall" not in stats
    assert stats["cmdstat_hscan"]["calls"] <= 8


@pytest.fixture
def full(ledger_client: redis.Redis) -> Iterator[None]:
    """Its memory is used up, and nothing is thrown out."""
    was = ledger_client.config_get("maxmemory")["maxmemory"]
    ledger_client.config_set("maxmemory", "1mb")
    with pytest.raises(redis.OutOfMemoryError):
        ledger_client.set("x", "y")
    yield
    ledger_client.config_set("maxmemory", str(was))


@pytest.mark.usefixtures("full")
def test_an_operator_pauses_on_a_full_ledger(pauses: Pauses, ledger_client: redis.Redis) -> None:
    """Then most of all: with the entry that asks a worker to write it down."""
    pause_id = pauses.add(Lane.SEND, ALL, Cause.FRAUD, sender="ops:aigul", fields={"why": "fraud"})

    assert [pause.id for pause in pauses.standing()] == [pause_id]
    (text,) = ledger_client.lrange(redis_keys.inbox("ops:aigul"), 0, -1)
    assert {"kind": "paused", "pause": pause_id, "why": "fraud"}.items() <= json.loads(text).items()
    assert ledger_client.smembers(redis_keys.OPERATORS) == {"aigul"}


@pytest.mark.usefixtures("full")
def test_what_is_added_to_a_full_ledger_is_bounded(pauses: Pauses, ledger_client: redis.Redis) -> None:
    """A thief of an operator's password may call the script as well."""
    inboxes = Inboxes(ledger_client)
    for n in range(201):
        assert inboxes.put_pause("ops:aigul", f"n{n}", "0 send * - - []", {}) is Added.ADDED

    assert inboxes.put_pause("ops:aigul", "more", "0 send * - - []", {}) is Added.MANY
    with pytest.raises(TooManyPauses, match="nothing was added"):
        pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    assert ledger_client.hlen(redis_keys.ADDED_PAUSES) == 201
    ledger_client.delete(redis_keys.ADDED_PAUSES)
    for wrong in (("i" * 41, "0 send * - - []", "ops:a"), ("i", "x" * 401, "ops:a"), ("i", "x", "ops:" + "a" * 33)):
        assert inboxes.put_pause(wrong[2], wrong[0], wrong[1], {}) is Added.MANY
    assert inboxes.put_pause("ops:a", "i", "x", {"why": "w" * 8192}) is Added.MANY
    assert ledger_client.hlen(redis_keys.ADDED_PAUSES) == 0


def test_where_the_inbox_is_too_full_the_pause_holds_and_no_entry_is_added(
    pauses: Pauses, ledger_client: redis.Redis
) -> None:
    ledger_client.rpush(redis_keys.inbox("ops:aigul"), *(["{}"] * 1000))

    pause_id = pauses.add(Lane.SEND, ALL, Cause.FRAUD, sender="ops:aigul", fields={"why": "fraud"})

    assert [pause.id for pause in pauses.standing()] == [pause_id]
    assert ledger_client.llen(redis_keys.inbox("ops:aigul")) == 1000


def test_an_id_that_is_there_is_not_written_over(ledger_client: redis.Redis) -> None:
    inboxes = Inboxes(ledger_client)
    assert inboxes.put_pause("", "k7f3", "0 send * - - []", {}) is Added.ADDED

    assert inboxes.put_pause("ops:aigul", "k7f3", "0 confirm * - - []", {}) is Added.KNOWN
    assert ledger_client.hget(redis_keys.ADDED_PAUSES, "k7f3") == "0 send * - - []"
    assert ledger_client.llen(redis_keys.inbox("ops:aigul")) == 0


def test_a_ledger_that_is_away_is_said_by_each_call(clock: FakeClock) -> None:
    pauses = Pauses(connect("redis://127.0.0.1:1/0"), clock)
    calls: list[Callable[[], object]] = [
        pauses.refresh,
        pauses.standing,
        lambda: pauses.pause(Lane.SEND, ALL, actor="a", reason="r"),
        lambda: pauses.unpause(Pause("a", Lane.SEND, ALL), actor="a", reason="r"),
        lambda: pauses.add(Lane.SEND, ALL, Cause.FRAUD),
    ]
    for call in calls:
        with pytest.raises(LedgerUnavailable):
            call()
