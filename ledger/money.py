"""Money: an integer of minor units inside, a `Decimal` for callers and the bank, never a float.

15000 KZT is `amount_minor=1_500_000`. The table of currencies holds those that the bank's P2P page names.
"""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation

#: Digits after the point, by ISO 4217 code. The bank's page shows only KZT; the others are for transfers abroad.
EXPONENTS = {"KZT": 2, "USD": 2, "EUR": 2, "RUB": 2}

#: The largest amount that is accepted: 10^13 minor units. Lua's numbers are exact up to 9 * 10^15, sums included.
MAX_MINOR = 10**13

#: Decimal's default context would silently round an amount of more than 28 digits.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def to_minor(amount: Decimal | int | str, currency: str) -> int:
    """`"15000.50"` → `1500050`. Raises `ValueError`, with a sentence, if the amount can't be paid."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise ValueError(f"unknown currency: give one of {', '.join(sorted(EXPONENTS))}")
    if isinstance(amount, (bool, float)):
        raise ValueError("must be a Decimal, an int or a string: a float is not exact")  # noqa: TRY004 - one error type
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError("must be a number, like 15000 or 15000.50") from None
    if not value.is_finite() or value <= 0:
        raise ValueError("must be more than 0")
    if value > MAX_MINOR:  # before it is scaled, which overflows for the largest numbers that a Decimal holds
        raise ValueError("is more than this system moves in one transfer")
    minor = value.scaleb(exponent, _EXACT)
    if minor != minor.to_integral_value():
        raise ValueError(f"has more than {exponent} decimals")
    if minor > MAX_MINOR:
        raise ValueError("is more than this system moves in one transfer")
    return int(minor)


def to_decimal(amount_minor: int, currency: str) -> Decimal:
    """`1500050` → `Decimal("15000.50")`."""
    return Decimal(amount_minor).scaleb(-EXPONENTS[currency])
