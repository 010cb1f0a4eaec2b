"""Prints tell which fields of two intents differ, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from epay_transfers.ledger import fingerprint_keys, key_text, metadata
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent, fingerprints
from epay_transfers.producers.fingerprints import CARD_FIELDS, FIELDS, VERSION, Fingerprints, compute, differing

#: Made for these tests, once: what it prints is pinned below.
KEYS = FingerprintKeys([Secret(key_text.write(Kind.FINGERPRINT, bytes(range(32))))])
KEY_ID = KEYS.newest.key_id
OTHER = FingerprintKeys([fingerprint_keys.generate()])


def names(version: int = VERSION, *, cards: bool | None = None) -> tuple[str, ...]:
    found = [name for since, added in FIELDS.items() if since <= version for name in added]
    return tuple(name for name in found if cards is None or (name in CARD_FIELDS) == cards)


def kept(intent: TransferIntent, prints: Fingerprints, **more: str) -> Record:
    """What the ledger keeps of the intent, with these prints."""
    return Record(
        key="251124000001",
        state=State.QUEUED,
        **{
            "reference": intent.reference,
            "amount": intent.amount_minor,
            "currency": intent.currency,
            "terminal": intent.terminal,
            "urgency": intent.urgency,
            "related": intent.related_to or "",
            "order_details": intent.order_details().to_json(),
            "fingerprints": prints.others,
            "sender_card": intent.sender.mask,
            "receiver_card": intent.receiver.mask,
            "metadata": metadata.write(intent.metadata),
        }
        | more,  # type: ignore[arg-type]  # by its own names
    )


def changes(
    intent: TransferIntent, other: TransferIntent, keys: FingerprintKeys = KEYS, *, ended: bool = False
) -> tuple[str, ...]:
    """What a replay with `other` is said to change, of a transfer that was printed under `KEYS`."""
    prints = compute(intent, KEYS)
    return differing(kept(intent, prints), "" if ended else prints.cards, other, keys)


#: By version, as it writes them: for the intent of `conftest.py`, and for one with every field of its own changed.
#: A new version gets a line of its own here; what stands here is never changed.
PINNED = {
    1: (
        Fingerprints(
            "1.60ac86d5.OEvVbO3t.LkD-ztRr.oKnj1FoU......sdFplBls..ltnAtksO.........",
            "1.60ac86d5.ACs2rjeU.htybDzVH.16ByhBJS...hV-LJYsb.",
        ),
        Fingerprints(
            "1.60ac86d5.vhIBvaG1.MXPB7mra.ijfwNyuu......loz2B3Fm.zseUFp1m.2mgpZ0oA.5reMSp80.d3vj9zHy.tvFeH2zv.XP0RZAT4"
            "..-pmoFm5j.RFirlBEw.GhShfoWA.HSIbMDsO",
            "1.60ac86d5.ACs2rjeU.htybDzVH.16ByhBJS...hV-LJYsb.",
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

    assert changes(intent, other) == (name,)


def test_another_kind_of_card_differs_in_what_was_given(by_pan: dict[str, Any], intent: TransferIntent) -> None:
    saved = TransferIntent(**by_pan | {"sender": SavedCard(card_id="abc"), "receiver": Receiver(card_id="def")})

    assert changes(intent, saved) == (
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

    assert changes(here, here.model_copy(update={"foreign": True})) == ("foreign",)


def test_every_field_of_the_intent_is_printed_but_the_cvc_metadata_and_what_names_the_transfer() -> None:
    expected = set(TransferIntent.model_fields) - {"reference", "invoice_id", "sender", "receiver", "metadata"}
    expected |= {f"sender.{name}" for name in (PanCard.model_fields | SavedCard.model_fields)} - {"sender.cvc"}
    expected |= {f"receiver.{name}" for name in Receiver.model_fields}

    assert set(names()) == expected


def test_the_cvc_is_in_no_print(intent: TransferIntent) -> None:
    other = bend(intent, {"sender": {"cvc": "525"}})

    assert compute(intent, KEYS) == compute(other, KEYS)


def test_the_same_amount_and_the_same_moment_written_otherwise_are_the_same(intent: TransferIntent) -> None:
    first = intent.model_copy(update={"deadline": datetime(2026, 1, 1, tzinfo=UTC)})
    almaty = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    second = intent.model_copy(update={"deadline": almaty, "amount": "100.5", "currency": "kzt"})

    assert changes(first, second) == ()


def test_prints_hang_on_the_key_and_on_the_reference(intent: TransferIntent) -> None:
    def digests(prints: Fingerprints) -> set[str]:
        return {one for text in (prints.others, prints.cards) for one in text.split(".")[2:] if one}

    mine = digests(compute(intent, KEYS))
    renamed = intent.model_copy(update={"reference": "other"})

    assert mine
    for theirs in (compute(intent, OTHER), compute(renamed, KEYS)):
        assert not mine & digests(theirs)


def test_equal_values_of_two_fields_have_different_prints(intent: TransferIntent) -> None:
    both = compute(intent.model_copy(update={"back_link": "https://a.kz", "post_link": "https://a.kz"}), KEYS)
    prints = dict(zip(names(cards=False), both.others.split(".")[2:], strict=True))

    assert prints["back_link"] != prints["post_link"]


def test_fingerprints_of_a_version_that_this_code_does_not_know_differ_in_everything(intent: TransferIntent) -> None:
    mine = compute(intent, KEYS)

    for recorded in (f"{max(FIELDS) + 1}{mine.others[1:]}", "x.y", "", "1", "1.a", f"1.{KEY_ID}"):  # or damaged
        assert differing(kept(intent, Fingerprints(recorded, "")), mine.cards, intent, KEYS) == names()
    for cards in (f"{max(FIELDS) + 1}{mine.cards[1:]}", "x.y", f"1.{KEY_ID}"):
        assert differing(kept(intent, mine), cards, intent, KEYS) == names()


def test_a_stored_fingerprint_stays_what_it_was(intent: TransferIntent) -> None:
    """A field that moves, or that comes in between, makes every replay a conflict: this string may never change."""
    for version, (plain, pinned) in PINNED.items():
        bent = intent
        for change in (CHANGES[name] for name in CHANGES if name in names(version) and "." not in name):
            bent = bend(bent, change)

        assert compute(intent, KEYS, version) == plain
        assert compute(bent, KEYS, version) == pinned
        assert differing(kept(intent, plain), plain.cards, intent, KEYS) == ()
        assert differing(kept(bent, pinned), pinned.cards, bent, KEYS) == ()


def test_every_version_is_pinned_and_every_field_is_bent() -> None:
    """A field that no test changes, or a version that no string pins, could move unseen."""
    never_alone = {"sender.card_id", "receiver.card_id", "foreign"}  # another kind of card, and a transfer abroad

    assert set(PINNED) == set(FIELDS)
    assert set(names()) == set(CHANGES) | never_alone


def test_a_record_is_compared_under_its_own_version(intent: TransferIntent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that a later version adds changes nothing for older records, unless the replay gives it."""
    recorded = compute(intent, KEYS)
    monkeypatch.setattr(fingerprints, "FIELDS", {1: FIELDS[1][:-1], 2: FIELDS[1][-1:]})
    for kept_once in ("_names", "_fields_of"):
        monkeypatch.setattr(fingerprints, kept_once, getattr(fingerprints, kept_once).__wrapped__)
    monkeypatch.setattr(fingerprints, "VERSION", 2)
    old = kept(intent, Fingerprints(recorded.others.rpartition(".")[0], recorded.cards))

    assert differing(old, recorded.cards, intent, KEYS) == ()
    other = bend(intent, CHANGES["failure_post_link"])
    assert differing(old, recorded.cards, other, KEYS) == ("failure_post_link",)
    new = compute(intent, KEYS, 2)
    assert differing(kept(intent, new), new.cards, bend(intent, CHANGES["amount"]), KEYS) == ("amount",)


