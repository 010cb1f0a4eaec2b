"""The transfer call, field by field (contract, section 2). A refused call moves nothing and uses up no order number."""

import json
from typing import Any

import pytest

ORDER_FIELDS = [
    "amount",
    "currency",
    "description",
    "merchantIdForSavingCards",
    "id",
    "foreign",
    "terminalId",
    "backLink",
    "failureBackLink",
    "postLink",
    "failurePostLink",
]
SENDER_FIELDS = ["save", "transferType", "address", "cvc", "cardCred", "expire", "name", "number"]
RECEIVER_FIELDS = ["save", "id", "transferType", "cardCred"]

#: Path, a value that is wrong, and the code of the refusal.
WRONG: list[tuple[str, Any, int]] = [
    ("order", [], 477),
    ("order.amount", "100", 470),
    ("order.amount", True, 470),
    ("order.amount", 0, 470),
    ("order.amount", -5, 470),
    ("order.amount", 100.505, 470),
    ("order.amount", 1e30, 470),
    ("order.currency", "kzt", 477),
    ("order.currency", 398, 477),
    ("order.description", "я" * 63, 3298),
    ("order.description", None, 477),
    ("order.merchantIdForSavingCards", None, 477),
    ("order.id", 123456787538, 477),
    ("order.id", "12345", 477),
    ("order.id", "1234567890123456", 477),
    ("order.id", "١٢٣٤٥٦", 477),
    ("order.senderIP", "300.1.1.1", 477),
    ("order.senderIP", 7, 477),
    ("order.senderEmail", "nobody", 477),
    ("order.foreign", "false", 477),
    ("order.terminalId", "95555555", 464),
    ("order.backLink", "http://shop.example/ok", 477),
    ("order.failureBackLink", "ftp://shop.example", 477),
    ("order.postLink", "shop.example", 477),
    ("order.failurePostLink", None, 477),
    ("order.surprise", "", 477),
    ("card", None, 477),
    ("card.surprise", {}, 477),
    ("card.sender", "4405639704015096", 477),
    ("card.sender.save", "false", 477),
    ("card.sender.transferType", "PAN", 477),
    ("card.sender.address", None, 477),
    ("card.sender.cvc", 815, 477),
    ("card.sender.cvc", "81", 477),
    ("card.sender.cvc", "8155", 477),
    ("card.sender.cvc", "", 477),
    ("card.sender.cardCred", "4405639704015097", 471),
    ("card.sender.cardCred", "4405 6397 0401 5096", 477),
    ("card.sender.cardCred", 4405639704015096, 477),
    ("card.sender.expire", "01/25", 477),
    ("card.sender.expire.month", "1", 477),
    ("card.sender.expire.month", "13", 477),
    ("card.sender.expire.month", 1, 477),
    ("card.sender.expire.year", "2025", 477),
    ("card.sender.expire.year", 25, 477),
    ("card.sender.expire.day", "01", 477),
    ("card.sender.name", "", 477),
    ("card.sender.number", 0, 477),
    ("card.sender.id", "88481433", 477),
    ("card.sender.surprise", "", 477),
    ("card.receiver.save", 0, 477),
    ("card.receiver.id", "86496cb0", 477),
    ("card.receiver.id", None, 477),
    ("card.receiver.transferType", "typepan", 477),
    ("card.receiver.cardCred", "5522042705066737", 471),
    ("card.receiver.cardCred", "", 477),
    ("card.receiver.firstName", "Aruzhan", 477),
    ("card.receiver.lastName", "Example", 477),
    ("card.receiver.countryCode", "TR", 477),
    ("card.receiver.surprise", "", 477),
]


def change(body: dict[str, Any], path: str, value: Any) -> None:
    *parts, last = path.split(".")
    for part in parts:
        body = body[part]
    body[last] = value


@pytest.mark.parametrize(("path", "value", "code"), WRONG)
def test_a_wrong_field_is_refused_by_its_name(shop: Any, path: str, value: Any, code: int) -> None:
    body = shop.body()
    change(body, path, value)

    answer = shop.send(body, shop.token())

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["message"].startswith(f"{path}: ")
    assert not isinstance(value, str) or len(value) < 9 or value not in answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "order",
        "card",
        "card.sender",
        "card.receiver",
        *(f"order.{name}" for name in ORDER_FIELDS),
        *(f"card.sender.{name}" for name in SENDER_FIELDS),
        *(f"card.sender.expire.{name}" for name in ("month", "year")),
        *(f"card.receiver.{name}" for name in RECEIVER_FIELDS),
    ],
)
def test_a_missing_field_is_refused_by_its_name(shop: Any, path: str) -> None:
    body = shop.body()
    *parts, last = path.split(".")
    part = body
    for name in parts:
        part = part[name]
    del part[last]

    answer = shop.send(body, shop.token())

    assert (answer.status_code, answer.json()["message"]) == (400, f"{path}: is missing")


def test_the_two_optional_fields_may_be_missing(shop: Any) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice)
    del body["order"]["senderIP"], body["order"]["senderEmail"]

    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 0


def test_optional_and_empty_fields_are_taken(shop: Any) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice, description="ж" * 62)
    body["order"] |= {"senderIP": "2001:db8::1", "postLink": "", "failurePostLink": "", "backLink": ""}
    body["card"]["sender"] |= {"id": "", "address": "Abay 1"}

    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"order":{"amount":NaN}}', b"[" * 20_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(shop: Any, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {shop.token()}"}
    answer = shop.web.post(shop.bank.addresses.transfer, data=raw, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, 477)
    assert answer.json()["message"].startswith("body: ")


def test_a_field_given_twice_is_refused(shop: Any) -> None:
    raw = json.dumps(shop.body()).replace('"amount": 100', '"amount": 1, "amount": 100')
    headers = {"Authorization": f"Bearer {shop.token()}"}

    answer = shop.web.post(shop.bank.addresses.transfer, data=raw, headers=headers)

    assert answer.json()["message"] == "amount: stands there twice"
