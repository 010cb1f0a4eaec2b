"""The bank's answers of a first contact: kept without secrets and cards, and compared with `docs/bank.md`.

`Recorder` is the bank client's own transport, which keeps what it read. What is kept of a value is the value where its
name is known to be harmless and it is a few digits or a plain word, and else its shape: letters as `a` and `A`, digits
as `9`. So is a field's name that is none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from epay_transfers.ledger.clock import Clock
from epay_transfers.worker.bank import NoResponse, Response
from epay_transfers.worker.bank.json_fields import INVOICE_NAMES, read_object, why_not_read
from epay_transfers.worker.bank.masking import clean_message, mask_card
from epay_transfers.worker.bank.transport import Method, Transport

_SHAPE_LENGTH = 64

#: A field's name, and not a number in the place of a name.
_NAME = re.compile(r"(?!(?:.*[0-9]){5})[A-Za-z][A-Za-z0-9_.]{0,60}")

#: A piece of an address's path, by the same rule.
_PIECE = re.compile(r"(?!(?:.*[0-9]){5})[A-Za-z0-9_.{}-]{0,40}")

#: What an answer is known to hold, by call: what our parser reads, and what it leaves alone. `secure3D` holds a form of
#: its own.
_MONEY = {"amount", "currency", *INVOICE_NAMES}
_CHALLENGE = {"paReq", "md", "action"}
_TRANSFER = {
    "id", "accountId", "code", "description", "email", "intReference", "message", "receiverCardID", "receiverCardPAN",
    "reference", "senderCardID", "senderCardPAN", "status", "terminalID",
} | _MONEY | _CHALLENGE  # fmt: skip
_STATUS = {"createdDate", "id", "reasonCode", "reference", "statusName", "terminal", "terminalID"} | _MONEY
KNOWN: Mapping[str, frozenset[str]] = {
    "token": frozenset({"access_token", "expires_in", "refresh_token", "scope", "token_type"}),
    "transfer": frozenset(_TRANSFER | {f"secure3D.{name}" for name in _TRANSFER} | {"secure3D"}),
    "confirm": frozenset(_TRANSFER | {"accountID", "cardid", "description", "language"}),
    "status": frozenset(
        {"result", "result.code", "result.message", "transaction", "transaction.p2p"}
        | {f"transaction.p2p.{name}" for name in _STATUS}
    ),
}

#: What must be in the answer that means yes, as `docs/bank.md` has it from the bank's page.
DOCUMENTED: Mapping[str, frozenset[str]] = {
    "token": KNOWN["token"],
    "paid": frozenset(
        {
            "amount",
            "code",
            "currency",
            "id",
            "intReference",
            "orderID",
            "receiverCardID",
            "receiverCardPAN",
            "reference",
        }
        | {"senderCardID", "senderCardPAN", "status", "terminalID"}
    ),
    "declined": frozenset({"accountId", "code", "id", "invoiceId", "message", "reference"}),
    "challenge": frozenset(_CHALLENGE | {"id"}),
    "status": frozenset(f"transaction.p2p.{name}" for name in ("amount", "currency", "id", "invoiceID", "statusName")),
}

#: Names whose values say nothing of a card, a person or a secret, if they are what the name says ...
_HARMLESS = frozenset({
    "amount", "code", "currency", "error", "expires_in", "language", "reasonCode", "scope", "status", "statusName",
    "token_type", *INVOICE_NAMES,
})  # fmt: skip

#: ... a number of too few digits for a card, or words without a digit: `AUTH`, `invalid_client`, `webapi payment`.
_DIGITS = 11
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WORDS = re.compile(r"[A-Z]{1,20}(_[A-Z]{1,20})*|[A-Z]?[a-z]{1,16}([_ ][a-z]{1,16})*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call, and what came of it."""

    call: str  #: token, transfer, confirm or status
    url: str
    response: Response | NoResponse

    @property
    def fields(self) -> dict[str, Any] | None:
        return read_object(self.response.body) if isinstance(self.response, Response) else None


@dataclass
class Kept:
    """The exchanges in their order. `call`: what the next one is for."""

    call: str = ""
    exchanges: list[Exchange] = field(default_factory=list)


class Recorder(Transport):
    """The transport that the worker has, which also keeps what it read."""

    def __init__(self, kept: Kept, clock: Clock, **limits: Any) -> None:
        super().__init__(clock, **limits)
        self._kept = kept

    def exchange(self, method: Method, url: str, **more: Any) -> Response | NoResponse:
        response = super().exchange(method, url, **more)
        call = "token" if "/oauth2/" in urlsplit(url).path else self._kept.call
        self._kept.exchanges.append(Exchange(call, url, response))
        return response


