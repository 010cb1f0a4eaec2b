"""A bank that runs, and a client that speaks the contract's samples to it."""

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from epay_transfers.sandbox import PUBLIC_TEST, Options, RunningSandbox, running
from epay_transfers.sandbox.acs import PASSWORD

TERMINAL = PUBLIC_TEST.terminals[0]
STATUS_SCOPE = "webapi usermanagement email_send verification statement statistics payment"

ORDER: dict[str, Any] = {
    "amount": 100,
    "currency": "KZT",
    "description": "TEST p2p",
    "merchantIdForSavingCards": "",
    "id": "123456787538",
    "senderIP": "",
    "senderEmail": "armanali@epay.kz",
    "foreign": False,
    "terminalId": TERMINAL,
    "backLink": "https://epay.homebank.kz/demo/success.html",
    "failureBackLink": "https://epay.homebank.kz/demo/failure.html",
    "postLink": "https://epay.homebank.kz/payform",
    "failurePostLink": "https://testmerchant/order/1123/fail",
}
SENDER: dict[str, Any] = {
    "save": False,
    "transferType": "TYPEPAN",
    "address": "",
    "cvc": "815",
    "cardCred": "4405639704015096",
    "expire": {"month": "01", "year": "25"},
    "name": "Sergey Frolov",
    "number": "",
}
RECEIVER: dict[str, Any] = {"save": False, "id": "", "transferType": "TYPEPAN", "cardCred": "5522042705066736"}


class Shop:
    """A merchant's side of the contract, as its page shows it."""

    def __init__(self, bank: RunningSandbox) -> None:
        self.bank = bank
        self.web = requests.Session()
        self.web.trust_env = False
        self._numbers = itertools.count(700_001)

    def invoice(self) -> str:
        return f"251124{next(self._numbers)}"

    def form(self, **changes: str | None) -> dict[str, str]:
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "scope": "transfer",
            "invoiceID": ORDER["id"],
            "amount": "100",
            "currency": "KZT",
            "client_id": PUBLIC_TEST.client_id,
            "client_secret": PUBLIC_TEST.client_secret,
            "terminal": TERMINAL,
        } | changes
        return {name: value for name, value in form.items() if value is not None}

    def ask_token(self, **changes: str | None) -> requests.Response:
        files = {name: (None, value) for name, value in self.form(**changes).items()}
        return self.web.post(self.bank.addresses.token, files=files)

    def token(self, **changes: str | None) -> str:
        answer = self.ask_token(**changes).json()
        return str(answer["access_token"])

    def body(self, invoice: str = ORDER["id"], description: str = "TEST p2p") -> dict[str, Any]:
        order = ORDER | {"id": invoice, "description": description}
        return copy.deepcopy({"order": order, "card": {"sender": SENDER, "receiver": RECEIVER}})

    def send(self, body: Any, token: str, *, times: int = 1) -> requests.Response:
        for _ in range(times):
            answer = self.web.post(
                self.bank.addresses.transfer,
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
            )
        return answer

    def pay(self, description: str = "TEST p2p", invoice: str | None = None) -> requests.Response:
        """A whole transfer of 100 KZT."""
        invoice = invoice or self.invoice()
        return self.send(self.body(invoice, description), self.token(invoiceID=invoice))

    def answer(self, md: str, password: str | None = PASSWORD) -> str:
        said = self.web.post(f"{self.bank.url}/acs/answer", json={"md": md, "password": password}).json()
        return str(said["PaRes"])

    def confirm(self, document: Any, token: str | None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.web.post(self.bank.addresses.confirm, json=document, headers=headers, allow_redirects=False)

    def challenged(self, words: str = "[3ds]", invoice: str | None = None) -> tuple[str, dict[str, Any]]:
        """A transfer that wants 3-D Secure: its number, and the bank's answer."""
        invoice = invoice or self.invoice()
        said: dict[str, Any] = self.pay(words, invoice).json()
        return invoice, said

    def finish(self, invoice: str, said: dict[str, Any], password: str | None = PASSWORD) -> requests.Response:
        """The client answers the page, and the merchant confirms."""
        document = {"ID": said["id"], "PaRes": self.answer(said["md"], password), "MD": said["md"]}
        return self.confirm(document, self.token(invoiceID=invoice))

    @staticmethod
    def query(address: str) -> tuple[str, dict[str, str]]:
        """An address, and its parameters."""
        parts = urlsplit(address)
        found = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return f"{parts.scheme}://{parts.netloc}{parts.path}", found

    def status(self, invoice: str, token: str | None = None) -> requests.Response:
        token = token or self.token(scope=STATUS_SCOPE, invoiceID=None, amount=None, currency=None)
        address = self.bank.addresses.status.format(invoice_id=invoice)
        return self.web.get(address, headers={"Authorization": f"Bearer {token}"})

    def word(self, invoice: str) -> str:
        """The status in one word, or the number of the bank's answer where it has none."""
        answer = self.status(invoice).json()
        inner = answer.get("transaction", {}).get("p2p", {})
        return str(inner.get("statusName", answer["result"]["code"]))

    def book(self, invoice: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.web.get(f"{self.bank.url}/books/{invoice}").json()
        return entry


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_764_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    """A shop at one bank of default make, shared by all tests that use their own order numbers."""
    with running() as bank:
        shop = Shop(bank)
        yield shop
        shop.web.close()


@pytest.fixture
def open_shop() -> Iterator[Callable[..., Shop]]:
    """A shop at a bank of its own: `open_shop(lag_s=10)`."""
    with ExitStack() as stack:

        def make(**options: Any) -> Shop:
            shop = Shop(stack.enter_context(running(Options(**options))))
            stack.callback(shop.web.close)
            return shop

        yield make


@pytest.fixture
def hand() -> Hand:
    return Hand()
