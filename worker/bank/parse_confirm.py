"""Parsing the bank's responses to the confirm call (contract section 4): an address, or JSON. None is followed.

Pure and total. "Redirect, Http code 200" allows a `Location`, a page and JSON with the address in it; all are read
alike. Paid is said only by a whole address that names our invoice, amount and currency, with nothing beside it that
says otherwise.
"""

import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import unquote, urlsplit

from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.contradictions import denies_payment, tells_payment
from epay_transfers.worker.bank.json_fields import (
    Fields,
    code_of,
    decode,
    mismatch,
    mismatch_if_named,
    objects,
    read_object,
    whole_word,
    why_not_read,
    word,
)
from epay_transfers.worker.bank.order import CONFIRM_PAGES_HOST, Order, host_and_port
from epay_transfers.worker.bank.outcome import Declined, Paid, Response, Unclear
from epay_transfers.worker.bank.parse_challenge import wants_3ds
from epay_transfers.worker.bank.parse_verdict import may_be_definitive, read_verdict, unclear, why_not_the_banks
from epay_transfers.worker.bank.query_fields import read_kept, read_query

#: In HTML. A general unescape would read `&currency=` as a currency sign and `cy=`.
_AMPERSAND = re.compile(r"\\u0026|&amp;|&#38;|&#x26;", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\x00-\x20\"'<>\\]+", re.IGNORECASE)

_ANY = rf"(?P<address>{_ADDRESS.pattern})"
_HTML = re.IGNORECASE | re.DOTALL

#: Where a page leads, and nothing but a whole address stands: by a refresh, by a script that does only that, by a link.
_REFRESH = re.compile(
    rf"""<meta\b[^<>]*\scontent\s*=\s*(["'])\s*[0-9.]+\s*[;,]\s*url\s*=\s*((?!\1)["']|){_ANY}\2\s*\1""", _HTML
)
_SCRIPT = re.compile(
    rf"""<script[^<>]*>\s*(?:(?:window|document|self|top)\.)?location(?:\.href)?\s*=\s*(["']){_ANY}\1\s*;?\s*</script>""",
    _HTML,
)
_LINK = re.compile(rf"""<[a-z][^<>]*\s(?:href|action)\s*=\s*(["']){_ANY}\1""", _HTML)
_COMMENT = re.compile("<!--.*?(?:-->|$)", re.DOTALL)

#: Of the documented pages' path: a relative address has no host.
_PATH = "payform"


def read_confirm(
    order: Order,
    response: Response,
    *,
    paid_words: Collection[str] = PAID_WORDS,
    hosts: Collection[str] = (),
) -> Paid | Declined | Unclear:
    """The outcome of a confirm call. `hosts`: of the configured addresses, beside that of the documented pages."""
    confirm = _Confirm(order, response, paid_words, frozenset({CONFIRM_PAGES_HOST, *hosts}))
    if response.has_more_locations:
        return confirm.doubt("two_addresses")
    if response.location and (300 <= response.status < 400 or response.status == 200):
        return confirm.read_location()
    if response.status == 200 and confirm.fields is None:
        return confirm.read_page()
    if confirm.fields is None or not may_be_definitive(response):
        return confirm.doubt(why_not_the_banks(response))
    if response.location:  # under a status that is no redirect's
        return confirm.doubt("contradiction")
    return confirm.read_json(confirm.fields)


class _Place(Enum):
    """Where an address leads."""

    SUCCESS = auto()
    FAILURE = auto()
    BACK_LINK = auto()
    FAILURE_BACK_LINK = auto()
    FOREIGN_HOST = auto()
    ODD = auto()


