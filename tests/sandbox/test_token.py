"""The token call: every field of the contract's section 1, and what a token is good for."""

from collections.abc import Callable
from typing import Any

import pytest

from epay_transfers.sandbox import PUBLIC_TEST, Merchant

WRONG = [
    ("grant_type", "password", 400, "unsupported_grant_type"),
    ("scope", "everything", 400, "invalid_scope"),
    ("scope", "transfer payment", 400, "invalid_scope"),
    ("invoiceID", "12345", 400, "invalid_request"),
    ("invoiceID", "1234567890123456", 400, "invalid_request"),
    ("invoiceID", "12345x", 400, "invalid_request"),
    ("amount", "0", 400, "invalid_request"),
    ("amount", "-1", 400, "invalid_request"),
    ("amount", "1e2", 400, "invalid_request"),
    ("amount", "100.505", 400, "invalid_request"),
    ("amount", "100,50", 400, "invalid_request"),
    ("amount", "9" * 40, 400, "invalid_request"),
    ("currency", "XXX", 400, "invalid_request"),
    ("client_id", "somebody", 401, "invalid_client"),
    ("client_secret", "guess", 401, "invalid_client"),
    ("terminal", "95555555", 401, "invalid_client"),
    ("no_such_field", "1", 400, "invalid_request"),
]


@pytest.mark.parametrize(("field", "value", "status", "error"), WRONG)
def test_a_wrong_field_is_refused_by_its_name(shop: Any, field: str, value: str, status: int, error: str) -> None:
    answer = shop.ask_token(**{field: value})

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"].startswith(f"{field}: ")
    assert value == "0" or value not in answer.text.removeprefix(field)


@pytest.mark.parametrize(
    "field",
    ["grant_type", "scope", "invoiceID", "amount", "currency", "client_id", "client_secret", "terminal"],
)
def test_a_missing_field_is_refused_by_its_name(shop: Any, field: str) -> None:
    answer = shop.ask_token(**{field: None})

    assert answer.json()["error_description"] == f"{field}: is missing"


def test_the_answer_is_the_contracts_sample(shop: Any) -> None:
    answer = shop.ask_token(amount="100.50", secret_hash="abc")

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "expires_in", "refresh_token", "scope", "token_type"}
    assert answer.json() | {"access_token": "", "expires_in": 0} == {
        "access_token": "",
        "expires_in": 0,
        "refresh_token": "",
        "scope": "transfer",
        "token_type": "Bearer",
    }


@pytest.mark.parametrize(
    ("style", "kinds"), [("number", [int, int]), ("string", [str, str]), ("alternate", [int, str])]
)
def test_expires_in_is_a_number_or_a_string(open_shop: Callable[..., Any], style: str, kinds: list[type]) -> None:
    shop = open_shop(expires_in=style)

    assert [type(shop.ask_token().json()["expires_in"]) for _ in range(2)] == kinds


def test_a_urlencoded_form_is_taken_too_and_so_is_the_address_of_production(shop: Any) -> None:
    answer = shop.web.post(f"{shop.bank.url}/oauth2/token", data=shop.form())

    assert answer.status_code == 200


def test_a_json_body_is_no_form(shop: Any) -> None:
    assert shop.web.post(shop.bank.addresses.token, json=shop.form()).status_code == 400


def test_a_field_given_twice_is_refused(shop: Any) -> None:
    answer = shop.web.post(shop.bank.addresses.token, data=[*shop.form().items(), ("amount", "100")])

    assert answer.json()["error_description"] == "amount: stands there twice"


@pytest.mark.parametrize("field", ["invoiceID", "amount"])
def test_the_status_scope_is_asked_without_invoice_and_amount(shop: Any, field: str) -> None:
    scope = "payment statistics statement verification email_send usermanagement webapi"
    bare = {"invoiceID": None, "amount": None, "currency": None}

    assert shop.ask_token(scope=scope, **bare).status_code == 200
    refused = shop.ask_token(scope=scope, **(bare | {field: "123456"}))
    assert refused.json()["error_description"] == f"{field}: must not be given with this scope"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"invoiceID": "123456787539"}, "id"),
        ({"amount": "100.01"}, "amount"),
    ],
)
def test_a_token_is_for_the_transfer_that_it_was_asked_for(shop: Any, change: dict[str, str], field: str) -> None:
    answer = shop.send(shop.body(), shop.token(**change))

    assert (answer.status_code, answer.json()["code"]) == (400, 100)
    assert answer.json()["message"] == f"order.{field}: is not what the token was asked for"


def test_a_token_is_of_one_currency_and_one_terminal(open_shop: Callable[..., Any]) -> None:
    two = Merchant(PUBLIC_TEST.client_id, PUBLIC_TEST.client_secret, (*PUBLIC_TEST.terminals, "second-terminal"))
    shop = open_shop(currencies=("KZT", "USD"), merchants=(two,))

    for change, field in (({"currency": "USD"}, "currency"), ({"terminal": "second-terminal"}, "terminalId")):
        answer = shop.send(shop.body(), shop.token(**change))
        assert answer.json()["message"] == f"order.{field}: is not what the token was asked for"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer unknown"])
def test_a_transfer_without_a_token_that_is_known_is_refused(shop: Any, header: str) -> None:
    answer = shop.web.post(shop.bank.addresses.transfer, json=shop.body(), headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, 100)
    assert answer.json()["message"].startswith("Authorization: ")


def test_a_token_ends(open_shop: Callable[..., Any], hand: Any) -> None:
    shop = open_shop(clock=hand, token_ttl_s=60)
    token = shop.token()
    hand.now += 60

    answer = shop.send(shop.body(), token)

    assert (answer.status_code, answer.json()["message"]) == (401, "Authorization: this token has expired")


def test_a_token_of_the_status_scope_moves_no_money(shop: Any) -> None:
    token = shop.token(
        scope="webapi usermanagement email_send verification statement statistics payment", invoiceID=None, amount=None
    )

    assert shop.send(shop.body(), token).status_code == 401


def test_a_transfers_token_asks_for_no_status(shop: Any) -> None:
    assert shop.status("123456", shop.token()).status_code == 401