def sample(exchange: Exchange, invoice_id: str) -> dict[str, Any]:
    """What is written to a file: no secret, no token, no card, no id of a card."""
    response = exchange.response
    if isinstance(response, NoResponse):
        return {"call": exchange.call, "no_answer": response.why, "evidence": str(response.evidence)}
    made: dict[str, Any] = {
        "call": exchange.call,
        "http_status": response.status,
        "body_length_proved": response.framed,
    }
    if response.location:
        at = urlsplit(response.location)
        query = _masked("", dict(parse_qsl(at.query, keep_blank_values=True)), invoice_id)
        made["location"] = {"host": at.hostname, "path": _path(at.path), "query": query}
    fields = exchange.fields
    made["body"] = (
        _masked("", fields, invoice_id)
        if fields is not None
        else f"{why_not_read(response.body)}, {len(response.body)} bytes"
    )
    return made


def _masked(name: str, value: Any, invoice_id: str) -> Any:
    match value:
        case dict():
            return {_field_name(inner): _masked(inner, its, invoice_id) for inner, its in value.items()}
        case list():
            return [_masked(name, its, invoice_id) for its in value]
        case None | bool():
            return value
        case int() if _is_harmless(name, str(value), invoice_id):
            return value
        case Decimal() if _is_harmless(name, f"{value:f}", invoice_id):
            return float(value)
        case _:
            return _text(name, str(value), invoice_id)


def _text(name: str, text: str, invoice_id: str) -> str:
    if name.endswith("CardPAN"):
        return mask_card(text)
    if name == "message":
        return clean_message(text, invoice_id=invoice_id)
    return text if _is_harmless(name, text, invoice_id) else shape(text)


def _is_harmless(name: str, text: str, invoice_id: str) -> bool:
    if name not in _HARMLESS or len(text) > _SHAPE_LENGTH:
        return False
    if text in {"", invoice_id} or _WORDS.fullmatch(text):
        return True
    return _NUMBER.fullmatch(text) is not None and sum(map(str.isdigit, text)) <= _DIGITS


def _field_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else shape(name)


def _path(path: str) -> str:
    return "/".join(piece if _PIECE.fullmatch(piece) else shape(piece) for piece in path.split("/"))


def shape(text: str) -> str:
    """`48246139-b31c` → `99999999-a99a`, and the length of a long one."""
    made = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", lambda found: "A" if found[0].isupper() else "a", text))
    return made if len(made) <= _SHAPE_LENGTH else f"{made[:_SHAPE_LENGTH]}... {len(text)} characters"


def names(fields: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """`result`, `result.code`: the path of each field."""
    for name, value in fields.items():
        yield f"{before}{name}"
        if isinstance(value, dict):
            yield from names(value, f"{before}{name}.")


def unknown_fields(exchange: Exchange) -> list[str]:
    """What the bank says and our parser does not know. A name that is no name is shown by its shape."""
    found = [name for name in names(exchange.fields or {}) if name not in KNOWN[exchange.call]]
    return [_field_name(name) for name in found]


def missing_fields(exchange: Exchange, form: str) -> list[str]:
    """What `docs/bank.md` has in this form of an answer, and the answer has not."""
    there = set(names(exchange.fields or {}))
    if form == "challenge":
        there |= {name.removeprefix("secure3D.") for name in there}
    return sorted(DOCUMENTED[form] - there)


def differences(exchange: Exchange, form: str) -> list[str]:
    """Where the answer is another than `docs/bank.md` says, a sentence each."""
    response = exchange.response
    if isinstance(response, NoResponse):
        return [f"no answer came: {response.why}"]
    found = []
    if exchange.fields is None and not response.location:
        found.append(f"the answer is no JSON object: {why_not_read(response.body)}")
    if form in {"token", "paid"} and response.status != 200:
        found.append(f"HTTP {response.status}; the page shows 200")
    if form == "declined" and response.status != 400:
        found.append(f"HTTP {response.status}; 400 was seen")
    if not response.framed:
        found.append("nothing proves where the body ends: neither one length nor chunks")
    if exchange.fields is not None and form in DOCUMENTED:
        found += [f"the field {name} is not there" for name in missing_fields(exchange, form)]
        found += list(_other_types(exchange.fields, form))
    return found


def _other_types(fields: Mapping[str, Any], form: str) -> Iterator[str]:
    for name in ("code", "amount", "expires_in") if form in {"token", "paid", "declined"} else ():
        if isinstance(fields.get(name), str):
            yield f"{name} is text; the page shows a number"
