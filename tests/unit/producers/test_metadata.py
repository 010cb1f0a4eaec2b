"""Which metadata an intent may have, what an error says of those that it may not, and how the record keeps them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger import metadata
from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.producers import IntentRejected, TransferIntent
from epay_transfers.producers.metadata import checked

PAN = "4405639704015096"
TOO_MANY = {f"name{number}": "x" for number in range(11)}

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,39}", fullmatch=True)
TEXTS = st.text(max_size=200)


@pytest.mark.parametrize(
    "sound",
    [
        {},
        {"user": "1001"},
        {"user": ""},
        {"a": '  two blanks, and “quotes” \\ "  '},
        {"shop.order-id_2": "Айгүл, 88481433-595e-4c01-941f-34569db2426e"},
        {f"name{number}": "x" * 88 for number in range(10)},
        {"a" * 40: "x" * 200},
        {"pinned": "1", "spin": "2"},
    ],
)
def test_what_is_sound_comes_back_as_it_was_given(by_pan: dict[str, Any], sound: dict[str, str]) -> None:
    intent = TransferIntent(**by_pan, metadata=sound)

    assert intent.metadata == sound
    assert metadata.read(metadata.write(intent.metadata)) == sound
    assert intent.model_copy(update={"amount": "1"}).metadata == sound
    assert TransferIntent.model_validate(by_pan | {"metadata": sound}).metadata == sound
    assert intent.model_dump()["metadata"] == sound
    assert json.loads(intent.model_dump_json())["metadata"] == sound


@pytest.mark.parametrize(
    ("given_", "field", "why"),
    [
        (None, "metadata", "must be a few names with a text each"),
        ("user", "metadata", "must be a few names with a text each"),
        ([("user", "1001")], "metadata", "must be a few names with a text each"),
        (TOO_MANY, "metadata", "has 11 names, and may have 10"),
        ({"User": "1"}, "metadata", "has a name that is none"),
        ({"": "1"}, "metadata", "has a name that is none"),
        ({"1a": "1"}, "metadata", "has a name that is none"),
        ({"a b": "1"}, "metadata", "has a name that is none"),
        ({"имя": "1"}, "metadata", "has a name that is none"),
        ({"a" * 41: "1"}, "metadata", "has a name that is none"),
        ({7: "1"}, "metadata", "has a name that is none"),
        ({"user": 1001}, "metadata.user", "must be a text"),
        ({"user": None}, "metadata.user", "must be a text"),
        ({"user": {"id": "1"}}, "metadata.user", "must be a text"),
        ({"user": "x" * 201}, "metadata.user", "must be at most 200 characters"),
        ({"user": "a\nb"}, "metadata.user", "must be one line"),
        ({"user": "a\x1b[31mb"}, "metadata.user", "must be one line"),
        ({"user": "\ud800"}, "metadata.user", "must be one line"),
        ({f"name{number}": "x" * 90 for number in range(10)}, "metadata", "must be at most 1000 bytes"),
        ({f"name{number}": "ы" * 100 for number in range(6)}, "metadata", "must be at most 1000 bytes"),
        ({f"name{number}": '"' * 100 for number in range(6)}, "metadata", "must be at most 1000 bytes"),
        ({"cvc": "815"}, "metadata.cvc", "a CVC and a PIN may be kept nowhere"),
        ({"card.cvv2": "815"}, "metadata.card.cvv2", "a CVC and a PIN may be kept nowhere"),
    ],
)
def test_what_is_not_is_refused_in_a_sentence_with_its_name(
    by_pan: dict[str, Any], given_: Any, field: str, why: str
) -> None:
    with pytest.raises(IntentRejected, match=why) as refused:
        TransferIntent(**by_pan, metadata=given_)

    assert refused.value.field == field


@pytest.mark.parametrize("number", [PAN, "4405 6397 0401 5096", "4405-6397-0401-5096", "visa4405639704015096"])
def test_a_card_number_is_refused_in_a_text_and_in_a_name_and_shown_in_neither(
    by_pan: dict[str, Any], number: str
) -> None:
    hidden = {"text": {"user": number}, "sentence": {"user": f"of {number}."}, "name": {f"card{number}": "x"}}
    for where, given_ in hidden.items():
        with pytest.raises(IntentRejected) as refused:
            TransferIntent(**by_pan, metadata=given_)

        assert refused.value.field == ("metadata" if where == "name" else "metadata.user")
        assert not holds_card_number(str(refused.value))
        assert number not in str(refused.value)


def test_a_card_number_in_a_name_and_its_text_is_refused_too(by_pan: dict[str, Any]) -> None:
    """The record's text has both side by side: nothing in the ledger may read as a card number."""
    with pytest.raises(IntentRejected, match="metadata: looks like a card number"):
        TransferIntent(**by_pan, metadata={f"a{PAN[:8]}": PAN[8:]})


@given(st.dictionaries(NAMES, TEXTS, max_size=12))
def test_whatever_is_taken_is_kept_whole_and_holds_no_card_number(given_: dict[str, str]) -> None:
    """And whatever is refused is refused in a sentence that shows no text of it."""
    try:
        taken = checked(given_)
    except IntentRejected as error:
        refused = error
    else:
        kept = metadata.write(taken)
        assert metadata.read(kept) == given_
        assert not holds_card_number(kept)
        assert len(given_) <= 10
        assert len(kept.encode()) <= 1000
        return
    assert refused.field == "metadata" or refused.field.removeprefix("metadata.") in given_
    assert [text for text in given_.values() if len(text) > 30 and text in str(refused)] == []


def test_the_order_of_the_names_makes_no_difference(by_pan: dict[str, Any]) -> None:
    one = TransferIntent(**by_pan, metadata={"a": "1", "b": "2"})
    other = TransferIntent(**by_pan, metadata={"b": "2", "a": "1"})

    assert one == other
    assert metadata.write(one.metadata) == metadata.write(other.metadata)


def test_they_do_not_change_with_the_dict_that_they_came_from(by_pan: dict[str, Any]) -> None:
    """Else a card number could be put in after the check."""
    mine = {"user": "1001"}
    intent = TransferIntent(**by_pan, metadata=mine)
    mine["user"] = PAN

    assert intent.metadata == {"user": "1001"}
    with pytest.raises(TypeError):
        intent.metadata["user"] = PAN  # type: ignore[index]  # as a caller could try


def test_no_repr_shows_them(by_pan: dict[str, Any]) -> None:
    """An intent is what a backend's log line shows most easily."""
    assert "1001" not in repr(TransferIntent(**by_pan, metadata={"user": "1001"}))


@pytest.mark.parametrize("text", ["{", "7", "[]", '"a"', '{"a":1}', '{"a":null}', '{"a":{"b":"c"}}'])
def test_what_this_version_does_not_write_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="no object of texts"):
        metadata.read(text)


def test_no_metadata_are_no_field_of_the_record() -> None:
    """So a transfer without them costs not one byte."""
    assert metadata.write({}) == ""
    assert metadata.read("") == {}
