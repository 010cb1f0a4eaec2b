"""A short text that is stored in the ledger and shown to people: one line, and no card number in it.

Operators' commands check their own texts by it: so it stands here, and they start without the room of the producers.
"""

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.pasted_text import cleaned


def short_text(text: str) -> str:
    """A word or a sentence for people and logs; may be empty. Raises `ValueError`."""
    text = one_line(text)
    if len(text) > 100:
        raise ValueError("must be at most 100 characters")
    return without_card(text)


def one_line(text: str) -> str:
    """As it is stored and sent. Raises `ValueError` for a line break, a control character, half of a character."""
    line = cleaned(text)
    if not line.isprintable():
        raise ValueError("must be one line of text, without line breaks, tabs and characters that show nothing")
    return line


def without_card(text: str) -> str:
    """The same text. Raises `ValueError` where it holds what looks like a card number."""
    if holds_card_number(text):
        raise ValueError("looks like a card number: those belong into the card fields alone")
    return text
