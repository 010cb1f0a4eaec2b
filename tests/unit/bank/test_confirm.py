"""What the bank's answers to a confirm mean: a redirect, a page, or JSON."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.worker.bank.order import Addresses, Order
from epay_transfers.worker.bank.outcome import CodeClass, Declined, Evidence, Paid, Unclear
from epay_transfers.worker.bank.parse_confirm import read_confirm
from tests.support.bank_examples import (
    CHALLENGE,
    FAILURE,
    FAILURE_PAGE,
    INVOICE,
    ORDER,
    SAMPLES,
    SUCCESS,
    SUCCESS_PAGE,
    SUCCESS_QUERY,
    heard,
    order,
)

YES = f"{SUCCESS_PAGE}?{SUCCESS_QUERY}"
NO = f"{FAILURE_PAGE}?invoiceID={INVOICE}&code=484&message=Insufficient+funds"
BACK, FAILURE_BACK = ORDER.back_link, ORDER.failure_back_link
LINKED = "{}?" + SUCCESS_QUERY
PAID = Paid(reference="204978430339")
DECLINED = Declined("484", "Insufficient funds", CodeClass.DECLINED)


def confirm(body: object = b"", status: int = 200, an_order: Order = ORDER, **more: Any) -> Any:
    return read_confirm(an_order, heard(body, status, **more))


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
        (YES.replace("200", "%FF"), "odd_address"),
        (YES.replace("200", "200%"), "odd_address"),
        (YES.replace("200", "200%2"), "odd_address"),
        (YES.replace("KZT", "%CA%C7%D2"), "odd_address"),
        (YES + "&currency=KZT", "odd_address"),
        (YES + f"&invoiceID={INVOICE}", "odd_address"),
        (YES + "&%61mount=200", "odd_address"),
        (YES + "&AMOUNT=20", "odd_address"),
        (YES + "&Code=484", "odd_address"),
        (YES + "&reference=1", "odd_address"),
        (YES + "&status=FAILED", "contradiction"),
        (YES + "&errorCode=484", "contradiction"),
        (YES + "&resultCode=484", "contradiction"),
        (YES + "&statusName=REJECT", "contradiction"),
        (YES + "&STATUSNAME=REJECT", "contradiction"),
        (YES + "&success=false", "contradiction"),
        (YES + "&ok=0", "contradiction"),
        (YES + "&error=declined", "contradiction"),
        (YES + "&ErrorMessage=%CF", "contradiction"),
        (YES + "&result=fail", "contradiction"),
        (YES + "&errorCode=0&errorCode=484", "odd_address"),
        (f"{YES}, https://epay.homebank.kz/payform/", "two_addresses"),
        (NO + "&statusName=AUTH", "contradiction"),
        (NO + "&resultCode=0", "contradiction"),
        (YES + "&reasonCode=484", "contradiction"),
        (YES.replace("amount=200", "amount=200%23"), "foreign_amount"),
        (YES.replace("amount=200", "amount=200#"), "foreign_amount"),
        (YES.replace("epay.homebank.kz", "epay.example.kz"), "foreign_address"),
        (YES.replace("epay.homebank.kz", "epay.homebank.kz.example.kz"), "foreign_address"),
        (YES.replace("epay.homebank.kz", "epay.homebank.kz:8443"), "foreign_address"),
        (YES.replace("epay.homebank.kz", "epay.homebank.kz@example.kz"), "odd_address"),
        (YES.replace("/payform", "/other/payform"), "odd_address"),
        (NO.replace("epay.homebank.kz", "epay.example.kz"), "foreign_address"),
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
        (f'<script>var ok=0; location = ok ? "{YES}" : "{FAILURE_PAGE}"</script>'.encode(), 200, "two_addresses"),
        (
            f'<meta http-equiv="refresh" content="0;url=/payform/?code=484"><a href="{YES}">'.encode(),
            200,
            "two_addresses",
        ),
        (f'<a href="/payform">no</a><a href="{YES}">yes</a>'.encode(), 200, "two_addresses"),
        (f'<a href="{YES}">yes</a> <!-- https://epay.homebank.kz/fail -->'.encode(), 200, "two_addresses"),
        (f'<a href="{YES}">yes</a> <!-- %2Fpayform%2F -->'.encode(), 200, "two_addresses"),
        (f"<!-- {YES} --><h1>Declined</h1>".encode(), 200, "html"),
        (f'<!-- <a href="{YES}"> --><h1>Declined</h1>'.encode(), 200, "html"),
        (f'<meta http-equiv="refresh" content="0;url=/no"><a href="{YES}">'.encode(), 200, "html"),
        (f'<script>if (paid) location = "{YES}"</script>'.encode(), 200, "html"),
        (f'<input name="successUrl" value="{YES}">'.encode(), 200, "html"),
        (f"<p>{YES}<wbr>&code=484</p>".encode(), 200, "html"),
        (f'<a href="{YES} &code=484">'.encode(), 200, "html"),
        (f"could not open {YES}".encode(), 200, "not_json"),
        (json.dumps(f"{YES} failed").encode(), 200, "not_json"),
        (SUCCESS, 502, "http_502"),
        (SUCCESS, 302, "http_302"),
        (CHALLENGE, 200, "challenge_again"),
        (SUCCESS | {"status": "3D"}, 200, "challenge_again"),
        ({"url": YES}, 201, "no_code"),
        ({"url": YES, "other": NO}, 200, "two_addresses"),
        ({"url": YES, "home": "https://epay.homebank.kz/"}, 200, "two_addresses"),
        ({"urls": [YES, NO]}, 200, "two_addresses"),
        ({"data": {"url": YES}}, 200, "no_code"),
        ({"url": YES.partition("?")[0]}, 200, "no_invoice"),
        ({"url": YES.replace("epay.homebank.kz", "epay.example.kz")}, 200, "foreign_address"),
        ({"url": YES, "code": 484}, 200, "no_invoice"),
        ({"url": YES, "code": 100}, 200, "question_code"),
        ({"url": YES, "code": "ok"}, 200, "contradiction"),
        ({"url": YES, "errorCode": 484}, 200, "contradiction"),
        ({"url": YES, "resultCode": "104"}, 200, "contradiction"),
        ({"url": YES, "error": "declined"}, 200, "contradiction"),
        ({"url": YES, "success": False}, 200, "contradiction"),
        ({"url": YES, "success": "false"}, 200, "contradiction"),
        ({"url": YES, "success": 0}, 200, "contradiction"),
        ({"url": YES, "failed": True}, 200, "contradiction"),
        ({"url": YES, "result": "error"}, 200, "contradiction"),
        ({"url": YES, "Amount": 20}, 200, "foreign_amount"),
        ({"url": YES, "page": "/payform/?code=484"}, 200, "two_addresses"),
        ({"url": NO, "data": {"statusName": "charge"}}, 200, "contradiction"),
        ({"url": YES, "data": [CHALLENGE]}, 200, "challenge_again"),
        ({"url": YES, "status": "REJECT"}, 200, "contradiction"),
        ({"url": YES, "data": {"code": 484}}, 200, "contradiction"),
        ({"url": YES, "amount": 20}, 200, "foreign_amount"),
        ({"url": YES, "data": {"invoiceId": "251124000002"}}, 200, "foreign_invoice"),
        ({"url": YES, "paReq": "eJxVUt1ugjAUvvcp"}, 200, "challenge_again"),
        ({"url": NO, "code": 0}, 200, "contradiction"),
        ({"url": NO, "status": "AUTH"}, 200, "contradiction"),
        (FAILURE | {"url": YES}, 200, "contradiction"),
        (SUCCESS | {"url": NO}, 200, "contradiction"),
        (FAILURE | {"url": YES.replace("amount=200", "amount=20")}, 200, "contradiction"),
        (FAILURE | {"data": {"url": SUCCESS_PAGE}}, 200, "contradiction"),
        (SUCCESS | {"url": FAILURE_PAGE}, 200, "contradiction"),
        (SUCCESS | {"url": "/payform/?code=484"}, 200, "contradiction"),
        (SUCCESS | {"url": NO}, 201, "contradiction"),
        (SUCCESS | {"url": YES.replace("amount=200", "amount=20")}, 200, "contradiction"),
        (FAILURE | {"url": YES}, 400, "contradiction"),
        (FAILURE | {"url": NO.replace("484", "468")}, 400, "contradiction"),
        (FAILURE | {"page": f"<a href='{YES}'>"}, 200, "contradiction"),
        ({"url": LINKED.format(BACK)}, 200, "foreign_address"),
        (LINKED.format(BACK).encode(), 200, "foreign_address"),
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


class TestWhatDoesNotMatter:
    """Only the names that we read count: a description in any encoding is no reason to doubt."""

    @pytest.mark.parametrize(
        "description",
        ["%CF%E5%F0%E5%E2%EE%E4", "%FF", "%", "%ZZ", "a%2", "\xcf\xe5\xf0", "Order #17", "a;b", "=", "%26amount%3D20"],
    )
    @pytest.mark.parametrize("status", [200, 302])
    def test_the_description_may_be_anything(self, description: str, status: int) -> None:
        assert confirm(status=status, location=YES.replace("TEST+p2p", description)) == PAID
        assert confirm(status=status, location=f"{NO}&description={description}") == DECLINED

    def test_a_name_that_is_not_read_may_be_broken_empty_or_there_twice(self) -> None:
        assert confirm(status=302, location=f"{YES}&x=1&x=2&%CF=%E5&%ZZ&=&&accountID=2") == PAID

    def test_a_message_that_can_not_be_read_is_no_reason_to_doubt_a_decline(self) -> None:
        """It decides nothing; people read it in the encodings of the bank's pages."""
        declined = confirm(status=302, location=NO.replace("Insufficient+funds", "%CE%F2%EA%E0%E7"))

        assert declined == replace(DECLINED, message="Отказ")

    def test_json_and_a_page_in_windows_1251_are_read(self) -> None:
        address = YES.replace("TEST+p2p", "Перевод…")
        for body in (json.dumps({"url": address}, ensure_ascii=False), f'"{address}"'):
            assert confirm(body.encode("cp1251")) == PAID
        page = f'<html><title>Оплата</title><a href="{YES.replace("TEST+p2p", "Перевод…")}">'

        assert confirm(page.encode("cp1251")) == PAID


