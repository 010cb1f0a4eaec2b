"""What the bank's answers to an inquiry mean."""

import json
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.worker.bank.outcome import StatusReport, StatusWord
from epay_transfers.worker.bank.parse_status import read_status
from tests.support.bank_examples import (
    INVOICE,
    ORDER,
    SAMPLES,
    SUCCESS,
    TRANSACTION,
    heard,
    order,
    status_body,
    without,
)


def status(body: object, http: int = 200, **more: Any) -> StatusReport:
    return read_status(ORDER, heard(body, http), **more)


@pytest.mark.parametrize(
    ("name", "word", "why"),
    [
        ("AUTH", StatusWord.PAID, ""),
        ("CHARGE", StatusWord.PAID, ""),
        ("NEW", StatusWord.NOT_YET, ""),
        ("FINGERPRINT", StatusWord.NOT_YET, ""),
        ("VERIFIED", StatusWord.NOT_YET, ""),
        ("3D", StatusWord.CHALLENGE_OPEN, ""),
        ("REJECT", StatusWord.NOT_PAID, ""),
        ("FAILED", StatusWord.NOT_PAID, ""),
        ("CANCEL", StatusWord.GIVEN_BACK, ""),
        ("CANCEL_OLD", StatusWord.GIVEN_BACK, ""),
        ("REFUND", StatusWord.GIVEN_BACK, ""),
        ("PAID", StatusWord.NOT_YET, "unknown_status"),
        ("auth", StatusWord.NOT_YET, "unknown_status"),
        ("", StatusWord.NOT_YET, "no_status"),
        (None, StatusWord.NOT_YET, "no_status"),
        (5, StatusWord.NOT_YET, "unknown_status"),
    ],
)
@pytest.mark.parametrize("http", [200, 400])
def test_each_status_reads_as_the_contract_says(name: object, word: StatusWord, why: str, http: int) -> None:
    report = status(status_body(statusName=name), http)

    assert (report.word, report.why, report.result_code) == (word, why, "100")


def test_a_report_carries_what_ops_want_to_see() -> None:
    assert status(status_body(statusName="FAILED", reasonCode=484)) == StatusReport(
        StatusWord.NOT_PAID,
        status_name="FAILED",
        result_code="100",
        bank_id="a9e1b986",
        reference="204978430339",
        code="484",
    )


def test_which_words_mean_paid_is_a_setting() -> None:
    assert status(status_body(), paid_words=("CHARGE",)).word is StatusWord.NOT_YET
    assert status(status_body(statusName="CHARGE"), paid_words=("CHARGE",)).word is StatusWord.PAID


@pytest.mark.parametrize("name", ["AUTH", "CHARGE", "REFUND", "REJECT", "3D"])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"invoiceID": "251124000002"}, "foreign_invoice"),
        ({"invoiceID": ""}, "no_invoice"),
        ({"orderID": "251124000002"}, "foreign_invoice"),
        ({"amount": 20}, "foreign_amount"),
        ({"amount": "200.01"}, "foreign_amount"),
        ({"currency": "USD"}, "foreign_currency"),
    ],
)
def test_a_word_about_another_order_is_no_word_about_ours(name: str, change: dict[str, Any], why: str) -> None:
    report = status(status_body(statusName=name, **change))

    assert (report.word, report.why, report.status_name) == (StatusWord.NOT_YET, why, name)


def _around(place: str, **more: Any) -> dict[str, Any]:
    body = status_body()
    where = {"top": body, "outer": body["transaction"], "inner": body["transaction"]["p2p"]}[place]
    where |= more
    return body


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"invoiceId": "251124000002"}, "foreign_invoice"),
        ({"orderid": "251124000002"}, "foreign_invoice"),
        ({"Amount": 20}, "foreign_amount"),
        ({"CURRENCY": "USD"}, "foreign_currency"),
        ({"statusname": "REJECT"}, "two_statuses"),
        ({"ReasonCode": "484"}, "contradiction"),
    ],
)
@pytest.mark.parametrize("place", ["top", "outer", "inner"])
def test_what_stands_around_or_in_another_case_must_agree(place: str, more: dict[str, Any], why: str) -> None:
    report = status(_around(place, **more))

    assert (report.word, report.why) == (StatusWord.NOT_YET, why)


