"""Money is exact, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.money import EXPONENTS, MAX_MINOR, to_decimal, to_minor

CURRENCIES = st.sampled_from(sorted(EXPONENTS))


@given(st.integers(1, MAX_MINOR), CURRENCIES)
def test_minor_units_come_back_as_they_went(minor: int, currency: str) -> None:
    amount = to_decimal(minor, currency)

    assert to_minor(amount, currency) == minor
    assert to_minor(str(amount), currency) == minor
    assert amount.as_tuple().exponent == -EXPONENTS[currency]


@given(st.integers(1, 10**11), CURRENCIES)
def test_whole_units_are_hundreds_of_minor_ones(units: int, currency: str) -> None:
    assert to_minor(units, currency) == units * 100


@given(st.decimals(min_value="0.001", max_value=10**11, places=3), CURRENCIES)
def test_a_third_decimal_is_refused_unless_it_is_zero(amount: Decimal, currency: str) -> None:
    if amount * 1000 % 10:
        with pytest.raises(ValueError, match="more than 2 decimals"):
            to_minor(amount, currency)
    else:
        assert to_decimal(to_minor(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("amount", "minor"), [("15000", 1_500_000), ("15000.5", 1_500_050), ("0.01", 1), (1, 100), (Decimal("1.10"), 110)]
)
def test_examples(amount: Decimal | int | str, minor: int) -> None:
    assert to_minor(amount, "KZT") == minor


@pytest.mark.parametrize("amount", [1.0, 0.1, float("nan"), True, False])
def test_floats_and_booleans_are_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="a float is not exact"):
        to_minor(amount, "KZT")  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("amount", [0, -1, "-0.01", "0.00", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_an_amount_is_more_than_nothing(amount: int | str) -> None:
    with pytest.raises(ValueError, match="must be more than 0"):
        to_minor(amount, "KZT")


@pytest.mark.parametrize("amount", ["", "ten", "1,5", "1.2.3", "0x10"])
def test_what_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        to_minor(amount, "KZT")


def test_more_than_lua_can_count_is_refused() -> None:
    with pytest.raises(ValueError, match="more than this system moves"):
        to_minor(to_decimal(MAX_MINOR, "KZT") + Decimal("0.01"), "KZT")


@pytest.mark.parametrize("currency", ["", "kzt", "JPY", "KZT "])
def test_an_unknown_currency_is_refused_by_naming_the_known_ones(currency: str) -> None:
    with pytest.raises(ValueError, match="give one of EUR, KZT, RUB, USD"):
        to_minor(1, currency)


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        ("15000.500000000000000000000000000001", "more than 2 decimals"),
        ("0.0100000000000000000000000000000000001", "more than 2 decimals"),
        ("1e-999999", "more than 2 decimals"),
        ("1e999999", "more than this system moves"),
        ("1e999999999999999999", "more than this system moves"),
        ("1e-999999999999999999", "has more than 2 decimals"),
    ],
)
def test_no_amount_is_so_long_that_it_is_rounded(amount: str, why: str) -> None:
    """Decimal's own context has 28 digits, and rounds what is longer without a word."""
    with pytest.raises(ValueError, match=why):
        to_minor(amount, "KZT")