#: An address that leads there says nothing, and why. A failure's link is not documented: it proves no decline either.
_NO_WORD = {
    _Place.ODD: "odd_address",
    _Place.FOREIGN_HOST: "foreign_address",
    _Place.FAILURE_BACK_LINK: "failure_link",
}


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
            return self.doubt("challenge_again")
        if strange := self._beside_location():
            return self.doubt(strange)
        outcome = self._read_address(self.response.location, may_be_link=True)
        return self._with_fields(outcome, self.fields) if self.fields else outcome

    def _beside_location(self) -> str:
        """A body that can't be read may say otherwise, and so may an address in it that is not the `Location`."""
        text = decode(self.response.body)
        if self.fields is None and _is_like_json(text):
            return "not_json"
        addresses = set(_ADDRESS.findall(_unescaped(text))) - {self.response.location}
        rest = _ADDRESS.sub("", _unescaped(text))
        return "two_addresses" if addresses or self._mentions(rest) else ""

    def read_page(self) -> Paid | Declined | Unclear:
        """An address in the body: nothing but it, as text or in JSON quotes; or the one to which a page leads."""
        body = self.response.body
        if _is_like_json(decode(body)):
            return self.doubt("not_json")  # a name twice, say: an address in it is no whole answer
        quoted = _read_string(body)
        text = _text_of(body) if quoted is None else quoted
        if self._mentions(text) > 1 or len(_queried(text)) > 1:
            return self.doubt("two_addresses")
        found = _leads_to(text) if quoted is None and text.lstrip().startswith("<") else _unescaped(text).strip()
        if not _ADDRESS.fullmatch(found):
            return self.doubt(why_not_read(body))
        if quoted is None and not self.response.framed:
            return self.doubt("unframed")  # the end of the body may be missing, with a digit of the amount
        return self._read_address(found)

    def _mentions(self, text: str) -> int:
        """How often the bank's pages are named, wherever it is: in a comment, in a script, or without a host."""
        plain = unquote(html.unescape(_unescaped(text))).lower()
        hosts = "|".join(re.escape(host.rpartition(":")[0]) for host in sorted(self.hosts, key=len, reverse=True))
        return max(plain.count(_PATH), len(re.findall(rf"(?<![\w.-])(?:{hosts})(?![\w-])", plain)))

    def read_json(self, fields: Fields) -> Paid | Declined | Unclear:
        """The forms of the transfer's answer, or an object with one address. What cuts an object makes it no JSON."""
        if wants_3ds(fields):
            return self.doubt("challenge_again")
        verdict = read_verdict(self.order, self.response, fields, paid_words=self.paid_words)
        addresses = _addresses_in_object(fields)
        texts = {text for each in objects(fields) for text in _texts(each)}
        if isinstance(verdict, Paid | Declined):
            agrees = all(self._agrees(verdict, text, is_address=text in addresses) for text in texts)
            return verdict if agrees else self.doubt("contradiction")
        if not addresses or self.response.status != 200:
            return verdict
        if code_of(fields) not in {"", "0"} or not addresses <= set(_texts(fields)):
            return verdict
        if len(addresses) > 1 or self._mentions(" ".join(texts)) > 1:
            return self.doubt("two_addresses")
        return self._with_fields(self._read_address(*addresses), fields)

    def _agrees(self, verdict: Paid | Declined, text: str, *, is_address: bool) -> bool:
        """A text in the transfer's own form: a page of the bank in it must say the same, a shop's links say nothing."""
        if not is_address:
            return self._mentions(text) == 0
        if self._place(text)[0] not in {_Place.SUCCESS, _Place.FAILURE}:
            return True
        said = self._read_address(text)
        return type(said) is type(verdict) and said.code == verdict.code

    def _with_fields(self, outcome: Paid | Declined | Unclear, fields: Fields) -> Paid | Declined | Unclear:
        """An address, and the object that it stands in or that came with it: both must say the same."""
        if isinstance(outcome, Unclear):
            return outcome
        if isinstance(outcome, Declined) and tells_payment(fields):
            return self.doubt("contradiction")
        for each in objects(fields):
            if strange := mismatch_if_named(self.order, each):
                return self.doubt(strange)
            if isinstance(outcome, Paid) and denies_payment(each, self.paid_words, is_wide=True):
                return self.doubt("contradiction")
        return outcome

    def _read_address(self, address: str, *, may_be_link: bool = False) -> Paid | Declined | Unclear:
        """Only the query is read. The order's own links count in a `Location` alone: a page may show them."""
        place, query = self._place(address)
        if "#" in address and place in {_Place.BACK_LINK, _Place.FAILURE_BACK_LINK}:
            place = _Place.ODD  # what stands behind it is for a page of the shop, and may be its page of failure
        if place in {_Place.BACK_LINK, _Place.FAILURE_BACK_LINK} and not may_be_link:
            place = _Place.FOREIGN_HOST
        fields = read_query(query)
        if fields is None:
            return self.doubt("odd_address")
        if why := "two_addresses" if self._mentions(address) > 1 else _NO_WORD.get(place):
            return self.doubt(why, fields)
        if place is _Place.FAILURE:
            if code_of(fields) == "0":
                return self.doubt("contradiction", fields)
            return read_verdict(self.order, self.response, fields, paid_words=self.paid_words)
        return self._read_success(fields)

    def _read_success(self, fields: Fields) -> Paid | Unclear:
        if denies_payment(fields, self.paid_words, is_wide=True):
            return self.doubt("contradiction", fields)
        if strange := mismatch(self.order, fields, money=True):
            return self.doubt(strange, fields)
        if "AUTH" not in self.paid_words:  # the page names no status, and AUTH is the first of the two
            return self.doubt("status_not_counted", fields)
        return Paid(reference=word(fields, "reference"), sender_card_id=whole_word(fields, "cardid"))

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
        """The order's own link counts where another place is set for a failure, and says nothing of an order itself."""
        order = self.order
        if not order.failure_back_link or _page_of(order.back_link) == _page_of(order.failure_back_link):
            return _Place.FAILURE_BACK_LINK
        own = read_query(order.back_link.partition("?")[2])
        return _Place.BACK_LINK if own == {} else _Place.ODD

    def doubt(self, why: str, fields: Fields | None = None) -> Unclear:
        """With what the bank said beside it: in the address, in the body's object, in what could not be read whole."""
        text = _unescaped(decode(self.response.body))
        unread = [read_kept(address.partition("?")[2]) for address in (self.response.location, *_queried(text))]
        first, second = (fields, self.fields) if fields else (self.fields, None)
        return unclear(self.order, self.response, why, first, second, *unread)


