"""What looks like a card number, and what only happens to be long."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.card_numbers import holds_card_number, passes_luhn


@pytest.mark.parametrize(
    "text",
    [
        "4405639704015096",
        "4405 6397 0401 5096",
        "4405-6397-0401-5096",
        "4405.6397.0401.5096",
        "3775 145000 04820",
        "1234 4405 6397 0401 5096",
        "pan=5522042705066736;",
        "reply4405639704015096",
        "4405\u00a06397\u00a00401\u00a05096",
    ],
)
def test_a_card_number_is_seen_among_other_text(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4405639704015097",
        "1795500000009",
        "20251124123402",
        "4405639704015096deadbeef",
        "251124000001",
        "42 2025-11-24 12:30:15",
        "+7 701 123 45 67",
        "KZ86125KZT5004100100",
        "12345678901234567890",
    ],
)
def test_times_dates_hashes_phones_and_accounts_are_none(text: str) -> None:
    assert not holds_card_number(text)


@given(st.uuids())
def test_no_uuid_is_taken_for_one(value: uuid.UUID) -> None:
    assert not holds_card_number(str(value))
    assert not holds_card_number(f"payout-{value}")


@given(digits=st.text("0123456789", min_size=12, max_size=18))
def test_luhn_knows_one_check_digit_of_ten(digits: str) -> None:
    assert [passes_luhn(digits + check) for check in "0123456789"].count(True) == 1
