"""Each route's replies, by the state that the transfer is in. The ledger's word is shown, whatever a browser claims."""

import logging

import pytest

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.producers import Challenge, Receipt, State, Verdict
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.words import PAGES
from tests.support.logged import names_of
from tests.web.conftest import BASE, PA_RES, Visitor, intent

END = {
    "pay": "paid",
    "decline": "declined",
    "expire": "expired",
    "doubt": "doubt",
    "send_to_review": "doubt",
    "fail": "doubt",
}


def test_while_a_worker_is_at_it_the_page_waits_and_looks_again_with_and_without_a_script(
    visitor: Visitor, receipt: Receipt
) -> None:
    reply = visitor.get("pay", receipt.handle)
    html = reply.body.decode()

    assert reply.status == 200
    assert reply.headers["Transfer-Page"] == "waiting"
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in html
    assert "location.reload()" in html
    assert "12\u00a0000&nbsp;KZT" in html


def test_a_parked_transfer_gets_the_form_of_the_contract(
    visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    html = visitor.get("pay", receipt.handle).body.decode()

    assert f'<form id="bank" method="post" action="{challenge.action}">' in html
    assert f'<input type="hidden" name="PaReq" value="{challenge.pa_req}">' in html
    assert f'<input type="hidden" name="MD" value="{challenge.md}">' in html
    assert f'<input type="hidden" name="TermUrl" value="{BASE}/3ds/{receipt.handle}">' in html
    assert "<button" in html
    for words in PAGES["challenge"].values():
        assert words.title in html


@pytest.mark.parametrize(("accepted", "first"), [("kk-KZ,ru;q=0.8", "kk"), ("en", "en"), ("de", "ru"), ("", "ru")])
def test_all_three_languages_are_there_and_the_browser_says_which_one_is_first(
    visitor: Visitor, receipt: Receipt, accepted: str, first: str
) -> None:
    html = visitor.get("pay", receipt.handle, accepted).body.decode()

    assert f'<html lang="{first}">' in html
    for words in PAGES["waiting"].values():
        assert words.title in html
        assert words.text in html


@pytest.mark.parametrize(("verb", "name"), END.items())
def test_what_has_ended_or_is_in_doubt_is_shown_at_result(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, verb: str, name: str
) -> None:
    getattr(fake, verb)(receipt.key)

    to_result = visitor.get("pay", receipt.handle)
    assert (to_result.status, to_result.headers["Location"]) == (303, f"{BASE}/result/{receipt.handle}")
    assert visitor.get("result", receipt.handle).headers["Transfer-Page"] == name


@pytest.mark.parametrize("verb", ["doubt", "send_to_review", "fail"])
def test_while_nobody_knows_the_client_is_told_not_to_pay_again(
    fake: FakeTransfers, visitor: Visitor, verb: str
) -> None:
    """Dead as well: an operator may still requeue it. And no link of the shop's is followed before the end."""
    links = {"back_link": "https://shop.example/thanks", "failure_back_link": "https://shop.example/sorry"}
    receipt = fake.enqueue(intent(**links))
    getattr(fake, verb)(receipt.key)

    html = visitor.get("result", receipt.handle).body.decode()

    assert "Do not pay again" in html
    for words in PAGES["doubt"].values():
        assert words.title in html


@pytest.mark.parametrize(("verb", "link"), [("pay", "thanks"), ("decline", "sorry"), ("expire", "sorry")])
def test_a_client_is_sent_on_to_the_intents_own_link(
    fake: FakeTransfers, visitor: Visitor, verb: str, link: str
) -> None:
    links = {"back_link": "https://shop.example/thanks", "failure_back_link": "https://shop.example/sorry"}
    receipt = fake.enqueue(intent(**links))
    getattr(fake, verb)(receipt.key)

    reply = visitor.get("result", receipt.handle)

    assert (reply.status, reply.headers["Location"]) == (303, f"https://shop.example/{link}")


def test_what_was_given_back_is_no_success(fake: FakeTransfers, visitor: Visitor) -> None:
    receipt = fake.enqueue(intent(back_link="https://shop.example/thanks"))
    fake.pay(receipt.key)
    fake.reverse(receipt.key)

    assert visitor.get("result", receipt.handle).headers["Transfer-Page"] == "reversed"


def test_a_shop_without_links_gets_a_button_home_once_it_is_over(
    fake: FakeTransfers, web: Web, receipt: Receipt
) -> None:
    visitor = Visitor(Web(fake, web._places, home="https://shop.example/"))
    assert b'class="button" href="https://shop.example/"' not in visitor.get("result", receipt.handle).body

    fake.pay(receipt.key)

    assert b'class="button" href="https://shop.example/"' in visitor.get("result", receipt.handle).body


@pytest.mark.parametrize("home", ["javascript:alert(1)", "//elsewhere.example", "/\\elsewhere.example", "data:,x"])
def test_home_is_an_address_or_a_path(fake: FakeTransfers, web: Web, home: str) -> None:
    with pytest.raises(WrongCall, match="home"):
        Web(fake, web._places, home=home)


# The return.


def test_the_answer_is_taken_and_the_client_sent_to_the_result(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    reply = visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md)

    assert (reply.status, reply.headers["Location"]) == (303, f"{BASE}/result/{receipt.handle}")
    assert fake.get(receipt.key).state is State.RESUMED
    assert visitor.get("result", receipt.handle).headers["Transfer-Page"] == "waiting"


def test_the_same_answer_again_gets_the_same_page_and_another_one_is_a_security_event(
    fake: FakeTransfers,
    visitor: Visitor,
    receipt: Receipt,
    challenge: Challenge,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md)
    version = fake.get(receipt.key).version
    caplog.set_level(logging.WARNING)

    assert visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md) == first
    assert not caplog.records
    assert visitor.comes_back(receipt, PaRes="b3RoZXI=", MD=challenge.md) == first
    assert names_of(caplog.records) == ["confirm.conflicting"]
    assert fake.get(receipt.key).version == version