class TestJson:
    def test_an_object_with_the_one_address_is_read_as_the_address(self) -> None:
        assert confirm({"url": YES}) == PAID
        assert confirm({"redirectUrl": YES, "amount": 200, "code": 0, "status": "AUTH", "invoiceId": INVOICE}) == PAID
        assert confirm({"url": NO, "code": None}) == DECLINED

    def test_the_transfers_own_form_needs_no_address_and_takes_one(self) -> None:
        """The shop's links may be in it: they say nothing."""
        assert isinstance(confirm(SUCCESS | {"backLink": BACK, "failureBackLink": FAILURE_BACK}), Paid)
        assert confirm(FAILURE | {"url": NO, "backLink": BACK}) == DECLINED

    def test_json_beside_a_location_must_not_say_otherwise(self) -> None:
        assert confirm({"code": 484}, 302, location=YES).why == "contradiction"
        assert confirm({"amount": 20}, 302, location=YES).why == "foreign_amount"
        assert confirm({"code": 0}, 302, location=YES) == PAID
        assert confirm(SUCCESS, 302, location=NO).why == "contradiction"
        assert confirm(CHALLENGE, 302, location=YES).why == "challenge_again"

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b'{"code":484,"message":"x","message":"y"}', "not_json"),
            (b'[{"code":484}]', "not_json"),
            (b'{"code":0,"status":"AUTH"', "not_json"),
            (f'<a href="{FAILURE_PAGE}">'.encode(), "two_addresses"),
            (b'<a href="/payform/?code=484">', "two_addresses"),
            (b"see https://epay.homebank.kz/", "two_addresses"),
            (f'<a href="{YES}&amp;code=484">'.encode(), "two_addresses"),
        ],
    )
    @pytest.mark.parametrize("address", [YES, NO])
    def test_a_body_beside_a_location_that_may_say_otherwise_is_a_doubt(
        self, address: str, body: bytes, reason: str
    ) -> None:
        assert confirm(body, 302, location=address).why == reason

    def test_a_body_beside_a_location_may_show_the_same_address(self) -> None:
        for address, outcome in ((YES, PAID), (NO, DECLINED)):
            shown = address.replace("&", "&amp;")
            assert confirm(f'<a href="{shown}">Found</a>'.encode(), 302, location=address) == outcome

    def test_several_locations_are_a_doubt_whatever_the_body_says(self) -> None:
        for body in (b"", SUCCESS, FAILURE, YES.encode()):
            assert confirm(body, has_more_locations=True).why == "two_addresses"

    def test_a_location_under_a_status_of_no_redirect_is_a_doubt_beside_json(self) -> None:
        assert confirm(FAILURE, 400, location=YES).why == "contradiction"
        assert confirm(SUCCESS, 201, location=NO).why == "contradiction"

    @pytest.mark.parametrize(
        "body",
        [
            f'{{"url": "{YES}", "code": 484, "code": 484}}',
            f'{{"url": "{YES}", "code": 484',
            f'\ufeff  ["{YES}"]',
            f'[{{"url": "{YES}", "code": 484}}]',
        ],
    )
    def test_json_that_is_no_plain_object_is_no_page_with_an_address(self, body: str) -> None:
        assert confirm(body.encode()).why == "not_json"

    def test_deep_json_is_a_value_too(self) -> None:
        body = json.dumps({"url": YES})[:-1].encode() + b',"a":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}"

        assert isinstance(confirm(body), Paid | Unclear)


