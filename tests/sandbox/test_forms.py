"""The other forms of an answer that the contract's words allow: each is asked for by a word in the description."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest

SUCCESS = "/payform/success.html"


@pytest.mark.parametrize(
    ("words", "holder", "names"),
    [
        ("[3ds-id-inside]", "secure3D", {"id", "paReq", "md", "action", "termURL"}),
        ("[3ds-lower]", "secure3d", {"pareq", "md", "action"}),
        ("[3ds-upper]", "", {"ID", "PAREQ", "MD", "Action", "orderID"}),
    ],
)
def test_a_challenge_can_be_had_in_other_spellings(shop: Any, words: str, holder: str, names: set[str]) -> None:
    _, said = shop.challenged(words)

    assert set(said[holder] if holder else said) == names
    assert ("id" in said) == (words == "[3ds-lower]")


def confirmed(shop: Any, form: str) -> Any:
    invoice, said = shop.challenged(f"Перевод [3ds][confirm-answer:{form}]")
    return shop.finish(invoice, said)


@pytest.mark.parametrize(
    ("form", "address_of"),
    [
        ("redirect", lambda answer: answer.headers["location"]),
        ("body", lambda answer: answer.text),
        ("url", lambda answer: answer.json()["url"]),
        ("string", lambda answer: answer.json()),
        ("html", lambda answer: answer.text.partition("url=")[2].partition('"')[0].replace("&amp;", "&")),
        ("cp1251", lambda answer: answer.headers["location"]),
    ],
)
def test_a_confirm_is_answered_in_the_form_that_was_asked_for(
    shop: Any, form: str, address_of: Callable[[Any], str]
) -> None:
    answer = confirmed(shop, form)
    address = urlsplit(address_of(answer))

    assert (address.netloc, address.path) == ("epay.homebank.kz", SUCCESS)
    assert dict(parse_qsl(address.query, errors="replace"))["amount"] == "100"
    raw = address.query.partition("description=")[2].partition("+")[0]
    assert unquote_to_bytes(raw).decode("cp1251" if form == "cp1251" else "utf-8") == "Перевод"


@pytest.mark.parametrize(
    ("form", "page"),
    [("back-link", "https://epay.homebank.kz/demo/success.html"), ("foreign", f"https://epay.example.kz{SUCCESS}")],
)
def test_a_confirm_may_lead_elsewhere(shop: Any, form: str, page: str) -> None:
    assert confirmed(shop, form).headers["location"].partition("?")[0] == page


def test_a_form_that_is_none_is_an_ordinary_word(shop: Any) -> None:
    assert confirmed(shop, "telegram").headers["location"].startswith(f"https://epay.homebank.kz{SUCCESS}?")


def test_a_status_can_be_flat_and_without_its_word(shop: Any) -> None:
    invoice = shop.invoice()
    shop.pay("[flat][no-status]", invoice)

    said = shop.status(invoice).json()

    assert (said["resultCode"], said["transaction"]["invoiceID"]) == ("100", invoice)
    assert "result" not in said
    assert "statusName" not in json.dumps(said)


SAVED = "88481433-595e-4c01-941f-34569db2426e"


def test_what_the_banks_sdk_leaves_out_may_be_missing(shop: Any) -> None:
    """A receiver's `id`, or `cardCred`, and a saved sender's CVC, expiry and name."""
    for left_out in ("id", "cardCred"):
        invoice = shop.invoice()
        body = shop.body(invoice)
        body["card"]["receiver"] = {"save": False, "transferType": "TYPECARDID", "id": SAVED, "cardCred": SAVED}
        body["card"]["sender"] |= {"transferType": "TYPECARDID", "cardCred": SAVED}
        del body["card"]["receiver"][left_out]
        for name in ("cvc", "expire", "name"):
            del body["card"]["sender"][name]

        assert shop.send(body, shop.token(invoiceID=invoice)).json()["code"] == 0


@pytest.mark.parametrize(("part", "name"), [("sender", "cvc"), ("sender", "expire"), ("receiver", "id")])
def test_a_card_by_its_number_has_every_field(shop: Any, part: str, name: str) -> None:
    body = shop.body()
    del body["card"][part][name]

    assert shop.send(body, shop.token()).json()["message"] == f"card.{part}.{name}: is missing"
