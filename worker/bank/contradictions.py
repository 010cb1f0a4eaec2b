"""What in an answer of the bank says that money moved, or that it did not, beside the fields that decide.

Pure and total. Names are read without case, by a table: a name that is not in it says nothing. Whatever disagrees puts
the answer in doubt; nothing here makes one paid or declined.
"""

import re
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.json_fields import Fields, folded, objects

_CODES = frozenset({"code", "reasoncode", "errorcode", "resultcode", "responsecode"})
_ERRORS = frozenset({"error", "errors"})
_STATUSES = frozenset({"status", "statusname"})
_SUCCESSES = frozenset({"success", "ok"})
_FAILURES = frozenset({"failed", "failure", "declined", "rejected"})
_RESULTS = frozenset({"result", "outcome"})

_CODES_AND_ERRORS = _CODES | _ERRORS
_SUCCESSES_AND_RESULTS = _SUCCESSES | _RESULTS
_VERDICTS = _STATUSES | _SUCCESSES | _FAILURES | _RESULTS
_ALL = _CODES_AND_ERRORS | _VERDICTS

_TRUE = frozenset({"true", "1", "yes", "ok"})
_FALSE = frozenset({"false", "0", "no"})
_REFUSED = _FALSE | {"error", "fail", "failed", "failure", "declined", "rejected"}


def is_verdict_name(name: str) -> bool:
    """May a field of this name say how it ended? In an address, every name with `code` or `error` in it may."""
    folded = name.lower()
    return "code" in folded or "error" in folded or folded in _VERDICTS


def denies_payment(fields: Fields, paid_words: Collection[str], *, is_wide: bool, is_inner: bool = False) -> bool:
    """Does one object hold a code, an error or a status that is not a payment's?

    `is_wide`: by `is_verdict_name`, for what names no code of its own. Else by the table, since the success form has
    many fields. `is_inner`: an object inside another, where `code` may be a country's.
    """
    for name, value in folded(fields):
        is_code = name in _CODES_AND_ERRORS or (is_wide and ("code" in name or "error" in name))
        if not is_code and name not in _ALL:
            continue
        if name in _SUCCESSES_AND_RESULTS and _plain(value).lower() in _REFUSED:
            return True
        if not _is_there(value):
            continue
        is_number = re.fullmatch("[0-9-]+", _plain(value)) is not None
        if is_code and not _is_zero(value) and (is_wide or is_number or not is_inner or name in _ERRORS):
            return True
        if name in _STATUSES and not (isinstance(value, str) and value in paid_words):
            return True
        if name in _FAILURES and not _is_false(value):
            return True
    return False


def denies_payment_anywhere(fields: Fields, paid_words: Collection[str]) -> bool:
    """The same by the table, at any depth."""
    return any(denies_payment(each, paid_words, is_wide=False, is_inner=each is not fields) for each in objects(fields))


def tells_payment(fields: Fields) -> bool:
    """Does it hold a word of payment, at any depth: a paid status in any case, a code 0, or a success?"""
    for each in objects(fields):
        for name, value in folded(each):
            if name in _STATUSES and _plain(value).upper() in PAID_WORDS:
                return True
            if name in _CODES and not isinstance(value, bool) and _plain(value) and _is_zero(value):
                return True
            if name in _SUCCESSES and _plain(value).lower() in _TRUE:
                return True
    return False


def _plain(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | Decimal) else ""


def _is_there(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [], {})


def _is_zero(value: Any) -> bool:
    return str(value).strip().strip("0") == ""


def _is_false(value: Any) -> bool:
    return _plain(value).lower() in _FALSE
