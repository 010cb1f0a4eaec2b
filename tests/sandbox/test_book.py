"""The books: a double payment can't be overlooked, money adds up, cards are masked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from epay_transfers.sandbox import PUBLIC_TEST, Merchant


def test_a_careless_bank_executes_a_doubled_transfer_and_its_books_say_so(open_shop: Callable[..., Any]) -> None:
    shop = open_shop()
    shop.pay(invoice="251124000001")
    shop.send(shop.body("251124000002"), shop.token(invoiceID="251124000002"), times=2)

    books = shop.web.get(f"{shop.bank.url}/books").json()

    assert books["totals"] == shop.bank.totals()
    assert books["totals"]["executed_twice"] == ["251124000002"]
    assert books["orders"]["251124000002"]["executions"] == 2
    assert books["orders"]["251124000002"]["transfers_received"] == 2
    assert (books["totals"]["orders"], books["totals"]["executed"], books["totals"]["executions"]) == (2, 2, 3)
    assert books["totals"]["money"] == {"KZT": "300"}


@pytest.mark.parametrize("code", [100, 475])
def test_a_bank_told_so_refuses_a_doubled_transfer(open_shop: Callable[..., Any], code: int) -> None:
    shop = open_shop(refuse_duplicates=True, duplicate_code=code)
    body, token = shop.body("251124000001"), shop.token(invoiceID="251124000001")
    shop.send(body, token)

    again = [shop.send(body, token), shop.send(body, shop.token(invoiceID="251124000001"))]

    assert [(answer.status_code, answer.json()["code"]) for answer in again] == [(400, code)] * 2
    entry = shop.book("251124000001")
    assert (entry["executions"], entry["transfers_received"], entry["duplicates"]) == (1, 3, 2)


@pytest.mark.parametrize("first", ["TEST", "[decline:484]", "[3ds]"])
def test_the_last_six_digits_are_used_for_ever_whatever_came_of_it(open_shop: Callable[..., Any], first: str) -> None:
    shop = open_shop()
    shop.pay(first, "111000777")

    answer = shop.pay(invoice="222000777")

    assert (answer.status_code, answer.json()["code"]) == (400, 100)
    assert answer.json()["message"] == "order.id: its last six digits are those of another order"
    assert (shop.book("222000777")["executions"], shop.book("222000777")["duplicates"]) == (0, 1)
    assert shop.word("222000777") == "102"


def test_each_merchant_has_order_numbers_of_its_own(open_shop: Callable[..., Any]) -> None:
    other = Merchant("other", "its secret & (more) #", ("third-terminal",))
    shop = open_shop(merchants=(PUBLIC_TEST, other))
    shop.pay(invoice="111000777")
    body = shop.body("111000777")
    body["order"]["terminalId"] = "third-terminal"
    token = shop.token(
        invoiceID="111000777", client_id="other", client_secret=other.client_secret, terminal="third-terminal"
    )

    assert shop.send(body, token).json()["code"] == 0

    books = shop.web.get(f"{shop.bank.url}/books").json()
    assert list(books["orders"]) == ["111000777", "other:111000777"]
    assert books["totals"]["executed_twice"] == []


def test_a_decline_after_an_execution_does_not_undo_it(shop: Any) -> None:
    invoice = shop.invoice()
    shop.pay(invoice=invoice)
    body = shop.body(invoice)
    body["card"]["sender"]["cvc"] = "000"

    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 486

    assert (shop.book(invoice)["state"], shop.word(invoice)) == ("AUTH", "AUTH")


def test_the_totals_add_up(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(currencies=("KZT", "USD"))
    for words in ("paid", "[decline:484]", "[3ds]", "[drop-before]"):
        try:
            shop.pay(words)
        except requests.ConnectionError:
            assert words == "[drop-before]"
    for currency, amount in (("KZT", 0.1), ("KZT", 0.2), ("USD", 7)):
        invoice = shop.invoice()
        body = shop.body(invoice)
        body["order"] |= {"amount": amount, "currency": currency}
        shop.send(body, shop.token(invoiceID=invoice, amount=str(amount), currency=currency))
    shop.send({}, shop.token())

    totals = shop.web.get(f"{shop.bank.url}/books").json()["totals"]

    assert totals == {
        "orders": 7,
        "executed": 4,
        "executions": 4,
        "executed_twice": [],
        "declined": 1,
        "failed": 0,
        "unanswered_challenges": 1,
        "duplicates": 0,
        "refused": 1,
        "calls": {"token": 8, "transfer": 8, "confirm": 0, "status": 0},
        "money": {"KZT": "100.3", "USD": "7"},
    }


def test_the_books_can_be_emptied(open_shop: Callable[..., Any]) -> None:
    shop = open_shop()
    shop.pay(invoice="111000777")

    emptied = shop.web.delete(f"{shop.bank.url}/books").json()

    assert (emptied["orders"], emptied["totals"]["orders"], emptied["totals"]["calls"]["transfer"]) == ({}, 0, 0)
    assert shop.web.get(f"{shop.bank.url}/books/111000777").status_code == 404
    assert shop.pay(invoice="222000777").json()["code"] == 0


def test_no_page_and_no_printed_word_holds_a_card(
    open_shop: Callable[..., Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop()
    refused = shop.body()
    refused["card"]["sender"]["cvc"] = "not-a-cvc"
    shown = [shop.send(refused, shop.token()).text, shop.pay().text, shop.pay("[decline:484]").text]
    shown += [shop.web.get(f"{shop.bank.url}{path}").text for path in ("/", "/books", "/faults")]

    out, err = capfd.readouterr()
    for text in (*shown, caplog.text):
        for word in ("4405639704015096", "5522042705066736", "Frolov", "not-a-cvc"):
            assert word not in text
    assert (out, err) == ("", "")


def test_the_page_shows_orders_and_faults(open_shop: Callable[..., Any]) -> None:
    shop = open_shop()
    shop.pay("<b>bold</b>", "111000777")
    shop.web.post(f"{shop.bank.url}/faults", data=json.dumps({"call": "token", "kind": "drop", "invoice": "999999"}))

    page = shop.web.get(shop.bank.url).text

    assert "111000777" in page
    assert "440563******5096" in page
    assert "&lt;b&gt;bold" in page
    assert "999999" in page