def _added_to(link: str, address: str) -> str | None:
    """The query that was added to a link of the order; None where the address is not that link."""
    if not link or "#" in link:
        return None
    if address == link:
        return ""
    start = link + ("&" if "?" in link else "?")
    return address.removeprefix(start) if address.startswith(start) else None


def _page_of(link: str) -> tuple[str, str]:
    """Host, port and path: two links that differ by a slash, by case or by a query may be one page of a shop."""
    if not is_safe_url(link.partition("?")[0]):
        return "", link
    return host_and_port(link).lower(), urlsplit(link).path.lower().rstrip("/")


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


def _is_like_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))


def _unescaped(text: str) -> str:
    return _AMPERSAND.sub("&", text.replace(r"\/", "/"))


def _leads_to(page: str) -> str:
    """The address to which a page leads in the one way that it has; empty where it is not plain."""
    shown = _COMMENT.sub("", _unescaped(page))
    has_refresh, has_script = "refresh" in shown.lower(), "<script" in shown.lower()
    if has_refresh and has_script:
        return ""
    way = _REFRESH if has_refresh else _SCRIPT if has_script else _LINK
    found = [match["address"] for match in way.finditer(shown)]
    return found[0] if len(found) == 1 else ""


def _queried(text: str) -> list[str]:
    """Every different address with a query."""
    return sorted({address for address in _ADDRESS.findall(_unescaped(text)) if "?" in address})


def _addresses_in_object(fields: Fields) -> set[str]:
    """Every different value that is an address, at any depth."""
    texts = (text for each in objects(fields) for text in _texts(each))
    return {text for text in texts if text.lower().startswith(("https://", "http://"))}


def _texts(fields: Fields) -> Iterator[str]:
    """The object's own values that are text, also in a list."""
    for value in fields.values():
        yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))
