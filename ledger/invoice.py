"""Invoice ids, and the transfer's key that is made of them.

The bank wants 6 to 15 digits, unique in the last six. A *space* is the scope of that rule: all terminals share one,
unless the bank agrees to a space for a terminal. A transfer's key is its invoice id, or `space:invoice_id` outside the
default space. Nothing here does I/O; the ledger keeps the suffixes that are used.
"""

import re
from datetime import datetime, timedelta, timezone

DEFAULT_SPACE = "main"

#: How many suffixes a space has.
SUFFIXES = 1_000_000

_INVOICE_ID = re.compile(r"[0-9]{6,15}")
_SPACE = re.compile(r"[a-z][a-z0-9-]{0,19}")
_KEY = re.compile(rf"(?:(?P<space>{_SPACE.pattern}):)?(?P<invoice_id>{_INVOICE_ID.pattern})")

#: The bank's time. Kazakhstan has had one time zone, UTC+5 without summer time, since March 2024.
ALMATY = timezone(timedelta(hours=5))


def is_invoice_id(text: str) -> bool:
    return _INVOICE_ID.fullmatch(text) is not None


def is_space(text: str) -> bool:
    return _SPACE.fullmatch(text) is not None


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def make_invoice_id(suffix: int, now_ms: int) -> str:
    """`YYMMDD` of the bank's day, and the six digits: `251124000001`."""
    day = datetime.fromtimestamp(now_ms / 1000, ALMATY)
    return f"{day:%y%m%d}{suffix:06d}"


def make_key(invoice_id: str, space: str) -> str:
    return invoice_id if space == DEFAULT_SPACE else f"{space}:{invoice_id}"


def split_key(key: str) -> tuple[str, str]:
    """A key's space and invoice id. Raises `ValueError` for what is no key."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("not a transfer's key: give 6 to 15 digits, or `space:` and 6 to 15 digits")
    return match["space"] or DEFAULT_SPACE, match["invoice_id"]


def suffix_of(invoice_id: str) -> int:
    return int(invoice_id[-6:])
