"""Every key lies under one name and one hash tag, and no two things share a key."""

import inspect

import pytest

from epay_transfers.ledger.store import redis_keys

CONSTANTS = {name: value for name, value in vars(redis_keys).items() if name.isupper() and not name.startswith("_")}
MADE: dict[str, str] = {
    "record": redis_keys.record("251124000001"),
    "record in a space": redis_keys.record("kiosk:251124000001"),
    "suffixes": redis_keys.suffixes("main"),
    "guesses": redis_keys.guesses(29_000_000),
    "inbox": redis_keys.inbox("web"),
    "reference": redis_keys.reference("payout-42"),
    "archived": redis_keys.archived("sha256.abc"),
    "handle": redis_keys.handle("abc"),
    "md": redis_keys.md("270469967-9CA5EC5779A3358E"),
    "bank_id": redis_keys.bank_id("a9e1b986-be01-4763-9216-610cc63b963c"),
    "card": redis_keys.card("251124000001"),
    "every": redis_keys.every("card:"),
    "pares": redis_keys.pares("251124000001"),
    "sealed_card": redis_keys.sealed_card("251124000001"),
    "sealed_pares": redis_keys.sealed_pares("251124000001"),
    "prints": redis_keys.prints("251124000001"),
    "challenge": redis_keys.challenge("251124000001"),
    "limits": redis_keys.limits("20251124"),
    "references, the few": redis_keys.references("204978430339")[0],
    "references, the many": redis_keys.references("204978430339")[1],
    "bank_ids, the few": redis_keys.bank_ids("a9e1b986-be01-4763-9216-610cc63b963c")[0],
    "bank_ids, the many": redis_keys.bank_ids("a9e1b986-be01-4763-9216-610cc63b963c")[1],
    "receiver_limits": redis_keys.receiver_limits("20251124"),
    "operator_limits": redis_keys.operator_limits("20251124"),
}


@pytest.mark.parametrize("key", [*CONSTANTS.values(), *MADE.values()])
def test_a_key_lies_under_transfers_with_the_one_hash_tag(key: str) -> None:
    assert key.startswith("transfers:{t}:")


def test_every_function_is_tried_here() -> None:
    made = {
        name
        for name, made in inspect.getmembers(redis_keys, callable)
        if getattr(made, "__module__", "") == redis_keys.__name__ and not name.startswith("_")
    }

    tried = {name.partition(",")[0] for name in MADE} - {"record in a space"}
    assert made == tried | {"suffix_record", "place", "bank_id_name"}


def test_no_two_things_share_a_key() -> None:
    everything = [*CONSTANTS.values(), *MADE.values()]

    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("text", ["due", "r:main:000001", "events", "}", "{x}", "a:b"])
def test_what_a_producer_or_the_bank_says_never_reaches_another_key(text: str) -> None:
    others = {*CONSTANTS.values(), redis_keys.suffix_record("main", 1)}

    assert (
        not {redis_keys.reference(text), redis_keys.handle(text), redis_keys.md(text), redis_keys.bank_id(text)}
        & others
    )


def test_a_record_is_found_by_its_suffix_alone() -> None:
    assert redis_keys.record("251124000001") == redis_keys.record("000001") == redis_keys.suffix_record("main", 1)


def test_a_transfer_that_is_made_anew_on_another_day_has_the_same_places_in_the_vault() -> None:
    for place in (redis_keys.card, redis_keys.pares, redis_keys.sealed_card, redis_keys.sealed_pares):
        assert place("251124000001") == place("261231000001") != place("kiosk:251124000001")


def test_an_md_of_any_length_makes_a_short_key() -> None:
    assert len(redis_keys.md("x" * 4096)) == len(redis_keys.md(""))
    assert redis_keys.md("a") != redis_keys.md("b")


def test_an_index_has_few_hashes_and_many() -> None:
    """Each text has its place in one of either. So many: at a million entries the server keeps each of them small."""
    places = [redis_keys.references(str(number)) for number in range(100_000)]

    assert [len(set(column)) for column in zip(*places, strict=True)] == [256, 8192]
    assert redis_keys.references("204978430339") == ("transfers:{t}:refs:few:cf", "transfers:{t}:refs:9cf")


def test_an_id_of_the_bank_of_any_length_has_a_short_name() -> None:
    assert len(redis_keys.bank_id_name("x" * 4096)) == len(redis_keys.bank_id_name("")) == 12
    assert redis_keys.bank_id_name("a9e1") == "IJU0RHTMXiaU"
    assert redis_keys.bank_id_name("a") != redis_keys.bank_id_name("b")
