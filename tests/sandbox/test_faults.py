"""Faults on demand, and directives words: what the client sees, and what the books say of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from epay_transfers.sandbox import Options, Rule, running
from epay_transfers.sandbox.faults import Call, Kind

#: A directives word, what the client sees, and how often the bank executed.
SEEN = [
    ("[drop-before]", "RemoteDisconnected", 0),
    ("[drop-after]", "RemoteDisconnected", 1),
    ("[drop]", "RemoteDisconnected", 1),
    ("[reset-before]", "ConnectionResetError", 0),
    ("[reset-after]", "ConnectionResetError", 1),
    ("[truncate]", "IncompleteRead", 1),
    ("[hang-before:0.01]", "RemoteDisconnected", 0),
    ("[hang-after:0.01]", "RemoteDisconnected", 1),
    ("[500-before]", 500, 0),
    ("[500-after]", 500, 1),
    ("[502-before]", 502, 0),
    ("[code-before:496]", 400, 0),
    ("[code:496]", 400, 1),
    ("[redirect-before]", 307, 0),
    ("[redirect]", 307, 1),
    ("[garbage-before]", 200, 0),
    ("[garbage]", 200, 1),
    ("[html-before]", 200, 0),
    ("[html]", 200, 1),
    ("[huge]", 200, 1),
    ("[close]", 200, 1),
    ("[trickle]", 200, 1),
    ("[slow:0.01]", 200, 1),
    ("[wrong-amount]", 200, 1),
    ("[wrong-currency]", 200, 1),
    ("[wrong-invoice]", 200, 1),
    ("[no-such-word] [decline:x] [lag] [drop", 200, 1),
]


def seen_by(call: Callable[[], requests.Response]) -> int | str:
    """The HTTP status, or the innermost reason why there is none."""
    try:
        return call().status_code
    except requests.RequestException as error:
        reason: BaseException = error
        while reason.args and isinstance(reason.args[-1], BaseException):
            reason = reason.args[-1]
        return type(reason).__name__


@pytest.mark.parametrize(("words", "seen", "executions"), SEEN)
def test_a_magic_word_breaks_the_answer_and_the_books_know_the_truth(
    shop: Any, words: str, seen: int | str, executions: int
) -> None:
    invoice = shop.invoice()

    assert seen_by(lambda: shop.pay(words, invoice)) == seen

    shop.web.close()  # a connection that was kept may be a dead one now
    entry = shop.book(invoice)
    assert (entry["transfers_received"], entry["executions"]) == (1, executions)
    assert shop.word(invoice) == ("AUTH" if executions else "102")


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [("[wrong-amount]", "amount", 101), ("[wrong-currency]", "currency", "USD"), ("[code:496]", "code", 496)],
)
def test_a_wrong_answer_is_wrong_in_that_one_field(shop: Any, words: str, field: str, value: Any) -> None:
    assert shop.pay(words).json()[field] == value


def test_a_wrong_order_number_is_another_one(shop: Any) -> None:
    invoice = shop.invoice()

    assert shop.pay("[wrong-invoice]", invoice).json()["orderID"] not in {invoice, ""}


def test_a_body_of_garbage_is_no_text_and_a_huge_one_is_a_megabyte(shop: Any) -> None:
    with pytest.raises(UnicodeDecodeError):
        shop.pay("[garbage]").content.decode()
    assert len(shop.pay("[huge]").content) > 2**20


def test_a_kept_connection_that_closes_is_not_announced(shop: Any) -> None:
    assert "connection" not in shop.pay("[close]").headers
    shop.web.close()


def test_words_work_together_and_on_the_other_calls(shop: Any) -> None:
    invoice = shop.invoice()
    said = shop.pay("[3ds][confirm-drop-after][status-500]", invoice).json()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}

    assert seen_by(lambda: shop.confirm(document, shop.token(invoiceID=invoice))) == "RemoteDisconnected"

    assert (shop.book(invoice)["executions"], shop.book(invoice)["confirms_received"]) == (1, 1)
    assert shop.status(invoice).status_code == 500


def test_a_confirm_can_be_declined_by_a_word(shop: Any) -> None:
    invoice = shop.invoice()
    said = shop.pay("[3ds][confirm-decline:484]", invoice).json()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}

    assert "code=484" in shop.confirm(document, shop.token(invoiceID=invoice)).headers["location"]
    assert shop.word(invoice) == "REJECT"


def test_a_wrong_amount_of_a_confirm_and_of_a_status(shop: Any) -> None:
    invoice = shop.invoice()
    said = shop.pay("[3ds][confirm-wrong-amount][status-wrong-amount]", invoice).json()
    document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}

    assert "amount=101&" in shop.confirm(document, shop.token(invoiceID=invoice)).headers["location"]
    assert shop.status(invoice).json()["transaction"]["p2p"]["amount"] == 101


def test_magic_can_be_switched_off(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(directives=False)

    assert shop.pay("[decline:484][drop-before]").json()["code"] == 0


def test_a_rule_meets_its_call_and_its_order_and_wears_out(open_shop: Callable[..., Any]) -> None:
    shop = open_shop()
    rules = [
        {"call": "token", "kind": "status", "when": "before", "http_status": 503, "seconds": 7, "times": 2},
        {"call": "transfer", "kind": "drop", "when": "after", "invoice": "111000777"},
    ]
    stood = shop.web.post(f"{shop.bank.url}/faults", data=json.dumps(rules)).json()
    assert [rule["kind"] for rule in stood] == ["status", "drop"]

    answers = [shop.ask_token() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert shop.pay(invoice="111000778").json()["code"] == 0
    assert seen_by(lambda: shop.pay(invoice="111000777")) == "RemoteDisconnected"
    assert shop.book("111000777")["executions"] == 1
    assert shop.web.get(f"{shop.bank.url}/faults").json()[0]["times"] == 0
    assert shop.web.delete(f"{shop.bank.url}/faults").json() == []
    assert shop.pay(invoice="111000777").json()["code"] == 0


@pytest.mark.parametrize("call", ["token", "status"])
@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("drop", "RemoteDisconnected"),
        ("reset", "ConnectionResetError"),
        ("hang", "RemoteDisconnected"),
        ("truncate", "IncompleteRead"),
        ("redirect", "TooManyRedirects"),
        ("garbage", 200),
        ("html", 200),
        ("status", 500),
        ("code", 400),
    ],
)
def test_calls_that_move_no_money_can_fail_too(
    open_shop: Callable[..., Any], call: Call, kind: Kind, seen: int | str
) -> None:
    shop = open_shop()
    token = shop.token(
        scope="webapi usermanagement email_send verification statement statistics payment", invoiceID=None, amount=None
    )
    shop.bank.faults.add(Rule(call, kind, seconds=0.01, code=103))

    assert seen_by(lambda: shop.ask_token() if call == "token" else shop.status("123456", token)) == seen


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"call": "pay", "kind": "drop"}, "call"),
        ({"kind": "drop"}, "call"),
        ({"call": "token"}, "kind"),
        ({"call": "token", "kind": "explode"}, "kind"),
        ({"call": "token", "kind": "drop", "when": "later"}, "when"),
        ({"call": "token", "kind": "drop", "times": 0}, "times"),
        ({"call": "token", "kind": "drop", "times": True}, "times"),
        ({"call": "token", "kind": "drop", "invoice": 5}, "invoice"),
        ({"call": "token", "kind": "drop", "probability": 2}, "probability"),
        ({"call": "token", "kind": "latency", "seconds": "1"}, "seconds"),
        ({"call": "token", "kind": "status", "http_status": 99}, "http_status"),
        ({"call": "token", "kind": "code", "code": "100"}, "code"),
        ({"call": "token", "kind": "drop", "surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(shop: Any, rule: dict[str, Any], field: str) -> None:
    answer = shop.web.post(f"{shop.bank.url}/faults", data=json.dumps(rule))

    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (400, field)
    assert shop.web.get(f"{shop.bank.url}/faults").json() == []


def test_the_same_seed_brings_the_same_faults(open_shop: Callable[..., Any]) -> None:
    rule = Rule("token", "status", "before", probability=0.5)

    runs = []
    for _ in range(2):
        shop = open_shop(faults=(rule,), seed=7)
        runs.append([shop.ask_token().status_code for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_a_rule_given_to_two_banks_wears_out_in_each() -> None:
    rule = Rule("status", "status", "before", times=1)
    for _ in range(2):
        with running(Options(faults=(rule,))) as bank:
            asked = [requests.get(bank.addresses.status.format(invoice_id="123456"), timeout=5) for _ in range(2)]
            assert [answer.status_code for answer in asked] == [500, 401]
