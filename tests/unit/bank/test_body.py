"""What we say to the bank, field by field."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import ReceiverCard, SenderCard
from epay_transfers.worker.bank.order import Order
from epay_transfers.worker.bank.payloads import (
    ReceiverIdField,
    confirm_json,
    status_token_fields,
    token_fields,
    transfer_json,
)
from tests.support.bank_examples import CARDS, INVOICE, ORDER, PAN, PAN_TO, TERMINAL, order


def transfer(an_order: Order = ORDER, cards: Any = CARDS, field: ReceiverIdField = "both") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        transfer_json(TERMINAL, an_order, cards, receiver_id_field=field), parse_float=Decimal
    )
    return found


def test_the_token_of_a_transfer_has_every_field_of_the_page() -> None:
    assert token_fields(TERMINAL, ORDER, secret_hash=None) == {
        "grant_type": "client_credentials",
        "scope": "transfer",
        "invoiceID": INVOICE,
        "amount": "200",
        "currency": "KZT",
        "client_id": "test",
        "client_secret": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
        "terminal": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    }


def test_a_secret_hash_is_sent_only_where_there_is_one() -> None:
    assert token_fields(TERMINAL, ORDER, secret_hash="abc")["secret_hash"] == "abc"
    assert "secret_hash" not in token_fields(TERMINAL, ORDER, secret_hash="")


def test_the_token_of_inquiries_names_no_invoice_and_no_amount() -> None:
    assert status_token_fields(replace(TERMINAL, client_id="plain")) == {
        "grant_type": "client_credentials",
        "scope": "webapi usermanagement email_send verification statement statistics payment",
        "client_id": "plain",
        "client_secret": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
        "terminal": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    }


def test_the_transfer_has_every_field_of_the_page_and_no_other() -> None:
    assert transfer() == {
        "order": {
            "amount": 200,
            "currency": "KZT",
            "description": "TEST p2p",
            "merchantIdForSavingCards": "",
            "id": INVOICE,
            "senderIP": "10.1.2.3",
            "senderEmail": "armanali@epay.kz",
            "foreign": False,
            "terminalId": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
            "backLink": "https://shop.example/ok",
            "failureBackLink": "https://shop.example/no",
            "postLink": "https://shop.example/post",
            "failurePostLink": "https://shop.example/fail",
        },
        "card": {
            "sender": {
                "save": False,
                "transferType": "TYPEPAN",
                "address": "Abay 1",
                "cvc": "815",
                "cardCred": PAN,
                "expire": {"month": "01", "year": "25"},
                "name": "Sergey Frolov",
                "number": "",
            },
            "receiver": {"save": False, "id": "", "transferType": "TYPEPAN", "cardCred": PAN_TO},
        },
    }


def test_names_and_country_of_the_receiver_go_only_abroad() -> None:
    abroad = transfer(order(foreign=True))

    assert abroad["order"]["foreign"] is True
    assert abroad["card"]["receiver"] == {
        "save": False,
        "id": "",
        "transferType": "TYPEPAN",
        "cardCred": PAN_TO,
        "firstName": "Ivan",
        "lastName": "Petrov",
        "countryCode": "KZ",
    }


@pytest.mark.parametrize(
    ("field", "card_id", "cred"), [("both", "saved-1", "saved-1"), ("id", "saved-1", ""), ("cardCred", None, "saved-1")]
)
def test_a_saved_receiver_stands_where_the_setting_says(field: ReceiverIdField, card_id: str | None, cred: str) -> None:
    """In `cardCred` alone there is no `id` at all, as the bank's SDK does it."""
    cards = replace(CARDS, receiver=ReceiverCard("TYPECARDID", Secret("saved-1"), save=True))
    named = {} if card_id is None else {"id": card_id}

    sent = transfer(cards=cards, field=field)["card"]["receiver"]

    assert sent == named | {"save": True, "transferType": "TYPECARDID", "cardCred": cred}


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        (SenderCard("TYPECARDID", Secret("saved-2")), {"cvc", "expire", "name"}),
        (SenderCard("TYPECARDID", Secret("saved-2"), cvc=Secret("815")), {"expire", "name"}),
        (SenderCard("TYPECARDID", Secret("saved-2"), Secret("01"), Secret("25"), name=Secret("A B")), {"cvc"}),
        (CARDS.sender, set()),
        (replace(CARDS.sender, cvc=Secret("")), set()),
    ],
)
def test_what_a_saved_sender_does_not_give_can_be_left_out(given: SenderCard, left_out: set[str]) -> None:
    """As the bank's SDK does it. What is given is sent; and a card by its number has every field."""
    cards = replace(CARDS, sender=given)
    full = transfer(cards=cards)["card"]["sender"]

    body = transfer_json(TERMINAL, ORDER, cards, receiver_id_field="cardCred", saved_sender_fields="given")

    assert json.loads(body)["card"]["sender"] == {name: full[name] for name in full if name not in left_out}


def test_a_card_number_of_the_receiver_never_stands_in_the_id() -> None:
    assert [transfer(field=field)["card"]["receiver"]["id"] for field in ("both", "id", "cardCred")] == ["", "", ""]


def test_a_saved_sender_needs_no_expiry_and_no_cvc() -> None:
    sender = transfer(cards=replace(CARDS, sender=SenderCard("TYPECARDID", Secret("saved-2"), save=True)))["card"][
        "sender"
    ]

    assert sender == {
        "save": True,
        "transferType": "TYPECARDID",
        "address": "",
        "cvc": "",
        "cardCred": "saved-2",
        "expire": {"month": "", "year": ""},
        "name": "",
        "number": "",
    }


@pytest.mark.parametrize(
    ("minor", "number", "string"),
    [
        (100_00, b"100", "100"),
        (100_50, b"100.5", "100.50"),
        (100_05, b"100.05", "100.05"),
        (1, b"0.01", "0.01"),
        (10**13, b"100000000000", "100000000000"),
        (10**13 - 1, b"99999999999.99", "99999999999.99"),
        (33, b"0.33", "0.33"),
    ],
)
def test_an_amount_is_written_exactly(minor: int, number: bytes, string: str) -> None:
    an_order = order(amount_minor=minor)

    body = transfer_json(TERMINAL, an_order, CARDS, receiver_id_field="both")
    assert body.startswith(b'{"order":{"amount":' + number + b',"currency"')
    assert token_fields(TERMINAL, an_order, secret_hash=None)["amount"] == string


def test_no_text_that_a_person_typed_can_break_the_body() -> None:
    """A lone surrogate would make an encoder fail, with the text in its exception."""
    assert transfer(order(description='Перевод "1" \\ \ud800'))["order"]["description"] == 'Перевод "1" \\ \ud800'


def test_the_confirm_has_the_three_fields_of_the_page() -> None:
    assert json.loads(confirm_json("a9e1", Secret("eJxV+/="), "270-9CA")) == {
        "ID": "a9e1",
        "PaRes": "eJxV+/=",
        "MD": "270-9CA",
    }