@pytest.mark.parametrize("name", ["AUTH", "CHARGE", "REFUND"])
def test_a_payment_with_the_code_of_a_decline_is_in_doubt(name: str) -> None:
    report = status(status_body(statusName=name, reasonCode=484))

    assert (report.word, report.why) == (StatusWord.NOT_YET, "contradiction")
    assert status(status_body(statusName=name, reasonCode="00")).why == ""


@pytest.mark.parametrize(
    ("code", "said"), [("DENIED", "DENIED"), ("4405639704015096", "*" * 16), (True, ""), ([1], "")]
)
def test_a_result_that_is_no_code_is_shown_as_the_bank_wrote_it(code: object, said: str) -> None:
    for body in (status_body(code=code), flat(code)):
        report = status(body)

        assert (report.word, report.why, report.said) == (StatusWord.UNANSWERED, "unknown_result", said)


def test_no_card_is_kept_of_a_report() -> None:
    report = status(status_body(id="4405639704015096", reference="4405639704015096", statusName="4405639704015096"))

    assert "4405639704015096" not in repr(report)
    assert report.reference == "*" * 16


@pytest.mark.parametrize("missing", ["amount", "currency", "invoiceID"])
def test_paid_is_said_only_with_invoice_amount_and_currency(missing: str) -> None:
    assert status(status_body(without(TRANSACTION, missing))).word is StatusWord.NOT_YET


def test_a_transaction_may_stand_one_level_higher() -> None:
    assert status({"result": {"code": 100}, "transaction": TRANSACTION}).word is StatusWord.PAID


@pytest.mark.parametrize(
    ("code", "word", "why"),
    [
        ("101", StatusWord.UNANSWERED, "rejected"),
        ("102", StatusWord.NOT_FOUND, ""),
        (102, StatusWord.NOT_FOUND, ""),
        ("103", StatusWord.UNANSWERED, "ask_again"),
        ("104", StatusWord.UNANSWERED, "wrong_terminal"),
        ("106", StatusWord.UNANSWERED, "bank_error"),
        ("107", StatusWord.NOT_YET, ""),
        ("109", StatusWord.UNANSWERED, "wrong_terminal"),
        ("108", StatusWord.UNANSWERED, "unknown_result"),
        ("0", StatusWord.UNANSWERED, "unknown_result"),
        ("", StatusWord.UNANSWERED, "unknown_result"),
    ],
)
def test_the_result_s_code_comes_first(code: object, word: StatusWord, why: str) -> None:
    report = status(status_body(without(TRANSACTION, "statusName"), code=code))

    assert (report.word, report.why, report.result_code) == (word, why, str(code))


@pytest.mark.parametrize("name", ["statusName", "STATUSNAME"])
@pytest.mark.parametrize("place", ["flat", "transaction", "p2p"])
@pytest.mark.parametrize("said", ["AUTH", "3D", "REJECT", "SOMETHING_NEW"])
def test_what_is_not_found_and_has_a_status_is_no_answer(name: str, place: str, said: str) -> None:
    """Believed, it would end a parked transfer as one for which no money moved."""
    flat = {"resultCode": "102", name: said}
    outer = {"result": {"code": "102"}, "transaction": {name: said}}
    body = {"flat": flat, "transaction": outer, "p2p": status_body({name: said}, code="102")}[place]

    report = status(body)

    assert (report.word, report.why, report.said) == (StatusWord.UNANSWERED, "contradiction", said)


@pytest.mark.parametrize(
    ("body", "http", "why"),
    [
        (b"", 200, "empty"),
        (b"<html>", 200, "html"),
        (b"[]", 200, "not_json"),
        (SUCCESS, 200, "unknown_result"),
        ({"result": "100", "transaction": TRANSACTION}, 200, "unknown_result"),
        (status_body(), 401, "http_401"),
        (status_body(), 500, "http_500"),
        (status_body(), 302, "http_302"),
        (status_body(), 202, "http_202"),
        (status_body(), 405, "http_405"),
        (status_body(code="102"), 502, "http_502"),
    ],
)
def test_what_is_not_the_bank_s_answer_is_none(body: object, http: int, why: str) -> None:
    report = status(body, http)

    assert (report.word, report.why) == (StatusWord.UNANSWERED, why)


