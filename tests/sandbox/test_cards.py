"""The contract's test cards, and any other card."""

from typing import Any

import pytest

PAYS = [
    ("4405639704015096", "01", "25", "815"),
    ("5522042705066736", "01", "25", "525"),
    ("377514500004820", "01", "25", "4169"),
    ("4111111111111111", "12", "99", "000"),
]


def pay_with(shop: Any, number: str, month: str, year: str, cvc: str) -> dict[str, Any]:
    invoice = shop.invoice()
    body = shop.body(invoice)
    body["card"]["sender"] |= {"cardCred": number, "expire": {"month": month, "year": year}, "cvc": cvc}
    said: dict[str, Any] = shop.send(body, shop.token(invoiceID=invoice)).json()
    return said


@pytest.mark.parametrize("card", PAYS)
def test_an_unlocked_card_pays(shop: Any, card: tuple[str, str, str, str]) -> None:
    assert pay_with(shop, *card)["code"] == 0


@pytest.mark.parametrize(
    ("number", "cvc", "code"), [("4003032704547597", "170", 479), ("5578342710750560", "254", 492)]
)
def test_a_locked_card_neither_pays_nor_receives(shop: Any, number: str, cvc: str, code: int) -> None:
    assert pay_with(shop, number, "09", "20", cvc)["code"] == code

    invoice = shop.invoice()
    body = shop.body(invoice)
    body["card"]["receiver"]["cardCred"] = number
    assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == code


@pytest.mark.parametrize("card", PAYS[:3])
def test_a_test_card_wants_its_own_expiry_and_cvc(shop: Any, card: tuple[str, str, str, str]) -> None:
    number, month, year, cvc = card
    wrong = "0" * len(cvc)

    assert pay_with(shop, number, "02", year, cvc)["code"] == 457
    assert pay_with(shop, number, month, "26", cvc)["code"] == 457
    assert pay_with(shop, number, month, year, wrong)["code"] == 486


@pytest.mark.parametrize(("number", "cvc"), [("377514500004820", "416"), ("4111111111111111", "1234")])
def test_american_express_has_four_digits_of_cvc_and_others_three(shop: Any, number: str, cvc: str) -> None:
    assert pay_with(shop, number, "01", "25", cvc)["message"].startswith("card.sender.cvc: ")
