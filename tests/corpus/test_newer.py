"""What a newer version wrote and this one can't read is set aside and told, never guessed and never paid.

The newer version is this one with one thing changed by hand; and it carries on with what this one left alone.
"""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
import redis

from epay_transfers.ledger import record as record_module
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.queue.broker import ACTORS, NAMESPACE, NOW
from epay_transfers.ledger.queue.message_guard import NotAWakeup, checked
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Inboxes, operator
from epay_transfers.ledger.store.outcome_feed import OutcomeFeed
from epay_transfers.ledger.vault.card_data import CardsGarbled
from epay_transfers.ledger.vault.sealed_card import SealedCard
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.producers.outcomes import Outcome, outcomes
from tests.corpus import lines
from tests.support.logged import names_of
from tests.support.redis_state import due
from tests.support.stage import Stage, in_clear

_RECORDS = list(lines.of_kind(lines.kept(), "record"))
_MESSAGES = list(lines.of_kind(lines.kept(), "message"))
NEXT_SCHEMA = str(record_module.SCHEMA + 1)
GROUP = "backend"

Fields = dict[Any, Any]


def written_by_newer(client: redis.Redis, key: str) -> None:
    """Its record has the next schema, and a field that this version does not know."""
    client.hset(redis_keys.record(key), mapping={"schema": NEXT_SCHEMA, "of_the_next_version": "42"})


def alarms(stage: Stage, verb: Alarm) -> list[dict[str, str]]:
    return [event.fields for event in stage.events.newest(200) if event.fields["verb"] == verb]


def read_all(stage: Stage) -> list[Outcome]:
    """What a backend's reader gets, and acknowledges."""
    feed = OutcomeFeed(stage.ledger.client, stage.clock)
    found = []
    for outcome in outcomes(
        feed,
        stage.clock,
        lambda _key, _state: False,
        group=GROUP,
        consumer="one",
        idle=0.001,
        claim_after=60,
        is_stopped=lambda: False,
    ):
        found.append(outcome)
        outcome.ack()
    return found


@pytest.mark.parametrize("line", _RECORDS, ids=str)
def test_no_record_of_a_higher_schema_is_read_whatever_its_state(line: lines.Line) -> None:
    with pytest.raises(RecordUnreadable, match="its schema has a value that this version does not know"):
        Record.from_ledger(line.content["key"], line.content | {"schema": NEXT_SCHEMA})


@pytest.mark.parametrize("line", _RECORDS, ids=str)
def test_a_field_of_a_later_version_changes_nothing_of_what_is_read(line: lines.Line) -> None:
    key = line.content["key"]

    assert Record.from_ledger(key, line.content | {"of_the_next_version": "42"}) == Record.from_ledger(
        key, line.content
    )


