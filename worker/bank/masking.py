"""What of the bank's own words may be kept: a card's first six and last four digits, a message without card numbers.

Pure, and total: whatever string comes in, no more than that comes out.
"""

import re

MESSAGE_LIMIT = 200

_LONG_NUMBER = re.compile(r"\d(?:[ .-]{0,3}\d){12,}")
_MASKED = re.compile(r"([0-9]*)[^0-9].*?([0-9]*)", re.DOTALL)


def mask_card(raw: str) -> str:
    """`4405639704015096` or any mask of it → `440563******5096`, whatever the bank left visible."""
    compact = re.sub(r"[\s-]", "", raw)
    if not 8 <= len(compact) <= 32:
        return ""
    if re.fullmatch("[0-9]{13,}", compact):
        first, last = compact[:6], compact[-4:]
    elif found := _MASKED.fullmatch(compact):
        first, last = found[1][:6], found[2][-4:]
    else:
        return ""
    return f"{first}{'*' * (min(len(compact), 19) - len(first) - len(last))}{last}" if first or last else ""


def clean_message(raw: object, *, invoice_id: str) -> str:
    """The bank's sentence, if it is one: printable, short, and with every number that could be a card's starred."""
    if not isinstance(raw, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in raw if char.isprintable() or char.isspace())
    ours = re.compile(rf"(?<!\d)({re.escape(invoice_id)})(?!\d)")
    pieces = ours.split(printable) if invoice_id else [printable]
    starred = (piece if piece == invoice_id else _LONG_NUMBER.sub(_star, piece) for piece in pieces)
    return "".join(starred).strip()[:MESSAGE_LIMIT]


def _star(found: re.Match[str]) -> str:
    digits = "".join(char for char in found[0] if char.isdecimal())
    return re.sub(r"\d", "*", found[0]) if _holds_card(digits) else found[0]


def _holds_card(digits: str) -> bool:
    """Is there a card number in this row of digits, at any place in it?"""
    if len(digits) > 100:
        return True
    return any(
        passes_luhn(digits[start : start + size]) for size in range(13, 20) for start in range(len(digits) - size + 1)
    )


def passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
