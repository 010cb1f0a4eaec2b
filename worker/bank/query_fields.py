"""Reading the query of an address strictly, and only the names that we know: nothing else in it matters.

Pure and total. A description may be in any encoding, or broken: a query is unreadable only for a name that counts.
"""

import re
from urllib.parse import unquote_to_bytes

from epay_transfers.ledger import bank_text
from epay_transfers.worker.bank.contradictions import is_verdict_name
from epay_transfers.worker.bank.json_fields import INVOICE_NAMES

#: By these an answer is believed, or not. Such a name in another case is unreadable, and not overlooked.
_DECISIVE = frozenset({*INVOICE_NAMES, "amount", "currency", "code", "status", "reasonCode"})

#: What is kept, and decides nothing.
_KEPT = frozenset({"id", "reference", "cardid", "message"})

_FOLDED = frozenset(map(str.lower, _DECISIVE))
_WELL_ESCAPED = re.compile("(?:[^%]|%[0-9A-Fa-f]{2})*+")
_MOST_FIELDS = 50


def read_query(query: str) -> dict[str, str] | None:
    """The fields that we know; None where one of them is there twice, or can't be read."""
    pairs = [pair for pair in query.split("&") if pair]
    if len(pairs) > _MOST_FIELDS:
        return None
    fields: dict[str, str] = {}
    for name, raw_value in map(_named, pairs):
        is_known = name in _DECISIVE | _KEPT
        if not is_known and name.lower() in _FOLDED:
            return None
        if not is_known and not is_verdict_name(name):
            continue
        is_exact = is_known and name != "message"
        value = _exact(raw_value) if is_exact else _for_people(raw_value)
        if value is None or name in fields:
            return None
        fields[name] = value
    return fields


def read_kept(query: str) -> dict[str, str]:
    """What is kept for people of a query that may be unreadable; the first of each name."""
    fields: dict[str, str] = {}
    for name, raw_value in map(_named, query.split("&")[:_MOST_FIELDS]):
        if name in _KEPT:
            fields.setdefault(name, _for_people(raw_value))
    return fields


def _named(pair: str) -> tuple[str, str]:
    raw_name, _, raw_value = pair.partition("=")
    return _bytes(raw_name).decode("ascii", "replace"), raw_value


def _bytes(raw: str) -> bytes:
    return unquote_to_bytes(raw.replace("+", " ").encode(errors="replace"))


def _exact(raw: str) -> str | None:
    if not _WELL_ESCAPED.fullmatch(raw):
        return None
    try:
        return _bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def _for_people(raw: str) -> str:
    """A message that can't be read exactly is no reason to doubt."""
    return bank_text.decoded(_bytes(raw))
