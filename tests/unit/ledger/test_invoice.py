"""Invoice ids and the transfer's key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger import invoice
from epay_transfers.ledger.store import redis_keys

DIGITS = st.text("0123456789", min_size=6, max_size=15)
SPACES = st.from_regex(r"[a-z][a-z0-9-]{0,19}", fullmatch=True)


@pytest.mark.parametrize("text", ["000000", "123456", "123456789012345"])
def test_six_to_fifteen_digits_are_an_invoice_id(text: str) -> None:
    assert invoice.is_invoice_id(text)


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567890123456", "12345a", " 123456", "123456\n", "-123456", "١٢٣٤٥٦", "123456\0"]
)
def test_anything_else_is_none(text: str) -> None:
    assert not invoice.is_invoice_id(text)
    assert not invoice.is_key(text)


@pytest.mark.parametrize("text", ["main", "k", "kiosk-2", "a" * 20])
def test_a_space_is_a_short_lower_case_word(text: str) -> None:
    assert invoice.is_space(text)


@pytest.mark.parametrize("text", ["", "Kiosk", "2kiosk", "a" * 21, "ki:osk", "kiosk\n", "kiösk"])
def test_anything_else_is_no_space(text: str) -> None:
    assert not invoice.is_space(text)


@given(DIGITS, SPACES)
def test_a_key_is_split_into_what_it_was_made_of(invoice_id: str, space: str) -> None:
    key = invoice.make_key(invoice_id, space)

    assert invoice.is_key(key)
    assert invoice.split_key(key) == (space, invoice_id)


@given(st.text(max_size=30))
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    """Who passes a card number where a key belongs must not find it in a log."""
    if not invoice.is_key(text):
        with pytest.raises(ValueError, match=r"^not a transfer's key: give 6 to 15 digits, or \D* 6 to 15 digits$"):
            invoice.split_key(text)


@given(st.integers(0, invoice.SUFFIXES - 1), st.integers(1_500_000_000_000, 4_000_000_000_000))
def test_a_made_id_is_the_banks_day_and_the_suffix(suffix: int, now_ms: int) -> None:
    made = invoice.make_invoice_id(suffix, now_ms)

    assert invoice.is_invoice_id(made)
    assert len(made) == 12
    assert invoice.suffix_of(made) == suffix


def test_the_banks_day_begins_five_hours_before_utc() -> None:
    before, after = 1_763_924_399_999, 1_763_924_400_000  # 2025-11-23 18:59:59.999 and 19:00 UTC

    assert invoice.make_invoice_id(1, before) == "251123000001"
    assert invoice.make_invoice_id(1, after) == "251124000001"


@given(DIGITS, DIGITS, SPACES)
def test_one_suffix_of_a_space_is_one_record(one: str, other: str, space: str) -> None:
    same = invoice.suffix_of(one) == invoice.suffix_of(other)

    assert (
        redis_keys.record(invoice.make_key(one, space)) == redis_keys.record(invoice.make_key(other, space))
    ) == same


def test_the_same_suffix_in_another_space_is_another_record() -> None:
    assert redis_keys.record("kiosk:251124000001") != redis_keys.record("251124000001")
