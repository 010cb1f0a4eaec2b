"""What a producer ordered is sealed with its card: a record that says otherwise sends nothing, whatever was changed.

The attacker of these tests may write a record by hand, as a server's user with HSET on records may.
"""

import json
from typing import Any

import pytest

from epay_transfers.ledger.record import Record, kept_as
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content
from tests.journey.scenes import asked, said
from tests.support.redis_state import events
from tests.support.stage import Stage, _bank, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]  # the journey's own stage

OTHER_LINK = "https://attacker.example/"


def details(record: Record, **changed: Any) -> str:
    return json.dumps(json.loads(record.order_details) | changed)


def changes(record: Record) -> dict[str, tuple[dict[str, str], str]]:
    """What the attacker writes, and which field the alarm names."""
    return {
        "amount": ({"amount": "9990000"}, "amount"),
        "amount by one": ({"amount": str(record.amount + 1)}, "amount"),
        "currency": ({"currency": "USD"}, "currency"),
        "reference": ({"reference": "another-payout"}, "reference"),
        "handle": ({"handle": "another-clients-handle"}, "handle"),
        "deadline": ({"deadline_at": str(record.deadline_at + 86_400_000)}, "deadline_at"),
        "earlier deadline": ({"deadline_at": str(record.deadline_at - 1)}, "deadline_at"),
        "description": ({"order_details": details(record, description="[paid]")}, "description"),
        "back link": ({"order_details": details(record, back_link=OTHER_LINK)}, "back_link"),
        "failure back link": ({"order_details": details(record, failure_back_link=OTHER_LINK)}, "failure_back_link"),
        "post link": ({"order_details": details(record, post_link=OTHER_LINK)}, "post_link"),
        "failure post link": ({"order_details": details(record, failure_post_link=OTHER_LINK)}, "failure_post_link"),
        "abroad": ({"order_details": details(record, foreign=True)}, "foreign"),
        "saving cards": (
            {"order_details": details(record, merchant_id_for_saving_cards="7")},
            "merchant_id_for_saving_cards",
        ),
        "nothing left": ({"order_details": "{}"}, "description"),
    }


NAMES = tuple(changes(Record(key="251124000001", state=State.QUEUED, order_details="{}")))


def forge(stage: Stage, key: str, fields: dict[str, str]) -> None:
    forged = {kept_as(name): text for name, text in fields.items()}
    stage.ledger.client.hset(redis_keys.record(key), mapping=forged)  # type: ignore[arg-type]  # redis-py's own type is too narrow


@pytest.mark.parametrize("what", NAMES)
def test_a_record_that_was_changed_by_hand_sends_nothing_and_raises_an_alarm(
    stage: Stage, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead, by the worker's own proof; the alarm names the fields, and no value of them."""
    key = stage.new()
    record, preflight = stage.record(key), stage.worker.preflight
    token = stage.bank.token(preflight.terminal(record), order=preflight.order(record))
    monkeypatch.setattr(stage.bank, "token", lambda *_, **__: token)  # a token that is refused is no protection
    forged, named = changes(record)[what]
    forge(stage, key, forged)

    stage.journey.execute(key)

    assert stage.sandbox.book.calls["transfer"] == 0
    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.DEAD, "order_changed", "not_sent")
    (alarm,) = [event for event in events(stage.ledger.client) if event["verb"] == "order_changed"]
    assert alarm["key"] == key
    assert named in alarm["fields"].split(", ")
    assert not set(forged.values()) & set(alarm.values())


def changed(stage: Stage) -> str:
    key = stage.new()
    forge(stage, key, {"amount": "9990000"})
    stage.journey.execute(key)
    assert stage.record(key).reason == "order_changed"
    return key


def test_another_terminal_sends_nothing(stage: Stage) -> None:
    """Another terminal of the same merchant, whose credentials the worker has."""
    stage.worker.preflight._terminals["kiosk"] = stage.worker.preflight._terminals["main"]
    key = stage.new()
    forge(stage, key, {"terminal": "kiosk"})

    stage.journey.execute(key)

    assert stage.sandbox.book.calls["transfer"] == 0
    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "order_changed")


@pytest.mark.parametrize("put_right", [False, True])
def test_a_changed_order_is_not_queued_again(stage: Stage, put_right: bool) -> None:  # noqa: FBT001 - a case of the table
    """Its card was taken out, and the vault has none: not even where the record says what it said before."""
    key = changed(stage)
    if put_right:
        forge(stage, key, {"amount": "1500000"})

    asked(stage, key, "requeue")
    stage.settle_down()

    assert stage.sandbox.book.calls["transfer"] == 0
    assert (stage.state(key), said(stage)) == (
        State.DEAD,
        "its record is not what its producer ordered: pay it under a new reference",
    )


def test_a_changed_order_is_discarded_or_cancelled_as_what_was_not_sent(stage: Stage) -> None:
    """The tombstone is of the worker that found the difference: it is no doubt."""
    key = changed(stage)

    asked(stage, key, "discard")

    assert (stage.state(key), stage.record(key).reason) == (State.CANCELLED, "discarded")
    assert stage.vault.look(Purpose.CARD, key) is Content.TOMBSTONE


def test_what_is_not_of_the_order_may_change(stage: Stage) -> None:
    """An order that differs in nothing is sent: names that another version wrote are none of it."""
    key = stage.new()
    forge(stage, key, {"order_details": details(stage.record(key), colour="green"), "urgency": "batch"})

    stage.journey.execute(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


FORGED: dict[str, dict[str, str]] = {
    "queued again": {"state": "queued"},
    "queued again, under the next epoch": {"state": "queued", "epoch": "1000002"},
    "queued again, under the next generation": {"state": "queued", "epoch": "2000001"},
    "resumed": {"state": "resumed", "phase": "confirm"},
    "resumed, with the id of another transfer": {"state": "resumed", "phase": "confirm", "bank_id": "a9e1"},
    "in doubt, and said to be unsent": {"state": "in_doubt", "evidence": "not_sent"},
    "dead, and to be queued again": {"state": "dead", "requested_action": "requeue", "reason": "attempts_used_up"},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_state_or_epoch_sends_what_was_sent_no_second_time(stage: Stage, what: str) -> None:
    """The vault gives a card out once, whatever the record says."""
    key = stage.new()
    stage.journey.execute(key)
    assert stage.executions(key) == 1
    forge(stage, key, FORGED[what])

    for _ in range(4):
        stage.run(key)
        stage.clock.advance(7200)

    assert stage.sandbox.book.calls["transfer"] == 1
    assert stage.sandbox.book.calls["confirm"] == 0
    assert stage.executions(key) == 1


@pytest.mark.parametrize("fields", [{"phase": "confirm"}, {"epoch": "1000002"}, {"epoch": "2000001"}])
def test_a_forged_phase_or_epoch_of_a_queued_transfer_moves_no_card_elsewhere(
    stage: Stage, fields: dict[str, str]
) -> None:
    """It is sent once as it was ordered, or not at all."""
    key = stage.new()
    forge(stage, key, fields)

    for _ in range(4):
        stage.run(key)

    assert stage.executions(key) <= 1
    assert not stage.vault.client.exists(redis_keys.sealed_pares(key))