def test_an_answer_that_comes_too_late_is_shown_the_truth(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    """Until a worker has asked the bank, and then."""
    fake._time.advance(1000)
    for page in ("waiting", "expired"):
        assert fake.confirm(md=challenge.md, pa_res=PA_RES, handle=receipt.handle) is Verdict.TOO_LATE
        assert visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md).status == 303
        assert visitor.get("result", receipt.handle).headers["Transfer-Page"] == page
        pay = visitor.get("pay", receipt.handle)
        assert (
            pay.headers.get("Transfer-Page", pay.headers.get("Location", ""))
            == {
                "waiting": "waiting",
                "expired": f"{BASE}/result/{receipt.handle}",
            }[page]
        )
        fake.advance(0)


def test_a_foreign_md_is_refused_and_resumes_neither_transfer(
    fake: FakeTransfers,
    visitor: Visitor,
    receipt: Receipt,
    challenge: Challenge,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = fake.enqueue(intent("order-2"))
    foreign = fake.park(other.key)

    reply = visitor.comes_back(receipt, PaRes=PA_RES, MD=foreign.md)

    assert reply.status == 400
    assert [fake.get(key).state for key in (receipt.key, other.key)] == [State.PARKED, State.PARKED]
    assert "return.foreign_md" in names_of(caplog.records)


def test_who_is_sent_back_without_an_answer_is_not_sent_off_again_by_itself(
    visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    """A page of the bank's that keeps sending clients back would be a loop otherwise."""
    reply = visitor.get("result", receipt.handle)

    assert reply.headers["Transfer-Page"] == "unconfirmed"
    assert f'href="{BASE}/pay/{receipt.handle}"'.encode() in reply.body
    assert b".submit()" not in reply.body


def test_fields_of_3d_secure_2_are_an_event_with_names_and_sizes_and_the_bank_is_asked(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    reply = visitor.comes_back(receipt, cres="x" * 1234, threeDSSessionData="y" * 56, unheard_of="z")

    assert reply.status == 303
    told = fake._scripts.events[-1].fields
    assert (told["verb"], told["requested_action"]) == ("request", "inquire")
    assert told["fields"] == "cres:1234 threeDSSessionData:56"
    record = fake._context.ledger.get(receipt.key)
    assert record
    assert record.three_ds2_fields == "cres:1234 threeDSSessionData:56"
    assert fake.get(receipt.key).state is State.PARKED


def test_a_return_that_is_opened_from_the_history_leads_to_the_result(visitor: Visitor, receipt: Receipt) -> None:
    reply = visitor.get("3ds", receipt.handle)

    assert (reply.status, reply.headers["Location"]) == (303, f"{BASE}/result/{receipt.handle}")


# All of them.


def test_the_handle_is_good_for_a_day_after_the_end(fake: FakeTransfers, visitor: Visitor, receipt: Receipt) -> None:
    fake.pay(receipt.key)
    fake.advance(86_300)
    assert visitor.get("result", receipt.handle).status == 200

    fake.advance(200)

    assert visitor.get("result", receipt.handle).status == 404


@pytest.mark.parametrize("route", ["pay", "result", "3ds"])
def test_a_guessed_handle_is_not_found(visitor: Visitor, receipt: Receipt, route: str) -> None:
    """The invoice id is no handle, nor the reference."""
    for guess in ("A" * 22, receipt.invoice_id, "order-1", receipt.handle.lower() + "x", "../../etc/passwd", "й" * 22):
        assert visitor.get(route, guess).status == 404
        assert visitor.post("3ds", guess, b"PaRes=YQ==&MD=1").status == 404


@pytest.mark.parametrize(
    ("route", "method", "allowed"),
    [
        ("pay", "POST", "GET, HEAD"),
        ("result", "PUT", "GET, HEAD"),
        ("notify", "GET", "POST"),
        ("3ds", "DELETE", "POST, GET, HEAD"),
    ],
)
def test_other_methods_are_refused(visitor: Visitor, receipt: Receipt, route: str, method: str, allowed: str) -> None:
    reply = visitor.get(route, receipt.handle, method=method)

    assert (reply.status, reply.headers["Allow"]) == (405, allowed)


def test_head_is_get_without_the_body(visitor: Visitor, receipt: Receipt) -> None:
    reply = visitor.get("pay", receipt.handle, method="HEAD")

    assert (reply.status, reply.body, reply.headers["Transfer-Page"]) == (200, b"", "waiting")


def test_every_reply_is_never_stored_and_never_says_where_the_client_came_from(
    visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    to_the_bank = visitor.get("pay", receipt.handle)
    replies = [
        to_the_bank,
        visitor.get("result", receipt.handle),
        visitor.get("pay", "unknown"),
        visitor.post("3ds", receipt.handle, b""),
        visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md),
        visitor.post("notify", "wrong", b"{}"),
    ]
    for reply in replies:
        assert reply.headers["Cache-Control"] == "no-store"
        wanted = (
            "strict-origin" if reply is to_the_bank else "no-referrer"
        )  # tests/browser/test_origin.py has the reason
        assert reply.headers["Referrer-Policy"] == wanted
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_every_page_lets_only_its_own_script_run_and_each_time_another_one(
    visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    first, second = (visitor.get("pay", receipt.handle) for _ in range(2))
    policy = first.headers["Content-Security-Policy"]
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]

    assert policy != second.headers["Content-Security-Policy"]
    assert first.body.count(b"<script") == first.body.count(f'<script nonce="{nonce}">'.encode()) == 1
    assert policy.startswith("default-src 'none';")
    assert "form-action https:;" in policy
    assert "unsafe" not in policy
    assert "form-action 'none'" in visitor.get("result", receipt.handle).headers["Content-Security-Policy"]


@pytest.mark.parametrize("away", ["ledger", "vault"])
def test_while_a_server_is_away_the_client_is_told_not_to_pay_again(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, challenge: Challenge, away: str
) -> None:
    fake.set_away(**{away: True})

    reply = visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md)

    assert reply.status == 503
    assert "Do not pay again" in reply.body.decode()
    fake.set_away()
    assert visitor.comes_back(receipt, PaRes=PA_RES, MD=challenge.md).status == 303
