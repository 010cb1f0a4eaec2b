"""A record that this version can't read: by its key it is an error of its own, among many it holds up no other."""

import logging
from collections.abc import Callable

import pytest
import redis

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Refused
from tests.support.clocks import FakeClock
from tests.support.factories import HOUR_MS, NOW, create
from tests.support.logged import names_of
from tests.support.redis_state import due, events

UNKNOWN = "has a value that this version does not know"

#: What another version, or a hand, may have left there; and what is said of it.
DAMAGE = {
    "an unknown state": ({"state": "frobnicating"}, f"its state {UNKNOWN}"),
    "an unknown phase": ({"phase": "refund"}, f"its phase {UNKNOWN}"),
    "a word for a number": ({"next_attempt_at": "tomorrow"}, f"its next_attempt_at {UNKNOWN}"),
    "a number with a blank": ({"epoch": " 1000001"}, f"its epoch {UNKNOWN}"),
    "a number that is too long": ({"wakeups": "9" * 16}, f"its wakeups {UNKNOWN}"),
    "a schema that is to come": ({"schema": "2"}, f"its schema {UNKNOWN}"),
    "a note of another form": ({"notification": "paid"}, f"its notification {UNKNOWN}"),
}
LACKING = ["state", "epoch", "version", "state_since", "amount", "currency", "reference", "terminal"]


def spoil(client: redis.Redis, record: Record, fields: dict[str, str]) -> None:
    client.hset(redis_keys.record(record.key), mapping=fields)  # type: ignore[arg-type]  # str is a field's type


@pytest.mark.parametrize("what", DAMAGE)
def test_one_that_is_read_by_its_key_is_an_error_that_says_what_to_do(
    ledger: Ledger, ledger_client: redis.Redis, what: str
) -> None:
    record = create(ledger)
    fields, why = DAMAGE[what]
    spoil(ledger_client, record, fields)

    reads: list[tuple[Callable[[str], object], str]] = [
        (ledger.get, record.key),
        (ledger.by_reference, "payout-1"),
        (ledger.by_handle, record.handle),
    ]
    for read, name in reads:
        with pytest.raises(RecordUnreadable) as caught:
            read(name)
        assert str(caught.value) == f"the record of {record.key} can't be read: {why}; run the version that wrote it"


@pytest.mark.parametrize("name", LACKING)
def test_one_that_lacks_what_every_record_has_is_named(ledger: Ledger, ledger_client: redis.Redis, name: str) -> None:
    record = create(ledger)
    ledger_client.hdel(redis_keys.record(record.key), name)

    with pytest.raises(RecordUnreadable, match=f"it lacks {name}"):
        ledger.get(record.key)


def test_what_is_no_hash_is_named(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    ledger_client.delete(redis_keys.record(record.key))
    ledger_client.set(redis_keys.record(record.key), "x")

    with pytest.raises(RecordUnreadable, match="it is no hash"):
        ledger.get(record.key)


def test_among_many_the_others_are_read_and_it_is_told(
    ledger: Ledger, ledger_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = create(ledger), create(ledger, "payout-2")
    spoil(ledger_client, bad, {"wakeups": "often"})
    told: list[RecordUnreadable] = []

    assert ledger.in_state(State.QUEUED, 10, told.append) == [good]
    assert [error.key for error in told] == [bad.key]
    assert list(ledger.all_in_state(State.QUEUED, 1)) == [good]
    assert names_of(line for line in caplog.records if line.levelno == logging.ERROR) == ["record.unreadable"]


def test_one_that_is_due_is_set_aside_for_an_hour_and_never_taken_out(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """All others are looked at; the alarm is raised once, also after an hour and by another worker."""
    bad, good = create(ledger, invoice_id="000001"), create(ledger, "payout-2", invoice_id="000002")
    spoil(ledger_client, bad, {"state": "frobnicating"})
    clock.advance(10)

    assert [record.key for record in ledger.due(1).records] == []  # it was the first in line
    assert [record.key for record in ledger.due(1).records] == [good.key]
    assert due(ledger_client)[bad.key] == NOW + 10_000 + HOUR_MS
    clock.advance(3600)
    another = Ledger(ledger_client, clock)
    assert [record.key for record in another.due(10).records] == [good.key]
    assert due(ledger_client)[bad.key] == NOW + 10_000 + 2 * HOUR_MS

    (alarm,) = [event for event in events(ledger_client) if event["verb"] == "record_unreadable"]
    said = {"key": bad.key, "actor": "sweeper", "reason": f"its state {UNKNOWN}"}
    assert alarm.items() >= said.items()
    assert names_of(caplog.records) == ["record.unreadable"] * 2


def test_one_that_another_worker_has_set_aside_is_left_where_it_is(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Or moved, since a newer version can read it: what it wrote into `due` stays."""
    bad = create(ledger)
    spoil(ledger_client, bad, {"state": "frobnicating"})
    clock.advance(10)
    ledger_client.zadd(redis_keys.DUE, {bad.key: NOW + 11_000})

    ledger._aside.set([RecordUnreadable(bad.key, "why")], clock.now_ms())

    assert due(ledger_client) == {bad.key: NOW + 11_000}
    assert all(event["verb"] == "create" for event in events(ledger_client))


def test_another_trouble_with_the_same_record_is_another_alarm(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    bad = create(ledger)
    for fields in ({"state": "frobnicating"}, {"state": "queued", "next_attempt_at": "soon"}):
        spoil(ledger_client, bad, fields)
        clock.advance(3700)
        assert ledger.due(10).records == []

    assert sum(event["verb"] == "record_unreadable" for event in events(ledger_client)) == 2


@pytest.mark.parametrize("left", ["nothing", "another transfer's"])
def test_one_that_is_due_and_not_there_is_set_aside_too(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, left: str
) -> None:
    """It would stand at the head of the line for ever, and two hundred of them would stop every sweeper."""
    lost = create(ledger, invoice_id="251124000001")
    if left == "nothing":
        ledger_client.delete(redis_keys.record(lost.key))
    else:
        spoil(ledger_client, lost, {"key": "999999000001"})
    clock.advance(10)

    assert ledger.due(10).records == []

    assert due(ledger_client)[lost.key] == NOW + 10_000 + HOUR_MS
    assert events(ledger_client)[-1]["reason"] == "it is not there"


def test_a_move_that_meets_a_state_of_another_version_is_refused(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    spoil(ledger_client, record, {"state": "frobnicating"})

    assert ledger.move(record, Verb.EXPIRE, actor="w") == Refused(None, record.epoch)
