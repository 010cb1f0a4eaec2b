"""Amounts as the sandbox bank reads them: a `Decimal`, never a float.

A JSON number keeps its digits on the way in (`contract.parse`) and on the way out (`answers.encode`).
"""

from decimal import Decimal, InvalidOperation

#: The largest amount that this bank moves at once.
LARGEST = Decimal(10) ** 11

_TIYN = Decimal("0.01")


def problem(amount: Decimal) -> str:
    """What is wrong with an amount, in words; empty if nothing is."""
    if not amount.is_finite() or amount <= 0:
        return "must be more than 0"
    if amount > LARGEST:
        return "is more than this bank moves at once"
    if amount != amount.quantize(_TIYN):
        return "has more than 2 decimals"
    return ""


def from_text(text: str) -> Decimal | None:
    """A token's amount, `"100"` or `"100.50"`; None for anything else: no sign, no exponent, no blanks."""
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def plain(amount: Decimal) -> str:
    """`100` or `100.5`: without an exponent and without trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
