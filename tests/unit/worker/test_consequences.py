"""What an answer means beyond its transfer: until when a terminal stops, and when the bank's day begins."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.invoice import make_invoice_id
from epay_transfers.ledger.limits import Day

ALMATY = ZoneInfo("Asia/Almaty")


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2026-11-24T00:00:00+05:00", "2026-11-25T00:00:00+05:00"),
        ("2026-11-24T23:59:59.999+05:00", "2026-11-25T00:00:00+05:00"),
        ("2026-11-24T18:59:59.999+00:00", "2026-11-25T00:00:00+05:00"),
        ("2026-11-24T19:00:00+00:00", "2026-11-26T00:00:00+05:00"),
        ("2026-12-31T12:00:00+05:00", "2027-01-01T00:00:00+05:00"),
    ],
)
def test_the_banks_next_day(now: str, midnight: str) -> None:
    assert next_day_ms(ms(now)) == ms(midnight)


@given(st.integers(ms_2026 := 1_767_225_600_000, ms_2026 + 10 * 366 * 86_400_000))
def test_it_is_a_midnight_in_almaty_within_a_day(now_ms: int) -> None:
    """By the zone's own rules, since it has had one time: UTC+5, and no summer time."""
    at_ms = next_day_ms(now_ms)
    there = datetime.fromtimestamp(at_ms / 1000, ALMATY)

    assert 0 < at_ms - now_ms <= 86_400_000
    assert (there.hour, there.minute, there.second, there.microsecond) == (0, 0, 0, 0)


@given(st.integers(ms_2026, ms_2026 + 10 * 366 * 86_400_000))
def test_an_invoice_ids_day_changes_when_a_terminals_stop_ends(now_ms: int) -> None:
    """The bank's day is one thing: the day in an invoice id, and the midnight at which a terminal opens again."""
    midnight_ms = next_day_ms(now_ms)
    today = make_invoice_id(1, now_ms)

    assert make_invoice_id(1, midnight_ms - 1) == today
    assert make_invoice_id(1, midnight_ms) > today


@given(st.integers(ms_2026, ms_2026 + 10 * 366 * 86_400_000))
def test_a_day_has_the_name_of_its_date_in_almaty(now_ms: int) -> None:
    """Its counts stand under that name, and the next day's under another."""
    day = Day.of(now_ms)

    assert day.name == f"{datetime.fromtimestamp(now_ms / 1000, ALMATY):%Y%m%d}"
    assert Day.of(day.ends_ms - 1) == day
    assert Day.of(day.ends_ms).name > day.name


def next_day_ms(now_ms: int) -> int:
    return Day.of(now_ms).ends_ms


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
