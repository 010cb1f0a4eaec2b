"""Parsing the bank's responses to the confirm call (contract section 4): an address, or JSON. None is followed.

Pure and total. "Redirect, Http code 200" allows a `Location`, a page and JSON with the address in it; all are read
alike. Paid is said only by a whole address that names our invoice, amount and currency, with nothing beside it that
says otherwise.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.json_fields import (
    Fields,
    code_of,
    decode,
    mismatch,
    mismatch_if_named,
    read_object,
    text,
    why_not_read,
    word,
)
from epay_transfers.worker.bank.order import CONFIRM_PAGES_HOST, Order, host_and_port
from epay_transfers.worker.bank.outcome import Declined, Paid, Response, Unclear
from epay_transfers.worker.bank.parse_challenge import wants_3ds
from epay_transfers.worker.bank.parse_verdict import may_be_definitive, read_verdict, unclear, why_not_the_banks
from epay_transfers.worker.bank.query_fields import read_query

#: In HTML. A general unescape would read `&currency=` as a currency sign and `cy=`.
_AMPERSAND = re.compile(r"\\u0026|&amp;|&#38;|&#x26;", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\x00-\x20\"'<>\\]+", re.IGNORECASE)


def read_confirm(
    order: Order,
    response: Response,
    *,
    paid_words: Collection[str] = PAID_WORDS,
    hosts: Collection[str] = (),
) -> Paid | Declined | Unclear:
    """The outcome of a confirm call. `hosts`: of the configured addresses, beside that of the documented pages."""
    confirm = _Confirm(order, response, paid_words, frozenset({CONFIRM_PAGES_HOST, *hosts}))
    if response.location and (300 <= response.status < 400 or response.status == 200):
        return confirm.read_location()
    if response.status == 200 and confirm.fields is None:
        return confirm.read_page()
    if confirm.fields is None or not may_be_definitive(response):
        return unclear(order, response, why_not_the_banks(response), confirm.fields)
    return confirm.read_json(confirm.fields)


class _Place(Enum):
    """Where an address leads."""

    SUCCESS = auto()
    FAILURE = auto()
    BACK_LINK = auto()
    FAILURE_BACK_LINK = auto()
    FOREIGN_HOST = auto()
    ODD = auto()


@dataclass(frozen=True, slots=True)
class _Confirm:
    """One response to one order's confirm."""

    order: Order
    response: Response
    paid_words: Collection[str]
    hosts: frozenset[str]
    fields: Fields | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", read_object(self.response.body))

    def read_location(self) -> Paid | Declined | Unclear:
        if self.fields and wants_3ds(self.fields):
            return self._unclear("challenge_again", self.fields)
        outcome = self._read_address(self.response.location, may_be_link=True)
        return self._with_fields(outcome, self.fields) if self.fields else outcome

    def read_page(self) -> Paid | Declined | Unclear:
        """An address in the body: plain, in JSON quotes, or in HTML."""
        if decode(self.response.body).lstrip().startswith(("{", "[")):
            return self._unclear("not_json")  # a name twice, say: an address in it is no whole answer
        quoted = _read_string(self.response.body)
        found = _addresses_in_text(_text_of(self.response.body) if quoted is None else quoted)
        if len(found) != 1:
            return self._unclear("two_addresses" if found else why_not_read(self.response.body))
        if quoted is None and not self.response.framed:
            return self._unclear("unframed")  # the end of the body may be missing, with a digit of the amount
        return self._read_address(found[0])

    def read_json(self, fields: Fields) -> Paid | Declined | Unclear:
        """The forms of the transfer's answer, or an object with one address. What cuts an object makes it no JSON."""
        if wants_3ds(fields):
            return self._unclear("challenge_again", fields)
        verdict = read_verdict(self.order, self.response, fields, paid_words=self.paid_words)
        addresses = _addresses_in_object(fields)
        if not addresses or self.response.status != 200:
            return verdict
        if isinstance(verdict, Paid | Declined):
            other = _Place.FAILURE if isinstance(verdict, Paid) else _Place.SUCCESS
            is_denied = any(self._place(address)[0] is other for address in addresses)
            return self._unclear("contradiction", fields) if is_denied else verdict
        if code_of(fields) not in {"", "0"} or not addresses <= set(_texts(fields)):
            return verdict
        if len(addresses) > 1:
            return self._unclear("two_addresses", fields)
        return self._with_fields(self._read_address(*addresses), fields)

    def _with_fields(self, outcome: Paid | Declined | Unclear, fields: Fields) -> Paid | Declined | Unclear:
        """An address, and the object that it stands in or that came with it: both must say the same."""
        if isinstance(outcome, Unclear):
            return outcome
        for each in _objects(fields):
            if strange := mismatch_if_named(self.order, each):
                return self._unclear(strange, fields)
            if _says_no(each) if isinstance(outcome, Paid) else _says_yes(each):
                return self._unclear("contradiction", fields)
        return outcome

    def _read_address(self, address: str, *, may_be_link: bool = False) -> Paid | Declined | Unclear:
        """Only the query is read. The order's own links count in a `Location` alone: a page may show them."""
        place, query = self._place(address)
        if place in {_Place.BACK_LINK, _Place.FAILURE_BACK_LINK} and not may_be_link:
            place = _Place.FOREIGN_HOST
        fields = read_query(query)
        if fields is None or place is _Place.ODD:
            return self._unclear("odd_address", fields)
        if place is _Place.FOREIGN_HOST:
            return self._unclear("foreign_address", fields)
        if place is _Place.FAILURE_BACK_LINK:
            return self._unclear("failure_link", fields)  # not documented: neither a decline nor a payment
        if place is _Place.FAILURE:
            if code_of(fields) == "0":
                return self._unclear("contradiction", fields)
            return read_verdict(self.order, self.response, fields, paid_words=self.paid_words)
        return self._read_success(fields)

    def _read_success(self, fields: Fields) -> Paid | Unclear:
        if _says_no(fields):
            return self._unclear("contradiction", fields)
        if strange := mismatch(self.order, fields, money=True):
            return self._unclear(strange, fields)
        if "AUTH" not in self.paid_words:  # the page names no status, and AUTH is the first of the two
            return self._unclear("status_not_counted", fields)
        return Paid(reference=word(fields, "reference"), sender_card_id=word(fields, "cardid"))

    def _place(self, address: str) -> tuple[_Place, str]:
        """Where the address leads, and the query that the bank gave it."""
        order = self.order
        if (query := _added_to(order.failure_back_link, address)) is not None:
            return _Place.FAILURE_BACK_LINK, query
        base, _, query = address.partition("?")
        if not is_safe_url(base):  # the query may hold a description in any encoding
            return _Place.ODD, query
        parts = urlsplit(base)
        is_banks = host_and_port(base) in self.hosts
        if is_banks and parts.path == "/payform/success.html":
            return _Place.SUCCESS, query
        if is_banks and parts.path in {"/payform", "/payform/"}:
            return _Place.FAILURE, query
        added = _added_to(order.back_link, address)
        if added is not None:
            return self._back_link(), added
        return (_Place.ODD if is_banks else _Place.FOREIGN_HOST), query

    def _back_link(self) -> _Place:
        """The order's own link counts where it is no failure's, and says nothing of an order by itself."""
        order = self.order
        if _normal(order.back_link) == _normal(order.failure_back_link):
            return _Place.FAILURE_BACK_LINK
        own = read_query(order.back_link.partition("?")[2])
        return _Place.BACK_LINK if own == {} else _Place.ODD

    def _unclear(self, why: str, fields: Fields | None = None) -> Unclear:
        return unclear(self.order, self.response, why, fields)