# Cards apart; keys that were rotated, or destroyed.

#: What the record keeps in clear, so that it is compared with no key at all.
IN_CLEAR = {
    "amount", "currency", "description", "terminal", "urgency", "related_to", "merchant_id_for_saving_cards",
    "back_link", "failure_back_link", "post_link", "failure_post_link", "sender.number", "receiver.number",
}  # fmt: skip


def test_what_the_record_keeps_has_no_print_of_a_card(intent: TransferIntent) -> None:
    """PCI DSS 3.5.1: a reader of the record has the first six and last four, and may have no digest beside them."""
    others = compute(intent, KEYS).others.split(".")[2:]

    assert len(others) == len(names(cards=False))
    for name in CARD_FIELDS & CHANGES.keys():
        assert compute(bend(intent, CHANGES[name]), KEYS).others == compute(intent, KEYS).others, name


def test_the_newest_key_prints_and_each_compares_its_own(intent: TransferIntent) -> None:
    new = fingerprint_keys.generate()
    rotated = FingerprintKeys([new, Secret(key_text.write(Kind.FINGERPRINT, bytes(range(32))))])

    assert compute(intent, rotated).cards.split(".")[1] == rotated.newest.key_id != KEY_ID
    for name, change in CHANGES.items():
        assert changes(intent, bend(intent, change), rotated) == (name,)
    assert changes(intent, intent, rotated) == ()


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("is_marked", [True, False])
def test_what_a_destroyed_key_printed_is_compared_by_what_the_record_keeps(
    intent: TransferIntent, *, is_marked: bool, ended: bool
) -> None:
    """Never a conflict in fields that are the same: a producer that is told of one pays under a new reference."""
    marks = [Secret(f"destroyed.{KEY_ID}")] if is_marked else []
    keys = FingerprintKeys([fingerprint_keys.generate(), *marks])

    assert changes(intent, intent, keys, ended=ended) == ()
    for name, change in CHANGES.items():
        said = changes(intent, bend(intent, change), keys, ended=ended)
        assert set(said) <= {name}
        assert said or name not in IN_CLEAR, name


