"""What the bank's answers to a confirm mean: a redirect, a page, or JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from epay_transfers.worker.bank.outcome import CodeClass, Declined, Evidence, Paid, Unclear
from epay_transfers.worker.bank.parse_response import read_confirm
from tests.support.bank_examples import (
    CHALLENGE,
    FAILURE,
    FAILURE_PAGE,
    INVOICE,
    ORDER,
    SUCCESS,
    SUCCESS_PAGE,
    SUCCESS_QUERY,
    heard,
)

YES = f"{SUCCESS_PAGE}?{SUCCESS_QUERY}"
NO = f"{FAILURE_PAGE}?invoiceID={INVOICE}&code=484&message=Insufficient+funds"
PAID = Paid(reference="204978430339")
DECLINED = Declined("484", "Insufficient funds", CodeClass.DECLINED)


def confirm(body: object = b"", status: int = 200, **more: Any) -> Any:
    return read_confirm(ORDER, heard(body, status, **more))


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308])
def test_a_location_is_read_and_not_followed(status: int) -> None:
    assert confirm(status=status, location=YES) == PAID
    assert confirm(status=status, location=NO) == DECLINED


@pytest.mark.parametrize("status", [201, 206, 400, 404, 500])
def test_a_location_under_any_other_status_says_nothing(status: int) -> None:
    assert isinstance(confirm(status=status, location=YES), Unclear)
    assert isinstance(confirm(status=status, location=NO), Unclear)


def test_a_saved_card_is_told() -> None:
    assert confirm(status=302, location=f"{YES}88481433-595e") == replace(PAID, sender_card_id="88481433-595e")


@pytest.mark.parametrize("status", [200, 302])
def test_the_page_of_failure_never_says_paid_whatever_its_query_says(status: int) -> None:
    address = f"{FAILURE_PAGE}?{SUCCESS_QUERY}&code=0&status=AUTH"

    outcome = confirm(status=status, location=address)

    assert isinstance(outcome, Unclear)
    assert outcome.why == "contradiction"


@pytest.mark.parametrize(
    "dress",
    [
        "{}",
        "{}\n",
        '"{}"',
        '<html><head><meta http-equiv="refresh" content="0; url={}"></head></html>',
        "<script>window.location = '{}';</script>",
    ],
)
def test_an_address_in_a_body_is_the_same(dress: str) -> None:
    assert confirm(dress.replace("{}", YES).encode()) == PAID
    assert confirm(dress.replace("{}", NO).encode()) == DECLINED


def test_an_address_in_a_body_may_be_escaped() -> None:
    assert confirm(json.dumps(YES).replace("/", r"\/").replace("&", r"\u0026").encode()) == PAID
    assert confirm(f'<a href="{YES.replace("&", "&amp;")}">'.encode()) == PAID


def test_the_description_may_be_in_any_script() -> None:
    assert confirm(status=302, location=YES.replace("TEST+p2p", "Перевод")) == PAID
    assert confirm(status=302, location=YES.replace("TEST+p2p", "%D0%9F%D0%B5%D1%80")) == PAID


def test_json_of_the_transfer_s_forms_is_taken_too() -> None:
    assert isinstance(confirm(SUCCESS), Paid)
    assert confirm(FAILURE, 400) == DECLINED


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (YES.replace("amount=200", "amount=20"), "foreign_amount"),
        (YES.replace("amount=200", "amount="), "no_amount"),
        (YES.replace("amount=200", "amount=200&amount=20"), "odd_address"),
        (YES.replace("KZT", "USD"), "foreign_currency"),
        (YES.replace(INVOICE, "251124000002"), "foreign_invoice"),
        (YES.replace("invoiceID", "other"), "no_invoice"),
        (YES + "&code=484", "contradiction"),
        (YES + "&code=ok", "contradiction"),
        (YES.replace("https", "http"), "odd_address"),
        (YES.replace("success.html", "other.html"), "odd_address"),
        (YES.replace("/payform/success.html", "/payform/"), "no_code"),
        (SUCCESS_PAGE, "no_invoice"),
        (NO.replace("484", "100"), "question_code"),
        (NO.replace("484", "0"), "contradiction"),
        (NO.replace("484", ""), "no_code"),
        (NO.replace(INVOICE, "251124000002"), "foreign_invoice"),
        (NO.replace("invoiceID", "other"), "no_invoice"),
        ("/payform/success.html?" + SUCCESS_QUERY, "odd_address"),
        ("https://[::1/payform/", "odd_address"),
        (YES + "&a" * 60, "odd_address"),
        (YES.replace("TEST", "%FF"), "odd_address"),
    ],
)
def test_an_address_that_is_not_ours_to_the_letter_is_in_doubt(address: str, reason: str) -> None:
    outcome = confirm(status=302, location=address)

    assert isinstance(outcome, Unclear)
    assert outcome.why == reason
    assert outcome.evidence is Evidence.ANSWERED


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 200, "empty"),
        (b"", 302, "http_302"),
        (b"<html>thanks</html>", 200, "html"),
        (YES.encode(), 400, "not_json"),
        (YES.encode(), 500, "http_500"),
        (f"{YES} {NO}".encode(), 200, "two_addresses"),
        (b"\xff" + YES.encode(), 200, "not_json"),
        (SUCCESS, 502, "http_502"),
        (SUCCESS, 302, "http_302"),
        (CHALLENGE, 200, "challenge_again"),
        (SUCCESS | {"status": "3D"}, 200, "challenge_again"),
        ({"url": YES}, 200, "no_code"),
    ],
)
def test_a_body_that_does_not_say_it_plainly_is_in_doubt(body: object, status: int, reason: str) -> None:
    outcome = confirm(body, status)

    assert isinstance(outcome, Unclear)
    assert outcome.why == reason


def test_an_address_in_a_body_without_a_proved_end_is_in_doubt() -> None:
    """`amount=200` may be the beginning of `amount=2000`."""
    assert confirm(YES.encode(), framed=False).why == "unframed"
    assert isinstance(confirm(SUCCESS, framed=False), Paid)


def test_only_the_query_decides_and_no_card_comes_out_of_it() -> None:
    declined = confirm(status=302, location=NO.replace("Insufficient+funds", "card+4405639704015096"))

    assert declined.message == "card ****************"
