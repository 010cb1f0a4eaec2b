"""What could be a card number in a text: found in what we are given to keep, starred in what leaves."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.card_numbers import holds_card_number, passes_luhn, star_card_numbers

PAN = "4405639704015096"


@pytest.mark.parametrize(
    ("text", "starred"),
    [
        (f"card {PAN} refused", "card **************** refused"),
        ("card 4405 6397 0401 5096", "card **** **** **** ****"),
        ("card 4405-6397-0401-5096", "card ****-****-****-****"),
        (f"4{PAN}1", "******************"),
        ("377514500004820", "***************"),
        ("4405639704015097", "4405639704015097"),
        ("at 1795500000007", "at 1795500000007"),
        ("", ""),
    ],
)
def test_the_digits_of_a_card_number_become_stars_and_nothing_else_does(text: str, starred: str) -> None:
    assert star_card_numbers(text) == starred


@given(st.uuids())
def test_a_uuid_stays_as_it_is(made: uuid.UUID) -> None:
    assert star_card_numbers(f"message {made} was skipped") == f"message {made} was skipped"


def test_what_is_ours_stays_where_it_stands_alone() -> None:
    """An invoice id may look like a card number; inside a longer number it is none of ours."""
    ours = "377514500004820"

    assert star_card_numbers(f"{ours} and {PAN}", ours) == f"{ours} and {'*' * 16}"
    assert star_card_numbers(f"9{ours}", ours) == "*" * 16


@given(st.from_regex(r"[a-z ]{0,10}", fullmatch=True), st.sampled_from(["", " ", "-", ". "]))
def test_no_dress_hides_a_card_number(before: str, between: str) -> None:
    worn = between.join([PAN[:4], PAN[4:8], PAN[8:12], PAN[12:]])

    assert "5096" not in star_card_numbers(before + worn + before)


@given(st.integers(min_value=0, max_value=10**15))
def test_the_check_digit_is_one_of_ten(number: int) -> None:
    assert [passes_luhn(f"{number}{check}") for check in range(10)].count(True) == 1


def test_a_very_long_number_is_starred_without_being_looked_at() -> None:
    assert star_card_numbers("1" * 5000) == "*" * 5000


def test_an_honest_reference_holds_no_card_number() -> None:
    """What is given to be kept is judged with more care: a piece of an identifier is none."""
    assert holds_card_number(f"payout {PAN}")
    assert not holds_card_number(f"a{PAN}b")
