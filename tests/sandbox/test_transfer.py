"""The transfer call: amounts, success, saved cards, a transfer abroad (contract, section 2)."""

from collections.abc import Callable
from typing import Any

import pytest

SAVED_SENDER = {
    "transferType": "TYPECARDID",
    "cardCred": "88481433-595e-4c01-941f-34569db2426e",
    "cvc": "",
    "expire": {"month": "", "year": ""},
    "name": "",
}
SAVED_RECEIVER = "86496cb0-bb5d-4791-bb49-cc27a0f660ce"
ABROAD = {"firstName": "Aruzhan", "lastName": "Example", "countryCode": "TR"}


@pytest.mark.parametrize(
    ("number", "text"), [(100, "100.00"), (100.5, "100.50"), (0.1, "0.10"), (99_999_999.99, "99999999.99")]
)
def test_an_amount_in_the_transfer_and_in_the_token_are_the_same_value(shop: Any, number: float, text: str) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice)
    body["order"]["amount"] = number

    answer = shop.send(body, shop.token(invoiceID=invoice, amount=text))

    assert answer.json()["amount"] == number
    assert f'"amount":{number},' in answer.text


def test_success_has_the_contracts_fields(shop: Any) -> None:
    invoice = shop.invoice()
    answer = shop.pay(invoice=invoice)

    said = answer.json()
    assert answer.status_code == 200
    assert (said["code"], said["status"], said["orderID"], said["currency"]) == (0, "AUTH", invoice, "KZT")
    assert (said["senderCardPAN"], said["receiverCardPAN"]) == ("440563******5096", "552204******6736")
    assert said["terminalID"].isdigit()
    assert said["id"]
    assert len(said["reference"]) == 12
    assert len(said["intReference"]) == 16


@pytest.mark.parametrize("fields", [("id",), ("cardCred",), ("id", "cardCred")])
def test_saved_cards_pay_and_the_receivers_id_counts_in_either_field(shop: Any, fields: tuple[str, ...]) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice)
    body["card"]["sender"] |= SAVED_SENDER
    body["card"]["receiver"] |= {"transferType": "TYPECARDID", "id": "", "cardCred": ""}
    body["card"]["receiver"] |= dict.fromkeys(fields, SAVED_RECEIVER)

    said = shop.send(body, shop.token(invoiceID=invoice)).json()

    assert (said["code"], said["senderCardID"], said["receiverCardID"]) == (0, SAVED_SENDER["cardCred"], SAVED_RECEIVER)
    assert (said["senderCardPAN"], said["receiverCardPAN"]) == ("400300******9821", "557800******0613")


@pytest.mark.parametrize(
    ("part", "field", "change_to"),
    [
        ("sender", "cardCred", {"cardCred": ""}),
        ("sender", "cvc", {"cvc": "1"}),
        ("sender", "expire.month", {"expire": {"month": "00", "year": ""}}),
        ("sender", "expire.year", {"expire": {"month": "", "year": "5"}}),
        ("receiver", "id", {"id": "", "cardCred": ""}),
        ("receiver", "cardCred", {"cardCred": "another"}),
    ],
)
def test_a_saved_cards_fields_are_checked_too(shop: Any, part: str, field: str, change_to: dict[str, Any]) -> None:
    body = shop.body()
    body["card"]["sender"] |= SAVED_SENDER
    body["card"]["receiver"] |= {"transferType": "TYPECARDID", "id": SAVED_RECEIVER, "cardCred": SAVED_RECEIVER}
    body["card"][part] |= change_to

    assert shop.send(body, shop.token()).json()["message"].startswith(f"card.{part}.{field}: ")


def test_a_saved_card_that_nobody_knows_is_declined(shop: Any) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice)
    body["card"]["sender"] |= SAVED_SENDER | {"cardCred": "00000000-0000-0000-0000-000000000000"}

    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 471


def test_a_card_that_is_to_be_saved_gets_an_id_that_pays(shop: Any) -> None:
    first, second = shop.invoice(), shop.invoice()
    body = shop.body(first)
    body["card"]["sender"]["save"] = body["card"]["receiver"]["save"] = True
    said = shop.send(body, shop.token(invoiceID=first)).json()

    body = shop.body(second)
    body["card"]["sender"] |= SAVED_SENDER | {"cardCred": said["senderCardID"]}
    body["card"]["receiver"] |= {"transferType": "TYPECARDID", "id": said["receiverCardID"], "cardCred": ""}

    assert shop.send(body, shop.token(invoiceID=second)).json()["senderCardPAN"] == "440563******5096"


def test_a_transfer_abroad_names_its_receiver(shop: Any) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice)
    body["order"]["foreign"] = True
    body["card"]["receiver"] |= ABROAD

    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 0


@pytest.mark.parametrize("field", ABROAD)
@pytest.mark.parametrize("without", [True, False])
def test_a_transfer_abroad_without_a_name_is_refused(shop: Any, field: str, without: bool) -> None:  # noqa: FBT001 - two cases of one claim
    body = shop.body()
    body["order"]["foreign"] = True
    body["card"]["receiver"] |= ABROAD | {field: ""}
    if without:
        del body["card"]["receiver"][field]

    assert shop.send(body, shop.token()).json()["message"].startswith(f"card.receiver.{field}: ")


def test_a_refused_call_uses_up_nothing(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(refuse_duplicates=True)
    body, token = shop.body(), shop.token()
    body["card"]["sender"]["cvc"] = ""
    shop.send(body, token)
    assert shop.word("123456787538") == "102"

    assert shop.send(shop.body(), token).json()["code"] == 0
    assert shop.bank.totals()["refused"] == 1