class TestBackLink:
    """The order's own link, where it differs from the failureBackLink: paid only where the query says all of it."""

    def test_a_redirect_there_is_the_page_of_success(self) -> None:
        assert confirm(status=302, location=LINKED.format(BACK)) == PAID

    def test_its_own_query_stays(self) -> None:
        own = replace(ORDER, back_link=f"{BACK}?order=5")

        assert confirm(status=302, location=f"{BACK}?order=5&{SUCCESS_QUERY}", an_order=own) == PAID
        assert isinstance(confirm(status=302, location=f"{BACK}?order=6&{SUCCESS_QUERY}", an_order=own), Unclear)

    def test_what_it_says_of_our_order_by_itself_counts_for_nothing(self) -> None:
        own = replace(ORDER, back_link=f"{BACK}?{SUCCESS_QUERY}")

        assert isinstance(confirm(status=302, location=own.back_link, an_order=own), Unclear)
        assert isinstance(confirm(status=302, location=f"{own.back_link}&x=1", an_order=own), Unclear)
        other = replace(ORDER, back_link=f"{BACK}?amount=20")
        assert isinstance(confirm(status=302, location=f"{BACK}?amount=20&{SUCCESS_QUERY}", an_order=other), Unclear)

    @pytest.mark.parametrize(
        "address",
        [
            BACK,
            f"{BACK}?amount=200&currency=KZT",
            LINKED.format(BACK).replace("200", "20"),
            LINKED.format(BACK).replace(INVOICE, "251124000002"),
            LINKED.format(BACK) + "&code=484",
            LINKED.format(f"{BACK}/more"),
            LINKED.format(BACK.replace("shop", "other")),
            LINKED.format(BACK.replace("https", "http")),
        ],
    )
    def test_anything_less_is_in_doubt(self, address: str) -> None:
        assert isinstance(confirm(status=302, location=address), Unclear)

    @pytest.mark.parametrize("query", [SUCCESS_QUERY, f"invoiceID={INVOICE}&code=484", ""])
    def test_a_redirect_to_the_failure_back_link_says_nothing_that_is_believed(self, query: str) -> None:
        outcome = confirm(status=302, location=f"{FAILURE_BACK}?{query}")

        assert isinstance(outcome, Unclear)
        assert outcome.why == "failure_link"

    @pytest.mark.parametrize(
        "failure",
        [
            *(BACK, f"{BACK}/", BACK.upper(), f"{BACK}?amount=200&currency=KZT"),
            *("", f"{BACK}?failed=1", f"{BACK}#/fail", BACK.replace("shop.example", "shop.example:443")),
        ],
    )
    def test_a_link_that_may_be_of_a_failure_says_nothing(self, failure: str) -> None:
        both = replace(ORDER, failure_back_link=failure)

        assert confirm(status=302, location=LINKED.format(BACK), an_order=both).why == "failure_link"

    @pytest.mark.parametrize("place", [BACK, FAILURE_BACK])
    def test_a_link_with_a_fragment_says_nothing(self, place: str) -> None:
        """A page of the shop may be told of a failure behind the `#`."""
        assert confirm(status=302, location=LINKED.format(place) + "#/fail").why == "odd_address"

    def test_an_order_without_links_has_none_to_be_redirected_to(self) -> None:
        bare = replace(ORDER, back_link="", failure_back_link="")

        assert confirm(status=302, location=LINKED.format(BACK), an_order=bare).why == "foreign_address"


