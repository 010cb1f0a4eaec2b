"""The sandbox bank's answers (contract, sections 2, 4 and 5), before they become HTTP.

A document's amounts are `Decimal` and are written as JSON numbers, digit for digit.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from epay_transfers.sandbox.acs import AskedChallenge
from epay_transfers.sandbox.amounts import plain
from epay_transfers.sandbox.book import BookedOrder
from epay_transfers.sandbox.options import ConfirmAnswer

SUCCESS_PAGE = "https://epay.homebank.kz/payform/success.html"
ERROR_PAGE = "https://epay.homebank.kz/payform/"

#: In every answer where a request carries its UUID (contract, section 2).
TERMINAL_DIGITS = "95555555"

SYSTEM_ERROR = 100

#: The bank's messages for the codes that it uses here.
MESSAGES = {
    100: "System error",
    457: "Wrong expiry date",
    464: "Invalid merchant",
    468: "3-D Secure failed",
    469: "Invalid transaction",
    470: "Invalid amount",
    471: "No such card",
    473: "Identification failed",
    475: "Transaction not successful",
    477: "Format error",
    479: "Card restricted",
    484: "Insufficient funds",
    486: "Wrong card data",
    492: "Card restricted",
    3298: "Description too long",
}


@dataclass(slots=True)
class Notification:
    """A notification to post (contract, section 6)."""

    link: str
    document: dict[str, Any] = field(repr=False)


@dataclass(slots=True)
class Answer:
    """HTTP status and JSON; with a `page`, a redirect there with the document as its query."""

    status: int
    document: dict[str, Any] = field(repr=False)
    page: str = ""
    form: ConfirmAnswer | None = None
    back_link: str = ""
    notification: Notification | None = None

    def address(self, form: str) -> str:
        values = {name: plain(value) if isinstance(value, Decimal) else value for name, value in self.document.items()}
        query = urlencode(values, encoding="cp1251" if form == "cp1251" else "utf-8", errors="replace")
        page = self.page
        if form == "back-link" and self.back_link:
            page = self.back_link
        elif form == "foreign":
            page = page.replace("epay.homebank.kz", "epay.example.kz")
        return f"{page}{'&' if '?' in page else '?'}{query}"


def encode(value: object) -> str:
    """JSON, with each `Decimal` as the number that it is."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{encode(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def message(code: int) -> str:
    return MESSAGES.get(code, "Declined, call your bank")


def failure(status: int, code: int, why: str, *, invoice: str, bank_id: str = "") -> Answer:
    document = {"code": code, "message": why, "invoiceId": invoice, "id": bank_id, "reference": "", "accountId": ""}
    return Answer(status, document)


def success(order: BookedOrder, amount: Decimal, bank_id: str) -> Answer:
    document = {
        "id": bank_id,
        "amount": amount,
        "currency": order.currency,
        "email": order.email,
        "description": order.description,
        "reference": order.reference,
        "orderID": order.invoice,
        "senderCardID": order.sender_card_id,
        "senderCardPAN": order.sender,
        "receiverCardID": order.receiver_card_id,
        "receiverCardPAN": order.receiver,
        "intReference": order.int_reference,
        "terminalID": TERMINAL_DIGITS,
        "code": 0,
        "status": "AUTH",
    }
    return Answer(200, document, notification=notification(order, 0))


def wants_secure(challenge: AskedChallenge, action: str) -> Answer:
    """A challenge in one of its forms, or in one that can't be confirmed."""
    order = challenge.order
    asked = {"paReq": challenge.pa_req, "md": challenge.md, "action": action}
    who = {
        "id": challenge.bank_id,
        "amount": challenge.amount,
        "currency": order.currency,
        "orderID": order.invoice,
        "terminalID": TERMINAL_DIGITS,
    }
    in_lower_case = {name.lower(): value for name, value in asked.items()}
    loud = {"PAREQ": challenge.pa_req, "MD": challenge.md, "Action": action}
    forms: dict[str, dict[str, Any]] = {
        "3ds": {**who, **asked},
        "3ds-nested": {**who, "code": 0, "secure3D": asked},
        "3ds-status": {**who, "status": "3D", "secure3D": asked},
        "3ds-id-inside": {"status": "3D", "secure3D": {"id": challenge.bank_id, **asked, "termURL": ""}},
        "3ds-lower": {**who, "secure3d": in_lower_case},
        "3ds-upper": {"ID": challenge.bank_id, "orderID": order.invoice, **loud},
        "3ds-no-id": asked,
    }
    return Answer(200, forms[order.directives.secure])


def confirmed(challenge: AskedChallenge) -> Answer:
    order = challenge.order
    query = {
        "amount": challenge.amount,
        "currency": order.currency,
        "invoiceID": order.invoice,
        "accountID": "",
        "description": order.description,
        "reference": order.reference,
        "language": "rus",
        "cardid": order.sender_card_id,
    }
    return Answer(302, query, SUCCESS_PAGE, order.directives.confirm_answer, order.back_link)


def not_confirmed(order: BookedOrder, code: int) -> Answer:
    query = {"invoiceID": order.invoice, "code": code, "message": message(code)}
    return Answer(302, query, ERROR_PAGE, order.directives.confirm_answer, order.failure_back_link)


def status_result(status: int, code: int, why: str) -> Answer:
    return Answer(status, {"result": {"code": str(code), "message": why}})


def status_found(order: BookedOrder, word: str) -> Answer:
    inner = {
        "id": order.bank_id,
        "createdDate": order.date(),
        "invoiceID": order.invoice,
        "amount": order.amount,
        "currency": order.currency,
        "terminal": order.terminal,
        "terminalID": TERMINAL_DIGITS,
        "reference": order.reference,
        "statusName": word,
        "reasonCode": str(order.code),
    }
    if order.directives.has_no_status:
        del inner["statusName"]
    if order.directives.is_flat:
        return Answer(200, {"resultCode": "100", "resultMessage": "SUCCESS", "transaction": inner})
    return Answer(200, {"result": {"code": "100", "message": "SUCCESS"}, "transaction": {"p2p": inner}})


def notification(order: BookedOrder, code: int) -> Notification | None:
    """The notification to postLink, if set; of a failure to failurePostLink, or to postLink if that is empty."""
    link = order.post_link if code == 0 else order.failure_post_link or order.post_link
    if not link:
        return None
    document = {
        "id": order.bank_id,
        "invoiceId": order.invoice,
        "amount": order.amount,
        "currency": order.currency,
        "terminal": order.terminal,
        "code": "error" if code else "ok",
        "reason": message(code) if code else "success",
        "reasonCode": code,
        "reference": order.reference,
        "dateTime": order.date(),
    }
    if order.secret_hash:
        document["secret_hash"] = order.secret_hash
    return Notification(link, document)