def test_a_record_of_a_higher_schema_is_not_paid_until_the_version_that_reads_it_comes(
    stage: Stage, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each wake-up and by the sweeper it is refused; all others go on; then it is paid once."""
    strange, plain = stage.new(), stage.new()
    written_by_newer(ledger_client, strange)
    stage.clock.advance(10)

    for _ in range(3):
        with pytest.raises(RecordUnreadable):
            stage.journey.execute(strange)
        stage.settle_down()
        stage.clock.advance(60)

    assert (stage.executions(strange), stage.executions(plain)) == (0, 1)
    (alarm,) = alarms(stage, Alarm.RECORD_UNREADABLE)
    assert alarm["key"] == strange
    assert strange in due(ledger_client), "it stays due"

    monkeypatch.setattr(record_module, "SCHEMA", int(NEXT_SCHEMA))
    stage.journey.execute(strange)

    assert (stage.state(strange), stage.executions(strange)) == (State.PAID, 1)
    assert ledger_client.hget(redis_keys.record(strange), "of_the_next_version") == "42", "this one leaves it alone"
    assert ledger_client.hget(redis_keys.record(strange), "schema") == NEXT_SCHEMA


@pytest.mark.parametrize("description", ["[drop-after] Payout", "[3ds] Payout"])
def test_one_that_is_in_doubt_or_parked_is_neither_settled_nor_ended(
    stage: Stage, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, description: str
) -> None:
    """Its deadline passes meanwhile: even that is not for a version that can't read it."""
    key = stage.new(description)
    stage.journey.execute(key)
    before = stage.record(key)
    written_by_newer(ledger_client, key)

    for _ in range(3):
        stage.clock.advance(3600)
        stage.ledger.due(1000)
        stage.sweeper.run_once()
        with pytest.raises(RecordUnreadable):
            stage.journey.inquire(key)

    monkeypatch.setattr(record_module, "SCHEMA", int(NEXT_SCHEMA))
    assert replace(stage.record(key), schema=before.schema) == before
    stage.later(3600)
    assert stage.state(key) is (State.PAID if "drop" in description else State.EXPIRED)


def test_an_outcome_of_an_unknown_state_stays_owed_and_is_told(
    stage: Stage, ledger_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader of this version neither acknowledges nor guesses it; the version that reads it gets it."""
    OutcomeFeed(ledger_client, stage.clock).join(GROUP)
    key = stage.new()
    newer: Fields = {
        "verb": "refund_half",
        "key": key,
        "state": "half_refunded",
        "version": "2",
        "reference": "payout-1",
    }
    place = str(ledger_client.xadd(redis_keys.EVENTS, newer | {"of_the_next_version": "42", "at": "1795500000000"}))
    stage.journey.execute(key)

    told = read_all(stage)

    assert [outcome.state for outcome in told] == [State.QUEUED, State.SENDING, State.PAID]
    (owed,) = ledger_client.xpending_range(redis_keys.EVENTS, GROUP, "-", "+", 10)
    assert owed["message_id"] == place
    assert "outcome.unreadable" in names_of(line for line in caplog.records if line.levelno == logging.ERROR)
    assert "half_refunded" not in caplog.text


def test_an_unknown_verb_and_an_unknown_field_of_an_event_hold_up_no_outcome(
    stage: Stage, ledger_client: redis.Redis
) -> None:
    """What a payer asks is the state and the money: a verb is how it came there."""
    OutcomeFeed(ledger_client, stage.clock).join(GROUP)
    paid: Fields = {"verb": "paid_by_wire", "key": "251124000001", "state": "paid", "version": "4", "reference": "p"}
    ledger_client.xadd(redis_keys.EVENTS, paid | {"at": "1795500000000", "of_the_next_version": "42"})
    ledger_client.xadd(redis_keys.EVENTS, {"verb": "alarm_of_the_next_version", "actor": "worker"})

    (outcome,) = read_all(stage)

    assert (outcome.state, outcome.final, outcome.version) == (State.PAID, True, 4)
    assert ledger_client.xpending(redis_keys.EVENTS, GROUP)["pending"] == 0


def bent(message: dict[str, Any], how: str) -> dict[str, Any]:
    """A message as a version writes it that this one does not know."""
    match how:
        case "a field":
            return message | {"of_the_next_version": 42}
        case "an option":
            return message | {"options": message["options"] | {"of_the_next_version": 42}}
        case "an argument":
            return message | {"args": [*message["args"], "soon"]}
        case _:
            return message | {"actor_name": "execute_twice"}


@pytest.mark.parametrize("how", ["a field", "an option", "an argument", "another actor"])
@pytest.mark.parametrize("line", _MESSAGES, ids=str)
def test_no_message_of_another_form_is_a_wake_up(line: lines.Line, how: str) -> None:
    assert checked(line.content, ACTORS).key == line.means["key"]
    with pytest.raises(NotAWakeup):
        checked(bent(line.content, how), ACTORS)


def test_a_message_of_another_form_is_set_aside_and_its_transfer_is_paid_by_the_next_wake_up(
    stage: Stage, ledger_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """It lies in the dead letters for a person; the ledger knows the transfer, and the sweeper sends one of its own."""
    key = stage.new()
    queue: Any = stage.broker.client
    Wakeups(stage.broker).send(stage.record(key))
    (message_id,) = queue.lrange(f"{NAMESPACE}:{NOW}", 0, -1)
    lies = json.loads(queue.hget(f"{NAMESPACE}:{NOW}.msgs", message_id))
    queue.hset(f"{NAMESPACE}:{NOW}.msgs", message_id, json.dumps(bent(lies, "a field")))

    assert next(iter(stage.broker.consume(NOW, prefetch=1, timeout=1))) is None

    assert "message.quarantined" in names_of(caplog.records)
    assert queue.hlen(f"{NAMESPACE}:{NOW}.XQ.msgs") == 1
    assert stage.executions(key) == 0
    stage.clock.advance(10)
    stage.sweeper.run_once()
    message = next(iter(stage.broker.consume(NOW, prefetch=1, timeout=1)))
    assert message is not None
    assert message.args == (key,)
    stage.journey.execute(key)
    assert stage.executions(key) == 1


def test_an_operators_request_that_only_a_newer_version_knows_is_refused_and_told(
    stage: Stage, ledger_client: redis.Redis
) -> None:
    """Nothing is guessed of it, its operator reads why, and what comes behind it is done."""
    key = stage.new()
    sender = operator("aigul")
    entry = {"id": "0" * 24, "kind": "refund", "key": key, "why": "a test"}
    Inboxes(ledger_client, stage.clock).put(sender, "cancel", {"key": key, "why": "a test"})  # type: ignore[arg-type]
    ledger_client.lpush(redis_keys.inbox(sender), json.dumps(entry))

    stage.worker.inbox.run_once()

    assert stage.state(key) is State.CANCELLED
    (told,) = alarms(stage, Alarm.REQUEST_REFUSED)
    assert (told["request"], told["actor"], told["key"]) == (entry["id"], "operator aigul", key)
    assert told["why"].startswith("this worker's version knows no such request")


def test_a_field_of_an_order_is_left_alone_and_a_field_of_a_card_is_refused(stage: Stage) -> None:
    """A field of a card that is not sent may change what the bank does: so that card is not used at all."""
    record = stage.record(stage.new())
    sealed = json.loads(in_clear(record))
    newer = sealed | {"of_the_next_version": 42, "order": sealed["order"] | {"of_the_next_version": 42}}
    assert SealedCard.from_bytes(json.dumps(newer).encode()) == SealedCard.from_bytes(in_clear(record))

    sealed["cards"]["receiver"]["of_the_next_version"] = "42"
    with pytest.raises(CardsGarbled):
        SealedCard.from_bytes(json.dumps(sealed).encode())


def test_cards_of_another_form_are_not_sent(stage: Stage) -> None:
    """Nothing is paid by what was read of them; the transfer is dead, and an operator reads why."""
    key = stage.new(cards=None)
    record = stage.record(key)
    newer = json.loads(in_clear(record))
    newer["cards"]["receiver"]["of_the_next_version"] = "42"
    sealed = stage.sealer.seal(json.dumps(newer).encode(), Purpose.CARD, key)
    stage.vault.put(Purpose.CARD, key, record.epoch, sealed, 900_000)

    stage.journey.execute(key)
    stage.later(60)

    assert (stage.state(key), stage.executions(key)) == (State.DEAD, 0)
    assert stage.record(key).reason == "card_unreadable"
