"""Reading a JSON body of the bank strictly: one object, and the few fields that we know.

Pure and total: no input raises. A field of a wrong form reads as absent; the caller decides what absence means.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from epay_transfers.ledger import bank_text
from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.money import to_decimal
from epay_transfers.worker.bank.order import Order

#: The bank's pages spell the invoice in each of these ways.
INVOICE_NAMES = ("orderID", "orderId", "invoiceID", "invoiceId")

Fields = Mapping[str, Any]

#: What the decoder makes of what is not a single value.
_NESTED = frozenset({dict, list})

#: A number that is none, or too large to be money or a code: it equals nothing, so it counts only where it is read.
_NO_NUMBER = Decimal("NaN")
_MOST_DIGITS = 40


def read_object(body: bytes) -> dict[str, Any] | None:
    """One JSON object, no name twice; or None.

    A control character in a string, NaN and a number beyond measure are no reason to refuse the rest.
    """
    try:
        found = _JSON.decode(decode(body))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def decode(body: bytes) -> str:
    """As the bank writes. A body in windows-1251 has ASCII's signs in ASCII's places alone, so its JSON can't be read
    in two ways.
    """
    return bank_text.decoded(body).removeprefix("\ufeff")


def why_not_read(body: bytes) -> str:
    """Our word for why `read_object` returned None for a body."""
    if not body.strip():
        return "empty"
    return "html" if body.lstrip().startswith(b"<") else "not_json"


def objects(fields: Fields) -> list[Fields]:
    """The object first, and then all objects in it."""
    waiting: list[Any] = [fields]
    for found in waiting:
        within = found.values() if type(found) is dict else found
        waiting += [value for value in within if type(value) in _NESTED]
    return [found for found in waiting if type(found) is dict]


def folded(fields: Fields) -> Iterator[tuple[str, Any]]:
    """The fields, with their names in small letters: where names are read without case, all spellings count."""
    return zip(map(str.lower, fields), fields.values(), strict=True)


def printable(fields: Fields, name: str, *, limit: int = 128) -> str:
    """A short printable ASCII string as it is. What is kept of it goes through `word` or `whole_word`."""
    value = text(fields, name, limit=limit)
    return value if value.isprintable() else ""


def word(fields: Fields, name: str, *, limit: int = 128) -> str:
    """A reference or the like, with stars for what could be a card number."""
    return star_card_numbers(printable(fields, name, limit=limit))


def whole_word(fields: Fields, name: str, *, limit: int = 128) -> str:
    """An id or the like, which is of no use with stars in it: what could hold a card number is dropped."""
    value = printable(fields, name, limit=limit)
    return value if star_card_numbers(value) == value else ""


def bank_id_of(fields: Fields) -> str:
    """The bank's own id of a transfer; an id of nothing but zeros counts as none."""
    value = whole_word(fields, "id")
    return value if re.search("[1-9A-Za-z]", value) else ""


def text(fields: Fields, name: str, *, limit: int = 65536) -> str:
    """An ASCII string, or empty."""
    value = fields.get(name)
    return value if isinstance(value, str) and value.isascii() and len(value) <= limit else ""


def code_of(fields: Fields, name: str = "code") -> str:
    """`487`, `"487"` and `" 487 "` are the same code; anything but a small integer is no code."""
    value = fields.get(name)
    if not isinstance(value, int | str):
        return ""
    digits = str(value).strip()
    return digits if re.fullmatch("0|-?[1-9][0-9]{0,5}", digits) else ""


def mismatch(order: Order, fields: Fields, *, money: bool) -> str:
    """Why this body is not about our order, in a word; empty if it is.

    The invoice id is always required. Amount and currency are required if `money` moved; otherwise they may be absent,
    but not differ.
    """
    named = [fields[name] for name in INVOICE_NAMES if not _is_absent(fields.get(name))]
    if any(_plain(value) != order.invoice_id for value in spelled(fields, "orderid", "invoiceid")):
        return "foreign_invoice"
    if not named:
        return "no_invoice"
    return money_mismatch(order, fields, required=money)


def mismatch_if_named(order: Order, fields: Fields) -> str:
    """As `mismatch`, of a body that need not name an order: what it names must be ours."""
    strange = mismatch(order, fields, money=False)
    return money_mismatch(order, fields, required=False) if strange == "no_invoice" else strange


def money_mismatch(order: Order, fields: Fields, *, required: bool) -> str:
    for name, is_ours in (
        ("amount", lambda value: amount_of(value) == to_decimal(order.amount_minor, order.currency)),
        ("currency", lambda value: value == order.currency),
    ):
        if required and _is_absent(fields.get(name)):
            return f"no_{name}"
        if not all(map(is_ours, spelled(fields, name))):
            return f"foreign_{name}"
    return ""


def spelled(fields: Fields, *names: str) -> list[Any]:
    """Every value under these names in any case: two that differ are never read as the better one."""
    return [value for name, value in folded(fields) if name in names and not _is_absent(value)]


def amount_of(value: Any) -> Decimal | None:
    """`100`, `100.5`, `"100.50"` → a Decimal; anything else is no amount."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value) if Decimal(value).is_finite() else None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,4})?", value.strip(" ")):
        return Decimal(value.strip(" "))
    return None


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _plain(value: Any) -> str:
    """An invoice as a number has lost its leading zeros, and then it is not ours."""
    return str(value) if isinstance(value, int | str) else ""


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name twice")
    return fields


def _small_int(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MOST_DIGITS else _NO_NUMBER


def _small_decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits) if len(digits) <= _MOST_DIGITS else _NO_NUMBER
    except InvalidOperation:  # an exponent beyond measure
        return _NO_NUMBER


_JSON = json.JSONDecoder(
    object_pairs_hook=_no_name_twice,
    parse_constant=lambda _: _NO_NUMBER,
    parse_int=_small_int,
    parse_float=_small_decimal,
    strict=False,
)
