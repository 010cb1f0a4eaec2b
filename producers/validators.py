"""What a single text of an intent must be: pure checks, text in, text out, `ValueError` with a sentence otherwise.

A text for people and a card number are taken as they were pasted, and cleaned (`ledger.pasted_text`): so a replay that
was typed is the same intent. A date and a code lose blanks alone. Ids and addresses are taken as they are, or refused.

No sentence holds the text. What goes to the ledger may not look like a card number; what goes to the vault may.
"""

import ipaddress
import re
from functools import lru_cache

from epay_transfers.ledger.card_numbers import holds_card_number, passes_luhn
from epay_transfers.ledger.pasted_text import cleaned, without_separators
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.short_texts import one_line, without_card

DESCRIPTION_BYTES = 125
LINK_LENGTH = 512

_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NUMBER = re.compile(r"[0-9]{12,19}")
_EXPIRY = re.compile(r"(0[1-9]|1[0-2])/?([0-9]{2})")
_CVC = re.compile(r"[0-9]{3,4}")
_CARD_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_COUNTRY = re.compile(r"[A-Za-z]{2,3}")


# What goes to the ledger.


REFERENCE_IS = "must be 1 to 64 Latin letters, digits 0 to 9, dots, dashes, colons or underscores"


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(REFERENCE_IS)
    return without_card(text)


def description(text: str) -> str:
    text = one_line(text)
    if not 1 <= len(text.encode()) <= DESCRIPTION_BYTES:
        raise ValueError(f"must be 1 to {DESCRIPTION_BYTES} bytes of UTF-8 (62 Cyrillic letters)")
    return without_card(text)


@lru_cache(maxsize=64)
def link(text: str) -> str:
    """An https address, or nothing. A backend gives the same few again and again: what was found is kept."""
    if not text:
        return text
    if not is_safe_url(text, plain_on_loopback=False):
        raise ValueError("must be a whole https:// address in ASCII, without a user in it, or empty")
    if len(text) > LINK_LENGTH:
        raise ValueError(f"must be at most {LINK_LENGTH} characters")
    return without_card(text)


# What goes to the vault.


def card_number(text: str) -> str:
    digits = without_separators(text)
    if not _NUMBER.fullmatch(digits):
        raise ValueError("must be 12 to 19 digits 0 to 9; blanks and dashes may be between them")
    if not passes_luhn(digits):
        raise ValueError("is not a card number: its check digit is wrong")
    return digits


def card_id(text: str) -> str:
    if not _CARD_ID.fullmatch(text):
        raise ValueError("must be the id that the bank gave to a saved card: up to 64 Latin letters, digits and dashes")
    if holds_card_number(text):
        raise ValueError("is a card number: give it as `number`")
    return text


def expiry(text: str) -> str:
    """`MM/YY`. Whether it is past is the bank's to say."""
    match = _EXPIRY.fullmatch(cleaned(text).replace(" ", ""))
    if match is None:
        raise ValueError("must be MM/YY, the month from 01 to 12")
    return f"{match[1]}/{match[2]}"


def cvc(text: str) -> str:
    digits = cleaned(text).strip(" ")
    if not _CVC.fullmatch(digits):
        raise ValueError("must be 3 or 4 digits 0 to 9")
    return digits


def holder(text: str) -> str:
    if not cleaned(text).strip():
        raise ValueError("must be the holder's name, as on the card")
    return personal(text)


def personal(text: str) -> str:
    """A name or an address; may be empty."""
    text = one_line(text)
    if len(text) > 128:
        raise ValueError("must be at most 128 characters")
    return text


def country_code(text: str) -> str:
    if text and not _COUNTRY.fullmatch(text):
        raise ValueError("must be a country's code of 2 or 3 Latin letters")
    return text


def ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else text
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address, or empty") from None


def email(text: str) -> str:
    name, _, host = text.partition("@")
    odd = not (name and host) or "@" in host or len(text) > 254 or " " in text or not text.isprintable()
    if text and odd:
        raise ValueError("must be an e-mail address, or empty")
    return text
