"""Masking what the bank sends before we store it: first six and last four digits of a card, messages without cards.

Pure and total: for any input, nothing more comes out.
"""

import re

from epay_transfers.ledger.card_numbers import star_card_numbers

MESSAGE_LIMIT = 200

_MASKED = re.compile(r"([0-9]*)[^0-9].*?([0-9]*)", re.DOTALL)


def mask_card(raw: str) -> str:
    """`4405639704015096`, or the bank's own mask of it → `440563******5096`."""
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
    """The bank's message for people: printable, short, and with stars for every number that could be a card's."""
    if not isinstance(raw, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in raw if char.isprintable() or char.isspace())
    return star_card_numbers(printable, invoice_id).strip()[:MESSAGE_LIMIT]
