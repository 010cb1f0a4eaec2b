"""An intent that waits in a backend's own database: what its text holds, what reads it back, and what may not wait."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from epay_transfers.producers import IntentRejected, PanCard, Receiver, SavedCard, TransferIntent, WrongCall

PAN = "4405639704015096"
DEADLINE = datetime(2026, 12, 24, 7, 30, tzinfo=UTC)
IN_A_DATABASE = "can't wait in a database: even sealed it would reach disks and backups"

#: Every field that may wait, with another value than its default.
WHOLE: dict[str, Any] = {
    "reference": "payout-42",
    "currency": "USD",
    "amount": "150.50",
    "description": "Выплата 42",
    "sender": {"card_id": "88481433-595e-4c01-941f-34569db2426e"},
    "receiver": {
        "card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce",
        "first_name": "Айгүл",
        "last_name": "B",
        "country_code": "KG",
        "save": True,
    },
    "terminal": "kiosk",
    "invoice_id": "251124000001",
    "deadline": DEADLINE.isoformat(),
    "urgency": "batch",
    "related_to": "order-1",
    "metadata": {"shop.name": "Алма", "user": "1001"},
    "sender_email": "a@b.kz",
    "sender_ip": "10.0.0.1",
    "merchant_id_for_saving_cards": "m",
    "foreign": True,
    "back_link": "https://a.kz/1",
    "failure_back_link": "https://a.kz/2",
    "post_link": "https://a.kz/3",
    "failure_post_link": "https://a.kz/4",
}

#: What schema 1 writes for the fixture `waiting`: it never changes, for such texts wait in backends' databases.
PINNED = (
    '{"schema":1,"reference":"payout-42","currency":"KZT","amount":"15000.00","description":"Payout 42",'
    '"sender":{"card_id":"88481433-595e-4c01-941f-34569db2426e"},'
    '"receiver":{"card_id":"86496cb0-bb5d-4791-bb49-cc27a0f660ce"},"terminal":"main",'
    '"deadline":"2026-12-24T07:30:00+00:00","urgency":"batch"}'
)


@pytest.fixture
def waiting(by_saved_card: dict[str, Any]) -> TransferIntent:
    return TransferIntent(**by_saved_card, deadline=DEADLINE)


def bent(**fields: Any) -> str:
    """A text of schema 1 that a hand has changed."""
    return json.dumps(json.loads(PINNED) | fields)


def test_it_reads_back_to_an_equal_intent_with_every_field() -> None:
    intent = TransferIntent.model_validate(WHOLE)

    again = TransferIntent.from_json(intent.to_json())

    assert again == intent
    assert again.to_json() == intent.to_json()
    assert json.loads(intent.to_json()) == {"schema": 1} | WHOLE


def test_every_field_is_tried() -> None:
    """A new field of the intent, or of a card, is a line above: else it could be lost while it waits."""
    assert set(WHOLE) == set(TransferIntent.model_fields)
    assert set(WHOLE["sender"]) == set(SavedCard.model_fields) - {"cvc"}
    assert set(WHOLE["receiver"]) == set(Receiver.model_fields) - {"number"}


def test_a_text_of_schema_1_is_the_same_for_ever(waiting: TransferIntent) -> None:
    assert waiting.to_json() == PINNED
    assert TransferIntent.from_json(PINNED) == waiting


def test_equal_intents_have_equal_texts(waiting: TransferIntent) -> None:
    """Whatever zone the deadline was given in, and whether a default was given or left out."""
    almaty = DEADLINE.astimezone(timezone(timedelta(hours=5)))
    same = waiting.model_copy(
        update={"deadline": almaty, "currency": "KZT", "amount": 15000, "back_link": "", "metadata": {}}
    )

    assert same == waiting
    assert same.to_json() == PINNED


def test_metadata_stand_there_where_they_are_given_in_one_order(waiting: TransferIntent) -> None:
    texts = [
        waiting.model_copy(update={"metadata": given}).to_json()
        for given in ({"user": "1001", "a": "2"}, {"a": "2", "user": "1001"})
    ]

    assert texts[0] == texts[1] == PINNED[:-1] + ',"metadata":{"a":"2","user":"1001"}}'


def test_the_deadline_does_not_move_while_it_waits(waiting: TransferIntent, by_saved_card: dict[str, Any]) -> None:
    """It is a moment; and the day of an intent without one would begin when it is enqueued, so that one is refused."""
    assert TransferIntent.from_json(waiting.to_json()).deadline == DEADLINE

    with pytest.raises(IntentRejected, match="deadline: is needed for an intent that waits"):
        TransferIntent(**by_saved_card).to_json()


@pytest.mark.parametrize(
    ("fields", "field", "name"),
    [
        ({"sender": PanCard(number=PAN, expiry="01/30", cvc="815", name="A B")}, "sender.number", "a card number"),
        ({"sender": SavedCard(card_id="abc", cvc="815")}, "sender.cvc", "a CVC"),
        ({"receiver": Receiver(number=PAN)}, "receiver.number", "a card number"),
    ],
)
def test_a_card_number_an_expiry_and_a_cvc_can_not_wait(
    waiting: TransferIntent, fields: dict[str, Any], field: str, name: str
) -> None:
    with pytest.raises(IntentRejected, match=f"{field}: {name} {IN_A_DATABASE}") as refused:
        waiting.model_copy(update=fields).to_json()

    assert refused.value.field == field
    assert PAN not in str(refused.value)
    assert "815" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"receiver": Receiver(card_id="abc", first_name=PAN)}, "receiver.first_name"),
        ({"receiver": Receiver(card_id="abc", last_name=f"A {PAN}")}, "receiver.last_name"),
        ({"sender_email": f"{PAN}@a.kz"}, "sender_email"),
        ({"terminal": PAN}, "terminal"),
    ],
)
def test_a_card_number_in_another_field_can_not_wait_either(
    waiting: TransferIntent, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(IntentRejected, match=f"looks like a card number, and one {IN_A_DATABASE}") as refused:
        waiting.model_copy(update=fields).to_json()

    assert refused.value.field == field
    assert PAN not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "json: is not JSON"),
        ("payout-42", "json: is not JSON"),
        ("[]", "json: is no object"),
        (PINNED[:-1] + ',"amount":"1"}', "json: gives amount twice"),
        (PINNED.replace('"schema":1,', ""), "schema: is missing"),
        (bent(schema=2), "schema: is of another version than 1, which this one reads: run the version that wrote it"),
        (bent(schema="1"), "schema: is of another version"),
        (bent(schema=True), "schema: is of another version"),
        (bent(schema=int(PAN)), "schema: is of another version"),
        (bent(colour="red"), "colour: is not a field that is known here"),
        (bent(amount=150.5), "amount: must be a Decimal"),
        (bent(deadline=None), "deadline: is needed"),
        (bent(sender={"card_id": "abc", "cvc": "815"}), "sender.cvc: a CVC can't wait"),
        (bent(receiver={"number": PAN}), "receiver.number: a card number can't wait"),
        (bent(metadata={"user": PAN}), "metadata.user: looks like a card number"),
        (bent(metadata={"user": 1001}), "metadata.user: must be a text"),
        (bent(metadata={f"a{PAN}": "x"}), "metadata: has a name that looks like a card number"),
        (bent(sender={"number": PAN, "expiry": "01/30", "cvc": "815", "name": "A"}), "sender.number: a card number"),
    ],
)
def test_what_is_no_such_text_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(IntentRejected, match=sentence) as refused:
        TransferIntent.from_json(text)

    assert PAN not in str(refused.value)


@pytest.mark.parametrize("given", [None, b"{}", {}, 1])
def test_what_is_no_text_is_a_wrong_call(given: Any) -> None:
    with pytest.raises(WrongCall, match=f"and not a {type(given).__name__}"):
        TransferIntent.from_json(given)
