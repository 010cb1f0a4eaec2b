"""A client's browser, and whoever else calls the web tier: every reply that is given is kept, to be searched later."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import urlencode

import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import Challenge, Receipt, Transfers, WebSettings
from epay_transfers.producers.web import Reply, Request, Web
from epay_transfers.runtime.web_addresses import Places
from tests.security import canaries

_FORM = "application/x-www-form-urlencoded"

#: Which user this process is at the moment: what it logs meanwhile is that user's log.
USER: ContextVar[str] = ContextVar("user", default="a producer")


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    token = USER.set(user)
    try:
        yield
    finally:
        USER.reset(token)


@dataclass
class Browser:
    web: Web
    forms: list[str] = field(default_factory=list)  #: the replies with the bank's form in them
    others: list[str] = field(default_factory=list)
    met: set[str] = field(default_factory=set)  #: the pages by name, and `state route` for each that was visited

    def go(self, route: str, name: str, method: str = "GET", body: bytes | None = b"", kind: str = _FORM) -> Reply:
        with acting_as("the web tier"):
            reply = self.web.answer(route, name, Request(method, kind, "en", body))
        page = reply.headers.get("Transfer-Page", "")
        text = "\n".join([*(f"{header}: {value}" for header, value in reply.headers.items()), reply.body.decode()])
        (self.forms if page == "challenge" else self.others).append(text)
        self.met.add(page or f"{reply.status} {route}")
        return reply

    def comes_back(self, handle: str, **fields: str) -> Reply:
        """From the bank's page."""
        return self.go("3ds", handle, "POST", urlencode(fields).encode())


def tour(browser: Browser, ledger: redis.Redis, parked: Receipt, challenge: Challenge) -> list[str]:
    """One transfer with a challenge, in each state there is: by hand, for the states that no bank brings about at will.

    Returns the answers that the client gave.
    """
    record, answers = redis_keys.record(parked.key), []
    for state in State:
        ledger.hset(record, "state", state)
        for route in ("pay", "result", "3ds"):
            browser.go(route, parked.handle)
            browser.met.add(f"{state} {route}")
        for _ in range(2):  # taken, late, or another one than before
            answers.append(f"eJzV{secrets.token_hex(40)}")
            browser.comes_back(parked.handle, MD=challenge.md, PaRes=answers[-1])
        browser.comes_back(parked.handle, MD="another", PaRes=answers[-1])
        browser.comes_back(parked.handle, cres=f"{canaries.PAN} {canaries.HOLDER}")
        ledger.hset(record, mapping={"state": State.PARKED, "pares_digest": ""})
    return answers


def garbage(browser: Browser, parked: Receipt, notify_secret: str, proof: str) -> None:
    """Card data where none belongs: in returns, in notifications (a proved one too), in names of routes."""
    card = {
        "card": canaries.PAN,
        "cvc": canaries.CVC,
        "name": canaries.HOLDER,
        "email": canaries.EMAIL,
        "PaRes": f"<{canaries.PAN}>",
        "MD": canaries.HOLDER,
    }
    text = json.dumps(card).encode()
    said = {"invoiceId": parked.invoice_id, "secret_hash": proof, "amount": 150, "currency": "KZT", "code": "ok"}
    for name in (parked.handle, canaries.PAN, canaries.HOLDER):
        for route in ("pay", "result", "3ds"):
            browser.go(route, name)
        browser.comes_back(name, **card)
        browser.go("3ds", name, "POST", text, "application/json")
        browser.go("3ds", name, "POST", None)
    for secret in (notify_secret, canaries.PAN):
        for body in (text, json.dumps(card | said).encode(), text[:-1], urlencode(card).encode(), None):
            browser.go("notify", secret, "POST", body, "application/json")
        browser.go("notify", secret, "POST", urlencode(card).encode())
        browser.go("notify", secret)


def elsewhere(browser: Browser, parked: Receipt, settings: WebSettings) -> None:
    """The pages that this web tier has no cause for: the bank's address is not to be trusted, and a server is away."""
    transfers, own = browser.web.transfers, browser.web
    nobody, clock = connect("redis://127.0.0.1:1/0"), SystemClock()
    away = Transfers(
        ledger=Ledger(nobody, clock),
        vault=Vault(nobody),
        sealer=Sealer(settings.vault_public_key),
        wakeups=Wakeups(Broker(nobody, [], {})),
        clock=clock,
        settings=settings,
        owned=[nobody],
    )
    browser.web = Web(transfers, Places("https://shop.example/transfers"), acs_hosts=["acs.example"])
    browser.go("pay", parked.handle)
    browser.web = Web(away, Places("https://shop.example/transfers", Secret("a-secret-of-its-own")))
    browser.go("pay", parked.handle)
    hint = json.dumps({"name": canaries.HOLDER, "invoiceId": parked.invoice_id}).encode()
    browser.go("notify", "a-secret-of-its-own", "POST", hint, "application/json")
    browser.web = own
    away.close()


def replies(texts: Sequence[str]) -> str:
    return "\n\n".join(texts)
