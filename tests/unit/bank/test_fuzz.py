"""For any bytes there is a value; and nothing but a whole, known, own answer reads as paid or declined."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.worker.bank.codes import look_up
from epay_transfers.worker.bank.outcome import (
    ChallengeRequired,
    Declined,
    Paid,
    Response,
    StatusReport,
    StatusWord,
    Token,
    TokenRefused,
    Unclear,
)
from epay_transfers.worker.bank.parse_confirm import read_confirm
from epay_transfers.worker.bank.parse_response import read_token, read_transfer
from epay_transfers.worker.bank.parse_status import read_status
from tests.support.bank_examples import (
    CHALLENGE,
    FAILURE,
    FAILURE_PAGE,
    FUZZ,
    INVOICE,
    ORDER,
    SUCCESS,
    SUCCESS_PAGE,
    SUCCESS_QUERY,
    TRANSACTION,
    status_body,
)

NAMES = sorted(
    {*SUCCESS, *FAILURE, *CHALLENGE, *TRANSACTION, "secure3D", "result", "transaction", "p2p", "error"}
    | {"PAREQ", "MD", "secure3d", "resultCode", "url"}
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([INVOICE, int(INVOICE), "KZT", "AUTH", "3D", 200, "200.00", 0, 484, "484", 100, "100", "102"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([SUCCESS, FAILURE, CHALLENGE, status_body()]).map(lambda value: json.dumps(value).encode())
    | st.sampled_from([f"{SUCCESS_PAGE}?{SUCCESS_QUERY}", "<html>", ""]).map(str.encode)
)
ANSWERS = st.builds(
    Response,
    status=st.sampled_from([200, 201, 204, 302, 307, 400, 401, 404, 500, 502]) | st.integers(100, 999),
    location=st.text(max_size=40) | st.sampled_from(["", f"{SUCCESS_PAGE}?{SUCCESS_QUERY}", SUCCESS_PAGE]),
    body=BODIES,
    framed=st.booleans(),
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=4)
SAMPLES: list[dict[str, Any]] = [SUCCESS, FAILURE, CHALLENGE, SUCCESS | CHALLENGE]


@FUZZ
@given(ANSWERS)
def test_whatever_comes_is_a_value(answer: Response) -> None:
    assert isinstance(read_transfer(ORDER, answer), Paid | Declined | ChallengeRequired | Unclear)
    assert isinstance(read_confirm(ORDER, answer), Paid | Declined | Unclear)
    assert isinstance(read_token(answer), Token | TokenRefused)
    assert isinstance(read_status(ORDER, answer), StatusReport)


@FUZZ
@given(st.sampled_from(SAMPLES), CHANGES, st.sampled_from([200, 201, 400, 404, 500, 302]))
def test_paid_and_declined_are_said_only_of_what_names_our_order(
    sample: dict[str, Any], changes: dict[str, Any], status: int
) -> None:
    """The law of `answer`, written down a second time, over the contract's samples with some fields changed."""
    body = sample | changes
    outcome = read_transfer(ORDER, Response(status, body=json.dumps(body).encode()))

    invoices = {str(body[name]) for name in ("orderID", "invoiceID", "invoiceId") if body.get(name) not in (None, "")}
    if isinstance(outcome, Paid):
        assert invoices == {INVOICE}
        assert float(body["amount"]) == 200
        assert (body["currency"], str(body["code"]).strip(), status // 100) == ("KZT", "0", 2)
        assert body["status"] in {"AUTH", "CHARGE"}
    if isinstance(outcome, Declined):
        assert invoices == {INVOICE}
        assert look_up(str(body["code"]).strip()).is_decline
        assert status in {200, 201, 400, 404}
    if isinstance(outcome, Paid | Declined):
        assert [name for name in ("paReq", "PAREQ", "action", "md", "MD") if body.get(name)] == []


#: Pairs that are added to the query of success: names that count, names that do not, broken ones.
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            ["amount", "currency", "invoiceID", "orderId", "code", "status", "Amount", "description", "%FF"]
        )
        | st.text("%aC=;#", max_size=4),
        st.sampled_from(["200", "20", "KZT", INVOICE, "484", "0", "", "AUTH", "FAILED", "%CF%E5", "%"])
        | st.text("%aC=;#&", max_size=6),
    ),
    max_size=3,
)


@FUZZ
@given(
    st.sampled_from([SUCCESS_PAGE, FAILURE_PAGE, ORDER.back_link, ORDER.failure_back_link, "https://evil.example/ok"]),
    PAIRS,
    PAIRS,
    st.sampled_from(["location", "url", "page"]),
)
def test_an_address_says_paid_only_of_our_order(
    base: str, before: list[tuple[str, str]], after: list[tuple[str, str]], place: str
) -> None:
    """The law of the confirm, written down a second time: whatever else stands in the query changes nothing."""
    first, last = ("&".join(f"{name}={value}" for name, value in pairs) for pairs in (before, after))
    query = f"{first}&{SUCCESS_QUERY}&{last}"
    address = f"{base}?{query}"
    body = {"location": b"", "url": json.dumps({"url": address}).encode(), "page": address.encode()}[place]
    answer = Response(200, location=address if place == "location" else "", body=body)

    outcome = read_confirm(ORDER, answer)

    said = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    once = [sum(name.lower() == wanted for name, _ in said) for wanted in ("amount", "currency", "invoiceid")]
    clean = [value for name, value in said if name in {"code", "status"} and value not in {"", "0", "AUTH"}]
    if isinstance(outcome, Paid):
        assert base == SUCCESS_PAGE or (base == ORDER.back_link and place == "location")
        assert once == [1, 1, 1]
        assert {value for name, value in said if name == "orderId"} <= {INVOICE, ""}
        assert clean == []


@FUZZ
@given(st.sampled_from(SAMPLES), st.data())
def test_no_part_of_an_answer_is_an_answer(sample: dict[str, Any], data: st.DataObject) -> None:
    """A body that was cut anywhere is in doubt, and so is an address in a body."""
    body = json.dumps(sample).encode()
    cut = data.draw(st.integers(0, len(body) - 1))

    assert isinstance(read_transfer(ORDER, Response(200, body=body[:cut])), Unclear)
    assert isinstance(read_confirm(ORDER, Response(200, body=body[:cut], framed=False)), Unclear)


@FUZZ
@given(CHANGES, CHANGES, st.sampled_from([200, 400]))
def test_the_status_says_paid_only_of_our_order(inner: dict[str, Any], outer: dict[str, Any], http: int) -> None:
    body = status_body() | outer
    if isinstance(body.get("transaction"), dict):
        body["transaction"] = {"p2p": TRANSACTION | inner}
    report = read_status(ORDER, Response(http, body=json.dumps(body).encode()))

    if report.word in {StatusWord.PAID, StatusWord.GIVEN_BACK}:
        found = body["transaction"]["p2p"]
        assert str(found["invoiceID"]) == INVOICE
        assert float(found["amount"]) == 200
        assert found["currency"] == "KZT"