def test_not_found_may_come_under_the_status_of_its_name() -> None:
    """But only as the bank's own word: a gateway's 404 says nothing of an order."""
    assert status(status_body({}, code="102"), 404).word is StatusWord.NOT_FOUND
    assert status(b"", 404).word is StatusWord.UNANSWERED


@pytest.mark.parametrize(("body", "http"), [(b"", 503), (SUCCESS, 200)])
def test_an_answer_that_is_none_still_says_when_to_come_back(body: object, http: int) -> None:
    assert read_status(ORDER, heard(body, http, retry_after_s=7.0)).retry_after_s == 7.0


def flat(code: object = "100", **changes: Any) -> dict[str, Any]:
    return {"resultCode": code, "resultMessage": "SUCCESS", "transaction": TRANSACTION | changes}


@pytest.mark.parametrize("name", ["AUTH", "REJECT", "REFUND", "VERIFIED", "3D", "else", ""])
def test_a_flat_answer_reads_as_a_nested_one(name: str) -> None:
    """As the payments' page shows it: `resultCode`, and the transaction without `p2p`."""
    assert status(flat(statusName=name)) == status(status_body(statusName=name))
    assert status(flat(statusName=name, amount=20)) == status(status_body(statusName=name, amount=20))


@pytest.mark.parametrize(("code", "word"), [("102", StatusWord.NOT_FOUND), (107, StatusWord.NOT_YET)])
def test_a_flat_result_code_is_the_result_s(code: object, word: StatusWord) -> None:
    assert status(flat(code, statusName="")).word is word


def test_two_results_or_two_statuses_that_differ_say_nothing() -> None:
    both = status_body() | {"resultCode": "102"}
    inner = status_body()
    inner["transaction"] |= {"statusName": "REJECT"}

    assert (status(both).word, status(both).why) == (StatusWord.UNANSWERED, "unknown_result")
    assert (status(inner).word, status(inner).why) == (StatusWord.NOT_YET, "two_statuses")
    assert status(status_body() | {"resultCode": 100}).word is StatusWord.PAID


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Оплачен", "Оплачен"),
        ("X" * 40, "X" * 40),
        ("4405639704015096 ok", "**************** ok"),
        ("AUTH", ""),
        (None, ""),
        (5, "5"),
        (True, ""),
        ("4405639704015096", "*" * 16),
    ],
)
def test_a_status_that_is_no_plain_word_is_shown_as_the_bank_wrote_it(name: object, said: str) -> None:
    report = status(status_body(statusName=name))

    assert report.said == said
    assert (report.word is StatusWord.PAID) == (name == "AUTH")


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("status-*.json")), ids=lambda path: path.stem)
def test_each_sample_of_an_inquiry_is_paid_and_without_its_word_in_doubt(path: Path) -> None:
    """A paid one without `statusName` has been described: it is in doubt, with the bank's id for the operator."""
    shop = order(invoice_id="261128000017", amount_minor=100_00)
    nameless = json.loads(path.read_text())
    inner = nameless["transaction"].get("p2p", nameless["transaction"])
    del inner["statusName"]

    assert read_status(shop, heard(path.read_bytes())).word is StatusWord.PAID
    report = read_status(shop, heard(nameless))
    assert (report.word, report.why) == (StatusWord.NOT_YET, "no_status")
    assert (report.bank_id, report.reference) == ("00000000-0000-4000-8000-000000000002", "204978430339")


@pytest.mark.parametrize("transaction", [None, [], "AUTH", {"p2p": None}, {"p2p": [TRANSACTION]}])
def test_an_answer_without_a_transaction_says_nothing_yet(transaction: object) -> None:
    report = status({"result": {"code": "100"}, "transaction": transaction, "invoiceID": INVOICE})

    assert report.word is StatusWord.NOT_YET
