"""Prints tell which fields of two intents differ, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent
from epay_transfers.producers.fingerprints import FIELDS, compute, differing

KEY = b"k" * 32

CHANGES: dict[str, dict[str, Any]] = {
    "amount": {"amount": "100.51"},
    "currency": {"currency": "USD"},
    "description": {"description": "other"},
    "sender.number": {"sender": {"number": "377514500004820"}},
    "sender.expiry": {"sender": {"expiry": "02/25"}},
    "sender.name": {"sender": {"name": "Other"}},
    "sender.address": {"sender": {"address": "Almaty"}},
    "sender.save": {"sender": {"save": True}},
    "receiver.number": {"receiver": {"number": "377514500004820"}},
    "receiver.first_name": {"receiver": {"first_name": "A"}},
    "receiver.last_name": {"receiver": {"last_name": "B"}},
    "receiver.country_code": {"receiver": {"country_code": "KG"}},
    "receiver.save": {"receiver": {"save": True}},
    "terminal": {"terminal": "kiosk"},
    "deadline": {"deadline": datetime(2026, 1, 1, tzinfo=UTC)},
    "urgency": {"urgency": "batch"},
    "related_to": {"related_to": "order-1"},
    "sender_email": {"sender_email": "a@b.kz"},
    "sender_ip": {"sender_ip": "10.0.0.1"},
    "merchant_id_for_saving_cards": {"merchant_id_for_saving_cards": "m"},
    "back_link": {"back_link": "https://a.kz"},
    "failure_back_link": {"failure_back_link": "https://a.kz"},
    "post_link": {"post_link": "https://a.kz"},
    "failure_post_link": {"failure_post_link": "https://a.kz"},
}


def bend(intent: TransferIntent, change: dict[str, Any]) -> TransferIntent:
    parts = {name: value for name, value in change.items() if not isinstance(value, dict)}
    for name in change.keys() - parts.keys():
        parts[name] = getattr(intent, name).model_copy(update=change[name])
    return intent.model_copy(update=parts)


@pytest.mark.parametrize("name", CHANGES)
def test_one_changed_field_is_named_and_no_other(intent: TransferIntent, name: str) -> None:
    other = bend(intent, CHANGES[name])

    assert differing(compute(intent, KEY), compute(other, KEY)) == (name,)


def test_another_kind_of_card_differs_in_what_was_given(by_pan: dict[str, Any], intent: TransferIntent) -> None:
    saved = TransferIntent(**by_pan | {"sender": SavedCard(card_id="abc"), "receiver": Receiver(card_id="def")})

    assert differing(compute(intent, KEY), compute(saved, KEY)) == (
        "sender.number",
        "sender.expiry",
        "sender.name",
        "sender.card_id",
        "receiver.number",
        "receiver.card_id",
    )


def test_abroad_is_compared_too(by_pan: dict[str, Any]) -> None:
    receiver = Receiver(card_id="def", first_name="A", last_name="B", country_code="KG")
    here = TransferIntent(**by_pan | {"receiver": receiver})

    assert differing(compute(here, KEY), compute(here.model_copy(update={"foreign": True}), KEY)) == ("foreign",)


def test_every_field_of_the_intent_is_printed_but_the_cvc_and_what_names_the_transfer() -> None:
    expected = set(TransferIntent.model_fields) - {"reference", "invoice_id", "sender", "receiver"}
    expected |= {f"sender.{name}" for name in (PanCard.model_fields | SavedCard.model_fields)} - {"sender.cvc"}
    expected |= {f"receiver.{name}" for name in Receiver.model_fields}

    assert set(FIELDS) == expected


def test_the_cvc_is_in_no_print(intent: TransferIntent) -> None:
    other = bend(intent, {"sender": {"cvc": "525"}})

    assert compute(intent, KEY) == compute(other, KEY)


def test_the_same_amount_and_the_same_moment_written_otherwise_are_the_same(intent: TransferIntent) -> None:
    first = intent.model_copy(update={"deadline": datetime(2026, 1, 1, tzinfo=UTC)})
    almaty = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    second = intent.model_copy(update={"deadline": almaty, "amount": "100.5", "currency": "kzt"})

    assert differing(compute(first, KEY), compute(second, KEY)) == ()


def test_prints_hang_on_the_key_and_on_the_reference(intent: TransferIntent) -> None:
    mine = compute(intent, KEY).split(".")[1:]
    for theirs in (compute(intent, b"x" * 32), compute(intent.model_copy(update={"reference": "other"}), KEY)):
        assert not {one for one in mine if one} & set(theirs.split("."))


def test_equal_values_of_two_fields_have_different_prints(intent: TransferIntent) -> None:
    both = compute(intent.model_copy(update={"back_link": "https://a.kz", "post_link": "https://a.kz"}), KEY)
    prints = dict(zip(FIELDS, both.split(".")[1:], strict=True))

    assert prints["back_link"] != prints["post_link"]


def test_prints_of_another_version_differ_in_everything(intent: TransferIntent) -> None:
    mine = compute(intent, KEY)

    assert differing(mine, "2" + mine[1:]) == FIELDS
    assert differing(mine, "") == FIELDS


def test_prints_are_small(intent: TransferIntent, by_saved_card: dict[str, Any]) -> None:
    assert len(compute(intent, KEY)) <= 112
    assert len(compute(TransferIntent(**by_saved_card), KEY)) <= 112