def _added_to(link: str, address: str) -> str | None:
    """The query that was added to a link of the order; None where the address is not that link."""
    if not link or "#" in link:
        return None
    if address == link:
        return ""
    start = link + ("&" if "?" in link else "?")
    return address.removeprefix(start) if address.startswith(start) else None


def _normal(link: str) -> str:
    """Two links that differ by a slash or by case alone are one address to some servers."""
    base, _, query = link.partition("?")
    return f"{base.lower().rstrip('/')}?{query}"


def _read_string(body: bytes) -> str | None:
    """A body that is one JSON string."""
    try:
        found = json.loads(decode(body))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _text_of(body: bytes) -> str:
    """A page may be in windows-1251. A body that is no page and no UTF-8 is none of the bank's."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return decode(body) if body.lstrip().startswith(b"<") else ""


def _addresses_in_text(text: str) -> list[str]:
    """Every different address with a query: plain, in JSON quotes, or in HTML."""
    unquoted = _AMPERSAND.sub("&", text.replace(r"\/", "/"))
    return sorted({address for address in _ADDRESS.findall(unquoted) if "?" in address})


def _addresses_in_object(fields: Fields) -> set[str]:
    """Every different value that is an address, at any depth."""
    texts = (text for each in _objects(fields) for text in _texts(each))
    return {text for text in texts if text.lower().startswith(("https://", "http://"))}


def _objects(fields: Fields) -> Iterator[Fields]:
    """The object and all objects in it."""
    waiting: list[Any] = [fields]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _texts(fields: Fields) -> Iterator[str]:
    """The object's own values that are text, also in a list."""
    for value in fields.values():
        yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))


def _says_no(fields: Fields) -> bool:
    """A code, an error or a status that is not a payment's."""
    for name, value in fields.items():
        folded, is_there = name.lower(), value not in (None, "", False)
        is_zero = str(value).strip().strip("0") == ""
        if is_there and ("code" in folded or "error" in folded) and not is_zero:
            return True
        if is_there and folded in {"status", "statusname"} and value not in PAID_WORDS:
            return True
        if folded in {"success", "ok"} and value is False:
            return True
    return False


def _says_yes(fields: Fields) -> bool:
    return code_of(fields) == "0" or text(fields, "status") in PAID_WORDS
