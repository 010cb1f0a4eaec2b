"""The status inquiry (contract, section 5)."""

from collections.abc import Callable
from typing import Any

import pytest

from epay_transfers.sandbox import PUBLIC_TEST, Merchant


def test_an_executed_order_is_found_with_all_fields(shop: Any) -> None:
    invoice = shop.invoice()
    said = shop.pay(invoice=invoice).json()

    answer = shop.status(invoice)

    assert answer.status_code == 200
    assert answer.json()["result"] == {"code": "100", "message": "SUCCESS"}
    inner = answer.json()["transaction"]["p2p"]
    assert inner.pop("createdDate")
    assert inner == {
        "id": said["id"],
        "invoiceID": invoice,
        "amount": 100,
        "currency": "KZT",
        "terminal": PUBLIC_TEST.terminals[0],
        "terminalID": "95555555",
        "reference": said["reference"],
        "statusName": "AUTH",
        "reasonCode": "0",
    }


def test_a_declined_order_says_reject_and_why(shop: Any) -> None:
    invoice = shop.invoice()
    shop.pay("[decline:484]", invoice)

    inner = shop.status(invoice).json()["transaction"]["p2p"]

    assert (inner["statusName"], inner["reasonCode"]) == ("REJECT", "484")


def test_an_order_that_nobody_sent_is_not_found(shop: Any) -> None:
    answer = shop.status(shop.invoice())

    assert (answer.status_code, answer.json()["result"]["code"]) == (400, "102")
    assert "transaction" not in answer.json()


def test_an_order_number_that_is_none_is_rejected(shop: Any) -> None:
    assert shop.status("12345").json()["result"]["code"] == "101"


def test_the_address_without_api_answers_too(shop: Any) -> None:
    invoice = shop.invoice()
    shop.pay(invoice=invoice)
    token = shop.token(
        scope="webapi usermanagement email_send verification statement statistics payment", invoiceID=None, amount=None
    )

    address = f"{shop.bank.url}/check-status/p2p/transaction/{invoice}"
    answer = shop.web.get(address, headers={"Authorization": f"Bearer {token}"})

    assert answer.json()["transaction"]["p2p"]["statusName"] == "AUTH"


@pytest.mark.parametrize("word", ["NEW", "FINGERPRINT", "CHARGE", "CANCEL", "CANCEL_OLD", "REFUND", "SOMETHING"])
def test_any_word_of_the_contract_can_be_had(shop: Any, word: str) -> None:
    invoice = shop.invoice()
    shop.pay(f"[state:{word}]", invoice)

    assert shop.word(invoice) == word


def test_an_order_is_not_found_for_as_long_as_the_inquiry_lags(open_shop: Callable[..., Any], hand: Any) -> None:
    shop = open_shop(clock=hand, lag_s=5)
    late, later = shop.invoice(), shop.invoice()
    shop.pay(invoice=late)
    shop.pay("[lag:10]", later)

    assert [shop.word(late), shop.word(later)] == ["102", "102"]
    hand.now += 5
    assert [shop.word(late), shop.word(later)] == ["AUTH", "102"]
    hand.now += 5
    assert shop.word(later) == "AUTH"


def test_not_found_can_be_said_falsely(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(false_not_found=1)
    once, twice = shop.invoice(), shop.invoice()
    shop.pay(invoice=once)
    shop.pay("[false-not-found:2]", twice)

    assert [shop.word(once) for _ in range(2)] == ["102", "AUTH"]
    assert [shop.word(twice) for _ in range(3)] == ["102", "102", "AUTH"]


def test_an_order_of_another_terminal_is_not_told_and_of_another_merchant_not_known(
    open_shop: Callable[..., Any],
) -> None:
    two = Merchant(PUBLIC_TEST.client_id, PUBLIC_TEST.client_secret, (*PUBLIC_TEST.terminals, "second-terminal"))
    other = Merchant("other", "its secret & (more) #", ("third-terminal",))
    shop = open_shop(merchants=(two, other))
    invoice = shop.invoice()
    shop.pay(invoice=invoice)
    scope = {
        "scope": "webapi usermanagement email_send verification statement statistics payment",
        "invoiceID": None,
        "amount": None,
    }

    second = shop.token(**scope, terminal="second-terminal")
    third = shop.token(**scope, terminal="third-terminal", client_id="other", client_secret=other.client_secret)

    assert shop.status(invoice, second).json()["result"]["code"] == "109"
    assert shop.status(invoice, third).json()["result"]["code"] == "102"
