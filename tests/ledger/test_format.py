"""A ledger of the older format is refused, not misread; and an upgrade carries it over, pauses first."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerFormat
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.format_upgrade import FormatUpgrade
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import FORMAT, WITH_ARCHIVED, check_format
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ledger.store.replies import Moved, Paused
from epay_transfers.ledger.store.scripts import text_of
from epay_transfers.ledger.store.totals import Total, Totals
from tests.support import older_ledger
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, claim, create, new_transfer
from tests.support.redis_state import assert_agrees, snapshot

DAY_MS = 86_400_000

#: As the older version's own code reads them in the sample.
CARRIED = {
    ("send", "*", 0, "operator aigul", "fraud"),
    ("send", "main", 0, "worker w1", "code 487"),
    ("send", "kiosk", NOW + DAY_MS, "worker w1", "limit"),
    ("confirm", "main", 0, "an operator", "no worker had written down the reason before the upgrade"),
}


@pytest.fixture
def older(ledger_client: redis.Redis) -> redis.Redis:
    older_ledger.put(ledger_client)
    return ledger_client


def queued(ledger: Ledger) -> Any:
    (record, *_) = (record for n in range(3) if (record := ledger.by_reference(f"queued-{n}")))
    return record


def upgraded(client: redis.Redis, clock: FakeClock) -> FormatUpgrade:
    clock.advance(200)  # the worker of before is stopped, and heard no more
    return FormatUpgrade(client, clock)


def content(client: redis.Redis) -> dict[str, object]:
    """Every key, in whatever order the server has them."""
    read: dict[str, Callable[[str], object]] = {
        "hash": client.hgetall,
        "set": client.smembers,
        "string": client.dump,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    return {key: read[str(client.type(key))](key) for key in map(str, client.keys("*"))}


# Refused.


CHANGES: dict[str, Callable[[Ledger], object]] = {
    "a create": lambda ledger: ledger.create([new_transfer("new")], actor="backend"),
    "a replay": lambda ledger: ledger.create([new_transfer("queued-0")], actor="backend"),
    "a claim": lambda ledger: claim(ledger, queued(ledger)),
    "a move": lambda ledger: ledger.move(queued(ledger), Verb.CANCEL, Change(), actor="worker"),
    "an alarm": lambda ledger: Events(ledger.client).alarm(Alarm.CLOCK_RIGHT, actor="worker"),
    "a pause": lambda ledger: Pauses(ledger.client).pause(Lane.SEND, ALL, actor="worker", reason="r"),
    "a trim": lambda ledger: Events(ledger.client).trim(0),
    "a look": lambda ledger: check_format(ledger.client),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_ledger_of_the_older_format_is_refused_with_a_sentence_and_stays_as_it_is(
    ledger: Ledger, older: redis.Redis, what: str
) -> None:
    """Its pauses stand where this version does not look: whatever would be sent or stored is refused."""
    was = snapshot(older)

    with pytest.raises(
        LedgerFormat, match=r"format 1, of an older version.*transfers upgrade.*UPGRADING\.md"
    ) as caught:
        CHANGES[what](ledger)

    assert not caught.value.is_passing
    assert snapshot(older) == was


def test_a_ledger_of_a_newer_format_is_refused_too(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    ledger_client.hset(redis_keys.COUNTERS, "format", "4")

    with pytest.raises(LedgerFormat, match="run the newer version"):
        claim(ledger, record)
    with pytest.raises(LedgerFormat, match="run the newer version"):
        FormatUpgrade(ledger_client).is_needed()


def test_an_empty_ledger_takes_this_format_with_its_first_event(ledger: Ledger, ledger_client: redis.Redis) -> None:
    check_format(ledger_client)
    assert ledger_client.hget(redis_keys.COUNTERS, "format") is None

    create(ledger)

    check_format(ledger_client)
    assert ledger_client.hget(redis_keys.COUNTERS, "format") == FORMAT
    assert not FormatUpgrade(ledger_client).is_needed()


def test_scripts_and_readers_mean_the_same_format() -> None:
    named = re.findall(r"local FORMAT, WITH_ARCHIVED = '(\d+)', '(\d+)'", text_of("tell"))
    assert named == [(FORMAT, WITH_ARCHIVED)]


def test_counters_of_another_version_break_no_total() -> None:
    counters = {"n:queued:KZT": 3, "n:": 1, "n": 1, "n:queued:main:KZT:": 2, "sum:queued:main:KZT:": 5, "n:x:y:z:": 1}

    assert Totals.of_counters(counters) == Totals((Total(State.QUEUED, "main", "KZT", "", 2, 5),))


# Converted.


def test_an_upgrade_carries_every_pause_and_none_of_them_opens_a_lane(
    ledger: Ledger, older: redis.Redis, clock: FakeClock
) -> None:
    """An operator's, a worker's, one with an end, and one that no worker had written down."""
    done = upgraded(older, clock).run()

    standing = Pauses(older, clock).standing()
    assert {(each.lane, each.terminal, each.until_ms, each.actor, each.reason) for each in standing} == CARRIED
    assert {each.cause for each in standing} == {Cause.OTHER}, "none of them ends by a trial"
    assert len(done.pauses) == len(CARRIED)
    assert claim(ledger, queued(ledger)) == Paused(0)


def test_each_carried_pause_is_ended_by_its_id_and_then_the_transfers_go(
    ledger: Ledger, older: redis.Redis, clock: FakeClock
) -> None:
    upgraded(older, clock).run()
    pauses = Pauses(older, clock)

    for each in pauses.standing():
        assert pauses.unpause(each, actor="operator aigul", reason="over")

    assert isinstance(claim(ledger, queued(ledger)), Moved)
    assert_agrees(older)


def test_lists_counters_and_references_say_what_the_records_say(
    ledger: Ledger, older: redis.Redis, clock: FakeClock
) -> None:
    done = upgraded(older, clock).run()

    records, _ = assert_agrees(older)
    assert (done.transfers, len(records), done.broken) == (9, 9, [])
    assert [record.reference for record in ledger.by_bank_reference("109900001")] == ["paid"]
    assert ledger.totals().of(State.DECLINED).each == (Total(State.DECLINED, "main", "KZT", "code_484", 1, 1_500_000),)
    create(ledger, "payout-2")
    assert_agrees(older)


def test_an_upgraded_ledger_needs_no_upgrade_and_a_second_one_changes_nothing(
    older: redis.Redis, clock: FakeClock
) -> None:
    upgrade = upgraded(older, clock)
    assert upgrade.is_needed()
    upgrade.run()
    was = content(older)

    assert not upgrade.is_needed()
    assert upgrade.run().pauses == []
    assert content(older) == was


def test_the_older_versions_own_commands_fail_from_the_first_step_on(older: redis.Redis, clock: FakeClock) -> None:
    """A worker of before that was left running claims nothing (HMGET of `lanes`) and moves nothing (`open`)."""
    upgraded(older, clock)._carry_pauses()

    for command in (("HMGET", redis_keys.OLDER_LANES, "send:*"), ("SMISMEMBER", redis_keys.PAUSES, "send:*")):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            older.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py does not type this one
    assert older.type(redis_keys.OLDER_OPEN) == "string"


def test_a_worker_of_the_older_version_that_runs_is_named(older: redis.Redis, clock: FakeClock) -> None:
    upgrade = FormatUpgrade(older, clock)

    assert upgrade.running() == ["worker w1"]
    clock.advance(200)
    assert upgrade.running() == []


def test_a_pause_that_can_not_be_read_stands_and_one_that_held_nothing_goes(
    older: redis.Redis, clock: FakeClock
) -> None:
    older.hset(redis_keys.OLDER_LANES, mapping={"send:odd": "soon", "fly:main": '0 ["a", "r"]', "inquire:": "0 []"})
    older.sadd(redis_keys.PAUSES, "nothing", "send:")

    done = upgraded(older, clock).run()

    odd = {each.terminal: each for each in Pauses(older, clock).standing()}["odd"]
    assert (odd.lane, odd.until_ms, odd.reason) == (Lane.SEND, 0, "it can't be read")
    assert len(done.pauses) == len(CARRIED) + 1


def test_a_record_that_lacks_something_is_named_and_keeps_nothing_else_back(
    older: redis.Redis, ledger: Ledger, clock: FakeClock
) -> None:
    record = queued(ledger)
    older.hdel(redis_keys.record(record.key), "amount")
    older.set(redis_keys.suffix_record("main", 7), "x")

    done = upgraded(older, clock).run()

    assert (done.transfers, sorted(done.broken)) == (8, sorted([redis_keys.place(record.key), "main:000007"]))
    check_format(older)


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(client: redis.Redis, request: int) -> Iterator[None]:
    """The process is killed before it sends its request of this number; a transaction is one request."""
    kind, left = client.connection_pool.connection_class, [request]
    send = kind.send_packed_command

    def count(self: Any, *args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return send(self, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "send_packed_command", count)
        with suppress(Killed):
            yield
    client.connection_pool.disconnect()


def test_an_upgrade_that_is_killed_anywhere_loses_no_pause_and_goes_on(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Wherever it dies, no claim passes; and run again, it ends as one that nothing has disturbed."""
    older_ledger.put(ledger_client)
    upgraded(ledger_client, clock).run()
    wanted = content(ledger_client)
    requests = 0
    is_done = False
    while not is_done:
        ledger_client.flushall()
        older_ledger.put(ledger_client)
        record = queued(ledger)
        with killed_at(ledger_client, requests):
            FormatUpgrade(ledger_client, clock).run()
            is_done = True

        with suppress(LedgerFormat):
            assert claim(ledger, record) == Paused(0)
        assert FormatUpgrade(ledger_client, clock).is_needed() != is_done
        FormatUpgrade(ledger_client, clock).run()

        assert content(ledger_client) == wanted, f"killed before request {requests}"
        requests += 1
    assert requests > 10
