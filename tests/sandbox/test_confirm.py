"""The confirm: executing once, declining, its fields, its token, its answer (contract, section 4)."""

from collections.abc import Callable
from typing import Any

import pytest


def test_a_confirm_executes_and_answers_with_all_parameters(shop: Any) -> None:
    invoice, said = shop.challenged()

    answer = shop.finish(invoice, said)

    page, found = shop.query(answer.headers["location"])
    assert (answer.status_code, page) == (302, "https://epay.homebank.kz/payform/success.html")
    entry = shop.book(invoice)
    assert found == {
        "amount": "100",
        "currency": "KZT",
        "invoiceID": invoice,
        "accountID": "",
        "description": "[3ds]",
        "reference": entry["reference"],
        "language": "rus",
        "cardid": "",
    }
    assert (entry["state"], entry["executions"], shop.word(invoice)) == ("AUTH", 1, "AUTH")


@pytest.mark.parametrize(("number", "text"), [(100.0, "100"), (100.5, "100.5"), (1e6, "1000000")])
def test_the_amount_in_the_address_is_a_plain_number(shop: Any, number: float, text: str) -> None:
    invoice = shop.invoice()
    body = shop.body(invoice, "[3ds]")
    body["order"]["amount"] = number
    said = shop.send(body, shop.token(invoiceID=invoice, amount=text)).json()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}

    answer = shop.confirm(document, shop.token(invoiceID=invoice, amount=text))

    assert shop.query(answer.headers["location"])[1]["amount"] == text
    assert shop.book(invoice)["moved"] == text


@pytest.mark.parametrize(("password", "code"), [("wrong", "468"), (None, "473")])
def test_a_wrong_password_and_a_cancel_decline(shop: Any, password: str | None, code: str) -> None:
    invoice, said = shop.challenged()

    answer = shop.finish(invoice, said, password)

    page, found = shop.query(answer.headers["location"])
    assert (answer.status_code, page) == (302, "https://epay.homebank.kz/payform/")
    assert (found["invoiceID"], found["code"]) == (invoice, code)
    assert found["message"]
    assert (shop.word(invoice), shop.book(invoice)["executions"]) == ("REJECT", 0)
    again = shop.finish(invoice, said)
    assert shop.query(again.headers["location"])[1]["code"] == code


def test_a_second_confirm_says_yes_again_and_executes_nothing(shop: Any) -> None:
    invoice, said = shop.challenged()

    answers = [shop.finish(invoice, said).headers["location"] for _ in range(3)]

    assert len(set(answers)) == 1
    entry = shop.book(invoice)
    assert (entry["executions"], entry["confirms_received"], entry["repeated_confirms"]) == (1, 3, 2)


def test_a_pa_res_of_another_challenge_or_of_nobody_declines(shop: Any) -> None:
    for pa_res in (shop.answer(shop.challenged()[1]["md"]), "QUJD"):
        invoice, said = shop.challenged()
        document = {"ID": said["id"], "PaRes": pa_res, "MD": said["md"]}

        answer = shop.confirm(document, shop.token(invoiceID=invoice))

        assert shop.query(answer.headers["location"])[1]["code"] == "468"
        assert shop.book(invoice)["executions"] == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ID": None}, "ID"),
        ({"ID": 7}, "ID"),
        ({"ID": ""}, "ID"),
        ({"ID": "another"}, "ID"),
        ({"PaRes": None}, "PaRes"),
        ({"PaRes": "not base64"}, "PaRes"),
        ({"PaRes": "QUJD\nQUJD"}, "PaRes"),
        ({"MD": None}, "MD"),
        ({"MD": "1-A"}, "MD"),
        ({"Md": "x"}, "Md"),
    ],
)
def test_a_wrong_field_of_a_confirm_is_refused_by_its_name(shop: Any, change: dict[str, Any], field: str) -> None:
    invoice, said = shop.challenged()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]} | change
    token = shop.token(invoiceID=invoice)

    answer = shop.confirm({name: value for name, value in document.items() if value is not None}, token)

    assert (answer.status_code, answer.json()["message"].partition(":")[0]) == (400, field)
    assert shop.book(invoice)["executions"] == 0


def test_the_pages_own_sample_with_its_comma_is_no_json(shop: Any) -> None:
    answer = shop.web.post(shop.bank.addresses.confirm, data='{"ID": "a", "PaRes": "QUJD", "MD": "b",}')

    assert answer.json()["message"] == "body: must be valid JSON in UTF-8"


def test_a_confirm_takes_a_fresh_token_of_its_own_transfer(shop: Any) -> None:
    invoice = shop.invoice()
    used = shop.token(invoiceID=invoice)
    said = shop.send(shop.body(invoice, "[3ds]"), used).json()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}

    for token in (None, used, shop.token(invoiceID=shop.invoice()), "unknown"):
        assert shop.confirm(document, token).status_code == 401
    fresh = shop.token(invoiceID=invoice)
    assert shop.confirm(document, fresh).status_code == 302
    assert shop.confirm(document, fresh).status_code == 401
    assert shop.send(shop.body(invoice, "[3ds]"), fresh).json()["message"].startswith("Authorization: ")


def test_a_confirm_can_be_told_to_want_no_token(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(confirm_auth="none")
    _, said = shop.challenged()

    answer = shop.confirm({"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}, None)

    assert "success.html" in answer.headers["location"]


@pytest.mark.parametrize(
    ("style", "statuses"), [("redirect", [302, 302]), ("body", [200, 200]), ("alternate", [302, 200])]
)
def test_the_address_comes_as_a_redirect_or_in_the_body(
    open_shop: Callable[..., Any], style: str, statuses: list[int]
) -> None:
    shop = open_shop(confirm_answer=style)
    invoice, said = shop.challenged()

    answers = [shop.finish(invoice, said) for _ in range(2)]

    assert [answer.status_code for answer in answers] == statuses
    for answer in answers:
        address = answer.headers.get("location") or answer.text
        assert shop.query(address)[1]["invoiceID"] == invoice


def test_a_challenge_ends(open_shop: Callable[..., Any], hand: Any) -> None:
    shop = open_shop(clock=hand, challenge_ttl_s=900)
    invoice, said = shop.challenged()
    hand.now += 899
    assert (shop.word(invoice), shop.bank.totals()["unanswered_challenges"]) == ("3D", 1)

    hand.now += 1

    assert (shop.word(invoice), shop.bank.totals()["unanswered_challenges"]) == ("FAILED", 0)
    assert shop.query(shop.finish(invoice, said).headers["location"])[1]["code"] == "468"
    assert (shop.word(invoice), shop.book(invoice)["executions"]) == ("FAILED", 0)


def test_a_careless_bank_executes_both_challenges_of_a_doubled_transfer(shop: Any) -> None:
    invoice, first = shop.challenged()
    _, second = shop.challenged(invoice=invoice)

    assert first["id"] != second["id"]
    for said in (first, second):
        assert "success.html" in shop.finish(invoice, said).headers["location"]
    assert shop.book(invoice)["executions"] == 2
