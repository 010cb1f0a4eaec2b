"""Prints tell which fields of two intents differ, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent, fingerprints
from epay_transfers.producers.fingerprints import FIELDS, compute, differing

KEY = b"k" * 32

#: By version, as it writes them: for the intent of `conftest.py`, and for one with every field of its own changed.
#: A new version gets a line of its own here; what stands here is never changed.
PINNED = {
    1: (
        "1.zpwDC6Q9.O3Du9Qa2.Tnu_93li.pqIHIz3H.Ks6fWYjt.8R7KICpn....6kaHfCzu......y1tOh9YD..j_vTVUyz.........",
        (
            "1.bcKQ6yTA.9rER6OzU.2s-bqnyu.pqIHIz3H.Ks6fWYjt.8R7KICpn....6kaHfCzu......Q-lg08C8.Gvz_Gg0v.cOFrSmOg.Ycq298yN"
            ".ik5LAB1S.9aJDvU3-.1VlTudfn..eb1j1HV3.iCaALUU-.wjFYGEpE.2ZtH3ZPt"
        ),
    ),
}

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

    assert differing(compute(intent, KEY), other, KEY) == (name,)


def test_another_kind_of_card_differs_in_what_was_given(by_pan: dict[str, Any], intent: TransferIntent) -> None:
    saved = TransferIntent(**by_pan | {"sender": SavedCard(card_id="abc"), "receiver": Receiver(card_id="def")})

    assert differing(compute(intent, KEY), saved, KEY) == (
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

    assert differing(compute(here, KEY), here.model_copy(update={"foreign": True}), KEY) == ("foreign",)


def test_every_field_of_the_intent_is_printed_but_the_cvc_and_what_names_the_transfer() -> None:
    expected = set(TransferIntent.model_fields) - {"reference", "invoice_id", "sender", "receiver"}
    expected |= {f"sender.{name}" for name in (PanCard.model_fields | SavedCard.model_fields)} - {"sender.cvc"}
    expected |= {f"receiver.{name}" for name in Receiver.model_fields}

    assert {name for names in FIELDS.values() for name in names} == expected


def test_the_cvc_is_in_no_print(intent: TransferIntent) -> None:
    other = bend(intent, {"sender": {"cvc": "525"}})

    assert compute(intent, KEY) == compute(other, KEY)


def test_the_same_amount_and_the_same_moment_written_otherwise_are_the_same(intent: TransferIntent) -> None:
    first = intent.model_copy(update={"deadline": datetime(2026, 1, 1, tzinfo=UTC)})
    almaty = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    second = intent.model_copy(update={"deadline": almaty, "amount": "100.5", "currency": "kzt"})

    assert differing(compute(first, KEY), second, KEY) == ()


def test_prints_hang_on_the_key_and_on_the_reference(intent: TransferIntent) -> None:
    mine = compute(intent, KEY).split(".")[1:]
    for theirs in (compute(intent, b"x" * 32), compute(intent.model_copy(update={"reference": "other"}), KEY)):
        assert not {one for one in mine if one} & set(theirs.split("."))


def test_equal_values_of_two_fields_have_different_prints(intent: TransferIntent) -> None:
    both = compute(intent.model_copy(update={"back_link": "https://a.kz", "post_link": "https://a.kz"}), KEY)
    prints = dict(zip((name for names in FIELDS.values() for name in names), both.split(".")[1:], strict=True))

    assert prints["back_link"] != prints["post_link"]


def test_fingerprints_of_a_version_that_this_code_does_not_know_differ_in_everything(intent: TransferIntent) -> None:
    mine = compute(intent, KEY)

    everything = tuple(name for names in FIELDS.values() for name in names)

    for recorded in (f"{max(FIELDS) + 1}{mine[1:]}", "x.y", "", "1", "1.a"):  # or that were damaged
        assert differing(recorded, intent, KEY) == everything


def test_a_stored_fingerprint_stays_what_it_was(intent: TransferIntent) -> None:
    """A field that moves, or that comes in between, makes every replay a conflict: this string may never change."""
    for version, (plain, pinned) in PINNED.items():
        own = {name for since, names in FIELDS.items() if since <= version for name in names}
        bent = intent
        for change in (CHANGES[name] for name in CHANGES if name in own and "." not in name):
            bent = bend(bent, change)

        assert compute(intent, KEY, version) == plain
        assert compute(bent, KEY, version) == pinned
        assert differing(plain, intent, KEY) == differing(pinned, bent, KEY) == ()


def test_every_version_is_pinned_and_every_field_is_bent() -> None:
    """A field that no test changes, or a version that no string pins, could move unseen."""
    never_alone = {"sender.card_id", "receiver.card_id", "foreign"}  # another kind of card, and a transfer abroad

    assert set(PINNED) == set(FIELDS)
    assert {name for names in FIELDS.values() for name in names} == set(CHANGES) | never_alone


def test_a_record_is_compared_under_its_own_version(intent: TransferIntent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that a later version adds changes nothing for older records, unless the replay gives it."""
    recorded = compute(intent, KEY)
    older = FIELDS[1][:-1]
    monkeypatch.setattr(fingerprints, "FIELDS", {1: older, 2: FIELDS[1][-1:]})
    monkeypatch.setattr(fingerprints, "VERSION", 2)
    old = ".".join(recorded.split(".")[:-1])

    assert differing(old, intent, KEY) == ()
    assert differing(old, bend(intent, CHANGES["failure_post_link"]), KEY) == ("failure_post_link",)
    assert differing(compute(intent, KEY, 2), bend(intent, CHANGES["amount"]), KEY) == ("amount",)