def test_the_banks_host_is_the_documented_one_or_a_configured_one() -> None:
    """TLS proves who answers; the host proves that the address is the bank's page, and no shop's of the same path."""
    elsewhere = YES.replace("epay.homebank.kz", "test.example.kz")
    hosts = Addresses("https://auth.example.kz", "https://test.example.kz/api/p2p/transfer", None, None).hosts

    assert read_confirm(ORDER, heard(b"", 302, location=elsewhere)).why == "foreign_address"  # type: ignore[union-attr]
    assert read_confirm(ORDER, heard(b"", 302, location=elsewhere), hosts=hosts) == PAID
    assert read_confirm(ORDER, heard(b"", 302, location=YES), hosts=hosts) == PAID


def test_what_counts_as_paid_is_one_setting_for_json_and_pages() -> None:
    """A page names no status, and it is reached by AUTH: where AUTH does not count, neither does the page."""
    for body, location in ((SUCCESS, ""), (b"", YES), (b"", LINKED.format(BACK))):
        outcome = read_confirm(ORDER, heard(body, 200, location=location), paid_words=("CHARGE",))

        assert isinstance(outcome, Unclear)
        assert outcome.why == "status_not_counted"
    assert isinstance(read_confirm(ORDER, heard(SUCCESS | {"status": "CHARGE"}), paid_words=("CHARGE",)), Paid)
    for body, location in (({"url": YES, "status": "CHARGE"}, ""), (b"", f"{YES}&status=CHARGE")):
        outcome = read_confirm(ORDER, heard(body, 200, location=location), paid_words=("AUTH",))

        assert isinstance(outcome, Unclear)
        assert outcome.why == "contradiction"


