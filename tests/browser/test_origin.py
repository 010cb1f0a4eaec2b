"""What the bank's server, and then we, are told about where a real browser comes from. The handle is in none of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from queue import Queue
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import pytest
from playwright.sync_api import Browser

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import StoredChallenge
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.producers import Receipt, State
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.testing.web import fake_web
from epay_transfers.producers.web.flask import blueprint
from epay_transfers.worker.bank import ChallengeRequired
from epay_transfers.worker.client_answer import wait_for
from tests.web.conftest import PA_RES, intent

Came = dict[str, str | None]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@contextmanager
def served(app: Any, host: str) -> Iterator[str]:
    """An application on a free port of this machine, and its address by this name."""
    with make_server("127.0.0.1", 0, app, WSGIServer, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{host}:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass
class Pay:
    """A transfer that is parked, a shop with our routes, and a bank on another site."""

    fake: FakeTransfers
    receipt: Receipt
    shop_url: str = ""
    bank_url: str = ""
    at_bank: list[Came] = field(default_factory=list)
    at_shop: dict[str, Came] = field(default_factory=dict)


def _came() -> Came:
    return {name: flask.request.headers.get(name) for name in ("Origin", "Referer")}


def become_bank(app: flask.Flask, pay: Pay) -> None:
    """Its page posts itself back, as many do."""

    @app.post("/pareq")
    def pareq() -> str:
        pay.at_bank.append(_came())
        form = flask.request.form
        fields = f'<input name="PaRes" value="{PA_RES}"><input name="MD" value="{escape(form["MD"])}">'
        page = f'<form id="f" method="post" action="{escape(form["TermUrl"])}">{fields}</form>'
        return page + "<script>document.getElementById('f').submit()</script>"


def become_shop(app: flask.Flask, pay: Pay, policy: str | None) -> None:
    """`policy`: another one than ours, on each page."""

    @app.before_request
    def note() -> None:
        pay.at_shop[flask.request.path.split("/")[-2]] = _came()

    @app.after_request
    def bend(response: flask.Response) -> flask.Response:
        if policy:
            response.headers["Referrer-Policy"] = policy
        return response

    @app.get("/home/")
    def home() -> str:
        return "<title>home</title>"

    web = fake_web(pay.fake, base_url=f"{pay.shop_url}/transfers", home="/home/")
    app.register_blueprint(blueprint(web), url_prefix="/transfers")


@pytest.fixture
def pays(chromium: Browser) -> Callable[[str | None], Pay]:
    """A client pays, under this policy of our pages."""

    def pay_under(policy: str | None) -> Pay:
        fake = FakeTransfers()
        pay = Pay(fake, fake.enqueue(intent()))
        shop, bank = flask.Flask("shop"), flask.Flask("bank")
        with served(shop, "127.0.0.1") as pay.shop_url, served(bank, "localhost") as pay.bank_url:
            become_shop(shop, pay, policy)
            become_bank(bank, pay)
            _park(fake, pay.receipt, f"{pay.bank_url}/pareq")
            page = chromium.new_page()
            page.goto(f"{pay.shop_url}/transfers/pay/{pay.receipt.handle}")
            page.wait_for_url("**/result/*")
            fake.pay("order-1")
            page.reload()
            page.locator("main.paid a.button").click()
            page.wait_for_url("**/home/")
            page.close()
        return pay

    return pay_under


def _park(fake: FakeTransfers, receipt: Receipt, action: str) -> None:
    until = fake._time.now_ms() + 900_000
    asked = StoredChallenge(pa_req="cGFSZXE=", md="270-9CA", action=action)
    fake._move(
        fake._sent(receipt.key), Verb.PARK, Change(due_at=until, challenge=asked, fields={"parked_until": until})
    )


def test_the_bank_is_told_our_origin_and_no_more(pays: Callable[[str | None], Pay]) -> None:
    """Some banks refuse `Origin: null`. TermUrl tells the bank our origin anyway."""
    pay = pays(None)

    assert pay.fake.get(pay.receipt.key).state is State.PAID
    assert pay.at_bank == [{"Origin": pay.shop_url, "Referer": f"{pay.shop_url}/"}]
    assert pay.at_shop["3ds"]["Origin"] == pay.bank_url


def test_no_other_page_tells_where_the_client_comes_from(pays: Callable[[str | None], Pay]) -> None:
    """The outcome's page leads to the shop, or anywhere: its address holds the handle."""
    pay = pays(None)

    assert pay.at_shop["home"] == {"Origin": None, "Referer": None}
    assert pay.receipt.handle not in str([pay.at_bank, pay.at_shop])


def test_without_a_referrer_the_bank_would_be_told_null(pays: Callable[[str | None], Pay]) -> None:
    """The reason for the page's policy: it is not `no-referrer`, as all others have."""
    assert pays("no-referrer").at_bank == [{"Origin": "null", "Referer": None}]


def test_a_browsers_default_would_tell_no_more_to_the_bank_but_the_handle_to_the_shop(
    pays: Callable[[str | None], Pay],
) -> None:
    """So each page says its policy."""
    pay = pays("strict-origin-when-cross-origin")

    assert pay.at_bank == [{"Origin": pay.shop_url, "Referer": f"{pay.shop_url}/"}]
    assert pay.receipt.handle in str(pay.at_shop["home"])


def test_the_page_of_a_first_contact_tells_the_bank_an_origin(chromium: Browser) -> None:
    """As the shop's page does: `Origin: null`, which a page of a file sends, some banks' servers refuse."""
    fake = FakeTransfers()
    pay = Pay(fake, fake.enqueue(intent()))
    bank = flask.Flask("bank")
    become_bank(bank, pay)
    came: list[Secret | None] = []
    addresses: Queue[str] = Queue()

    def wait(action: str) -> None:
        asked = ChallengeRequired("cGFSZXE=", "270-9CA", action, "b-1")
        came.append(wait_for(asked, lambda line: addresses.put(line.split()[3]), SystemClock(), 60))

    with served(bank, "localhost") as pay.bank_url:
        waiting = threading.Thread(target=wait, args=(f"{pay.bank_url}/pareq",))
        waiting.start()
        address = addresses.get(timeout=30)
        page = chromium.new_page()
        page.goto(address)
        page.click("button")
        page.get_by_text("You can close this page.").wait_for()
        page.close()
        waiting.join()

    origin = address.rpartition("/")[0]
    assert pay.at_bank == [{"Origin": origin, "Referer": f"{origin}/"}]
    assert [answer and answer.reveal() for answer in came] == [PA_RES]
