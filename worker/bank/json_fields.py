"""Reading a JSON body of the bank strictly: one object, and the few fields that we know.

Pure and total: no input raises. A field of a wrong form reads as absent; the caller decides what absence means.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from epay_transfers.ledger.money import to_decimal
from epay_transfers.worker.bank.order import Order

#: The bank's pages spell the invoice in each of these ways.
INVOICE_NAMES = ("orderID", "orderId", "invoiceID", "invoiceId")

Fields = Mapping[str, Any]


def read_object(body: bytes) -> dict[str, Any] | None:
    """One JSON object, no name twice, no NaN, no number that could not be money or a code; or None."""
    try:
        found = json.loads(
            decode(body),
            object_pairs_hook=_no_name_twice,
            parse_constant=_refuse,
            parse_int=_small_int,
            parse_float=_small_decimal,
        )
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def decode(body: bytes) -> str:
    """UTF-8, or windows-1251, as pages of the bank are. What decides is ASCII in both; a description decides nothing.

    Such a body has ASCII's signs in ASCII's places alone, so its JSON can't be read in two ways.
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1251", "replace")


def why_not_read(body: bytes) -> str:
    """Our word for why `read_object` returned None for a body."""
    if not body.strip():
        return "empty"
    return "html" if body.lstrip().startswith(b"<") else "not_json"


def word(fields: Fields, *names: str, limit: int = 128) -> str:
    """A short printable ASCII string, an id or a reference. If several of the names are there, they must agree."""
    value = text(fields, *names, limit=limit)
    return value if value.isprintable() else ""


def bank_id_of(fields: Fields) -> str:
    """The bank's own id of a transfer; an id of nothing but zeros counts as none."""
    value = word(fields, "id")
    return value if re.search("[1-9A-Za-z]", value) else ""


def text(fields: Fields, *names: str, limit: int = 65536) -> str:
    """An ASCII string, or empty."""
    found = {fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]}
    value = found.pop() if len(found) == 1 else ""
    return value if value.isascii() and len(value) <= limit else ""


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
    if not named:
        return "no_invoice"
    if any(_plain(value) != order.invoice_id for value in named):
        return "foreign_invoice"
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
        value = fields.get(name)
        if _is_absent(value):
            if required:
                return f"no_{name}"
        elif not is_ours(value):
            return f"foreign_{name}"
    return ""


def amount_of(value: Any) -> Decimal | None:
    """`100`, `100.5`, `"100.50"` → a Decimal; anything else is no amount."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
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


def _small_int(digits: str) -> int:
    return int(_small(digits))


def _small_decimal(digits: str) -> Decimal:
    try:
        return Decimal(_small(digits))
    except InvalidOperation:
        raise ValueError("an exponent beyond measure") from None


def _small(digits: str) -> str:
    if len(digits) > 40:
        raise ValueError("a huge number")
    return digits


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("not a number")