def test_what_is_not_believed_is_kept_for_people() -> None:
    """With stars for a card, and only where the bank said it."""
    declined = confirm(FAILURE | {"id": "b1", "reference": "204978430339", "invoiceId": "251124000002"}, 400)
    paid = confirm(status=302, location=YES.replace("amount=200", "amount=20"))
    card = confirm(status=302, location=NO.replace("484", "100") + "&id=4405639704015096")

    assert (declined.bank_id, declined.reference, declined.message) == ("b1", "204978430339", "Insufficient funds")
    assert (paid.bank_id, paid.reference, paid.message) == ("", "204978430339", "")
    assert card.bank_id == "*" * 16


@pytest.mark.parametrize(
    ("body", "location", "said"),
    [
        ({"code": 484}, YES, ("", "204978430339", "")),
        ({"url": f"{NO}&id=b9&reference=r9", "status": "AUTH"}, "", ("b9", "r9", "Insufficient funds")),
        (b"", f"{NO}&id=b9&reference=r9&code=484", ("b9", "r9", "Insufficient funds")),
        ({"status": "3D"}, f"{NO}&id=b9", ("b9", "", "Insufficient funds")),
        ({"url": YES, "error": {"id": "b9", "message": "no"}}, "", ("b9", "204978430339", "no")),
        (f"could not open {YES}".encode(), "", ("", "204978430339", "")),
        (b"", f"{YES}&amount=1&id=4405639704015096", ("*" * 16, "204978430339", "")),
    ],
)
def test_it_is_kept_wherever_it_stands(body: object, location: str, said: tuple[str, str, str]) -> None:
    """In the address beside a body, in an address that can't be read whole, in an object inside."""
    outcome = confirm(body, location=location)

    assert isinstance(outcome, Unclear)
    assert (outcome.bank_id, outcome.reference, outcome.message) == said


def test_no_card_is_kept_of_what_is_believed_either() -> None:
    paid = confirm(status=302, location=YES.replace("204978430339", "4405639704015096") + "4405639704015096")

    assert (paid.reference, paid.sender_card_id) == ("*" * 16, "")


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("confirm-*.txt")), ids=lambda path: path.stem)
def test_each_sample_of_a_confirm_is_paid_and_with_another_amount_in_doubt(path: Path) -> None:
    head, _, value = path.read_text().strip().partition(": ")
    status, kind = head.removeprefix("HTTP ").split(", ")
    shop = order(invoice_id="261128000017", amount_minor=100_00, back_link="https://shop.example.kz/ok")

    def said(text: str) -> Any:
        more = {"location": text} if kind == "Location" else {}
        return read_confirm(shop, heard(b"" if more else text.encode(), int(status), **more))

    assert said(value) == PAID
    assert isinstance(said(value.replace("amount=100", "amount=10")), Unclear)
