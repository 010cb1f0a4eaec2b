"""Every key lies under one name and one hash tag, and no two things share a key."""

import inspect

import pytest

from ledger import keys

CONSTANTS = {name: value for name, value in vars(keys).items() if name.isupper() and not name.startswith("_")}
MADE: dict[str, str] = {
    "record": keys.record("251124000001"),
    "record in a space": keys.record("kiosk:251124000001"),
    "suffixes": keys.suffixes("main"),
    "reference": keys.reference("payout-42"),
    "handle": keys.handle("abc"),
    "md": keys.md("270469967-9CA5EC5779A3358E"),
    "bank_id": keys.bank_id("a9e1b986-be01-4763-9216-610cc63b963c"),
    "card": keys.card("251124000001"),
    "cards": keys.cards(),
    "pares": keys.pares("251124000001"),
    "sealed_card": keys.sealed_card("251124000001"),
    "sealed_pares": keys.sealed_pares("251124000001"),
    "challenge": keys.challenge("251124000001"),
}


@pytest.mark.parametrize("key", [*CONSTANTS.values(), *MADE.values()])
def test_a_key_lies_under_transfers_with_the_one_hash_tag(key: str) -> None:
    assert key.startswith("transfers:{t}:")


def test_every_function_is_tried_here() -> None:
    made = {name for name, made in inspect.getmembers(keys, inspect.isfunction) if made.__module__ == keys.__name__}

    assert made == {*MADE, "suffix_record", "place"} - {"record in a space"}


def test_no_two_things_share_a_key() -> None:
    everything = [*CONSTANTS.values(), *MADE.values()]

    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("text", ["due", "r:main:000001", "events", "}", "{x}", "a:b"])
def test_what_a_producer_or_the_bank_says_never_reaches_another_key(text: str) -> None:
    others = {*CONSTANTS.values(), keys.suffix_record("main", 1)}

    assert not {keys.reference(text), keys.handle(text), keys.md(text), keys.bank_id(text)} & others


def test_a_record_is_found_by_its_suffix_alone() -> None:
    assert keys.record("251124000001") == keys.record("000001") == keys.suffix_record("main", 1)


def test_a_transfer_that_is_made_anew_on_another_day_has_the_same_places_in_the_vault() -> None:
    for place in (keys.card, keys.pares, keys.sealed_card, keys.sealed_pares):
        assert place("251124000001") == place("261231000001") != place("kiosk:251124000001")


def test_an_md_of_any_length_makes_a_short_key() -> None:
    assert len(keys.md("x" * 4096)) == len(keys.md(""))
    assert keys.md("a") != keys.md("b")