@pytest.mark.parametrize("name", CHANGES)
def test_an_ended_transfer_is_compared_by_its_prints_though_its_order_is_gone(
    intent: TransferIntent, name: str
) -> None:
    """Without their key by less, and never is a field that is the same a conflict."""
    given = bend(intent, dict.fromkeys(("post_link", "back_link"), "https://shop.kz/x") | {"urgency": "batch"})
    ended = kept(given, compute(given, KEYS), order_details="", urgency="")
    other, destroyed = bend(given, CHANGES[name]), FingerprintKeys([fingerprint_keys.generate()])

    assert differing(ended, "", given, KEYS) == differing(ended, "", given, destroyed) == ()
    if name not in CARD_FIELDS and other != given:
        assert differing(ended, "", other, KEYS) == (name,)
    assert set(differing(ended, "", other, destroyed)) <= {name}
    assert differing(ended, "", other, destroyed) or name not in {"amount", "currency", "terminal", "related_to"}


def test_after_the_end_cards_are_compared_by_their_masks_and_the_rest_by_its_prints(intent: TransferIntent) -> None:
    for name, change in CHANGES.items():
        seen = name not in CARD_FIELDS or name.endswith(".number")
        assert changes(intent, bend(intent, change), ended=True) == ((name,) if seen else ())


@pytest.mark.parametrize("mask", ["4405********5096", "****5096", "440563******5096", ""])
def test_the_banks_own_mask_of_the_same_card_is_the_same_card(intent: TransferIntent, mask: str) -> None:
    """The bank's answer takes the place of our mask, and may show fewer digits."""
    record = kept(intent, compute(intent, KEYS), sender_card=mask)

    assert differing(record, "", intent, KEYS) == ()


def test_an_order_that_can_not_be_read_is_no_conflict(intent: TransferIntent) -> None:
    keys = FingerprintKeys([fingerprint_keys.generate()])
    record = kept(intent, compute(intent, KEYS), order_details="{")

    assert differing(record, "", intent, keys) == ()
    assert differing(record, "", bend(intent, CHANGES["amount"]), keys) == ("amount",)


# Metadata, which the record keeps in clear.


def test_metadata_change_no_fingerprint(intent: TransferIntent) -> None:
    """So a producer of before, which knows none, does not take the record for one of another intent."""
    assert compute(intent.model_copy(update={"metadata": {"user": "1001"}}), KEYS) == compute(intent, KEYS)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("keys", [KEYS, OTHER], ids=["its key", "without its key"])
def test_other_metadata_are_a_difference_of_their_own(
    intent: TransferIntent, keys: FingerprintKeys, *, ended: bool
) -> None:
    """Whatever became of the transfer and of the key that printed it; more, fewer, others and none."""
    with_two = intent.model_copy(update={"metadata": {"user": "1001", "shop": "a"}})
    same = with_two.model_copy(update={"metadata": {"shop": "a", "user": "1001"}})

    assert changes(with_two, same, keys, ended=ended) == ()
    for others in ({"user": "1002", "shop": "a"}, {"user": "1001"}, {}):
        other = with_two.model_copy(update={"metadata": others})
        assert changes(with_two, other, keys, ended=ended) == ("metadata",)
        assert changes(other, with_two, keys, ended=ended) == ("metadata",)


def test_other_metadata_stand_beside_what_else_differs(intent: TransferIntent) -> None:
    other = intent.model_copy(update={"amount": "100.51", "metadata": {"user": "1001"}})

    assert changes(intent, other) == ("amount", "metadata")


def test_the_same_metadata_do_not_hide_that_all_else_differs(intent: TransferIntent) -> None:
    """That points at the keys: metadata have none."""
    given = intent.model_copy(update={"metadata": {"user": "1001"}})
    printed_otherwise = kept(given, Fingerprints(compute(given, OTHER).others.replace(OTHER.newest.key_id, KEY_ID), ""))

    said = differing(printed_otherwise, "", given, KEYS)
    assert "metadata" not in said
    assert fingerprints.all_differ(said, "", given)
