"""The shop of `transfers demo --web` and `transfers dev`: it takes card payments against the sandbox.

Like any merchant it enqueues intents, mounts the web tier, and reads results from the outcome feed. Each good makes the
bank act in another way. A card number passes through the shop into the vault; the shop stores none. It is a process of
its own: `Stage.start_shop` starts it.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import uvicorn
from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError
from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.demo import showcase
from epay_transfers.ops.demo.interruption import Interruption, noted
from epay_transfers.ops.demo.sandbox_client import SandboxClient
from epay_transfers.ops.demo.shop_words import WORDS
from epay_transfers.ops.demo.stage import Stage
from epay_transfers.ops.demo.users import PRODUCER
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.producers import Outcome, PanCard, ProducerAndWebSettings, Receiver, TransferIntent, Transfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.starlette import router
from epay_transfers.producers.web.words import order_of
from epay_transfers.runtime import logs

_LOG = logging.getLogger("epay_transfers.ops.demo.shop")  # it runs as `__main__`, which is no name of ours

HOST = "127.0.0.1"
_MOUNTED = "/transfers"
_GROUP = "shop"

#: Before the outcomes are read again, after the ledger did not answer.
_AWAY_S = 1.0

#: The bank executes the confirm without an answer, and two inquiries say "not found", so the transfer is in doubt for
#: at least a quarter of a minute. Two, since a notification may cause two inquiries: its own wake-up and the sweeper's.
_SILENT = "[3ds] [confirm-drop-after] [false-not-found:2]"

#: The shop's own card, which receives.
_TILL = "5522042705066736"

_templates = Environment(
    loader=PackageLoader("epay_transfers.ops.demo", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Good:
    """Its words are in `shop_words`. Words in brackets in `asks` tell the sandbox what to do."""

    code: str
    price: str
    asks: str
    picture: str

    @property
    def shown(self) -> str:
        return f"{int(self.price):,}".replace(",", "\N{NO-BREAK SPACE}")


GOODS = (
    Good("concert", "12000", "[3ds] Concert", "♪"),
    Good("bicycle", "4500", "Bicycle", "⚲"),
    Good("carpet", "990000", "[decline:484] Carpet", "❖"),
    Good("tea", "2800", f"{_SILENT} Tea", "☕"),
)


@dataclass(slots=True)
class Purchase:
    good: Good
    handle: str


@dataclass(slots=True)
class Shop:
    transfers: Transfers
    web: Web
    bank_url: str
    purchases: dict[str, Purchase] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)  #: by key; the feed may be faster than the purchase

    def app(self) -> Starlette:
        routes = [Route("/", self.home), Route("/buy", self.buy, methods=["POST"]), Mount(_MOUNTED, router(self.web))]
        return Starlette(routes=routes)

    async def home(self, request: Request) -> Response:
        return self._page(_language(request))

    async def buy(self, request: Request) -> Response:
        async with request.form(max_fields=20) as form:
            typed = {name: value for name, value in form.items() if isinstance(value, str)}
        good = next((good for good in GOODS if good.code == typed.get("good")), GOODS[0])
        try:
            receipt = await run_in_threadpool(self.transfers.enqueue, _intent(typed, good))
        except TransfersError as error:
            return self._page(_language(request), str(error), good)
        self.purchases.setdefault(receipt.key, Purchase(good, receipt.handle))
        return RedirectResponse(f"{_MOUNTED}/pay/{receipt.handle}", 303)

    def listen(self, ending: threading.Event) -> None:
        """What became of the purchases, in a thread, until the shop ends."""
        while not ending.is_set():
            with contextlib.suppress(LedgerUnavailable):
                self.transfers.run_outcomes(self._take, group=_GROUP, stop=ending)
            ending.wait(_AWAY_S)

    def _take(self, outcome: Outcome) -> None:
        told = {"reference": outcome.reference, "state": outcome.state, "money": outcome.money}
        _LOG.info("shop.outcome", extra=told)
        self.states[outcome.key] = outcome.state

    def _state(self, key: str) -> State:
        return self.states.get(key, State.QUEUED)

    def _page(self, language: str, wrong: str = "", chosen: Good = GOODS[0]) -> Response:
        nonce = secrets.token_urlsafe(16)
        html = _templates.get_template(
            "shop.html"
        ).render(
            nonce=nonce,
            language=language,
            words=WORDS[language],
            others={other: its.language for other, its in WORDS.items() if other != language},
            goods=GOODS,
            chosen=chosen,
            wrong=wrong,
            order=secrets.token_urlsafe(12),  # a second click brings the same reference: nothing is paid twice
            purchases=[(bought, self._state(key)) for key, bought in reversed(self.purchases.items())][:6],
            mounted=_MOUNTED,
            bank_url=self.bank_url,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return HTMLResponse(html, headers=headers)


def listening(port: int, option: str) -> socket.socket:
    """The shop's socket. Raises `Refusal`, which names the option that chooses another port."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise Refusal(f"can't listen on {HOST}:{port}: {error.strerror or error}; give another {option}") from None


def address(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def web_settings(url: str, notify_secret: str = "") -> dict[str, str]:
    """The settings of a web tier that is mounted in the shop at this address."""
    return {"WEB_BASE_URL": url + _MOUNTED, "NOTIFY_SECRET": notify_secret or secrets.token_urlsafe(24)}


def open_shop(folder: Path, port: int, interruption: Interruption) -> NoReturn:
    """Run the shop and all behind it until Ctrl-C."""
    with listening(port, "--port") as listener:
        url = address(listener)
        screen.say("Starting two servers, a bank, a worker, a shop and the console, on this machine alone.")
        settings = web_settings(url) | showcase.settings()
        with Stage(folder, settings, for_worker=showcase.workers_settings()) as stage:
            stage.start_shop(listener)
            console = stage.start_console()
            screen.say(f"\nThe shop is open: {url}")
            screen.say(f"The bank's books:  {stage.bank_url}")
            screen.say(f"The console:       {console}  (operators' pages, here to look at: transfers of every kind)")
            _show_examples(stage)
            screen.say("\nPay with the card that is filled in; the bank's password stands on its page. Ctrl-C ends it.")
            ended = stage.until_one_ends(interruption)
    raise Refusal(f"the {ended.name} ended by itself, with status {ended.status}, so all the others were ended")


def _show_examples(stage: Stage) -> None:
    with stage.entered(PRODUCER):
        transfers, context = Transfers.from_env(), Context.connect()
    with transfers, contextlib.closing(SandboxClient(stage.bank_url)) as bank:
        showcase.show(transfers, context, bank)


def _language(request: Request) -> str:
    """That of the link, or else what the browser asks for first."""
    named = request.query_params.get("language", "")
    return named if named in WORDS else order_of(request.headers.get("accept-language", ""))[0]


def main() -> None:
    """`python -m epay_transfers.ops.demo.shop FD BANK_URL`: answer at the socket that is inherited as FD."""
    fd, bank_url = sys.argv[1:]
    logs.set_up("INFO")
    settings = ProducerAndWebSettings.load()
    with noted(), socket.socket(fileno=int(fd)) as listener, Transfers.from_env(settings) as transfers:
        home = f"{address(listener)}/"
        shop = Shop(transfers, Web(transfers, settings.places, home=home), bank_url)
        ending = threading.Event()
        thread = threading.Thread(target=shop.listen, args=(ending,), name="outcomes", daemon=True)
        thread.start()
        config = uvicorn.Config(
            shop.app(),
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,  # it would show the handles, which are in the addresses
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,  # an open call of a browser must not delay the end
        )
        try:
            asyncio.run(uvicorn.Server(config).serve([listener]))
        finally:
            ending.set()
            thread.join()


def _intent(typed: Mapping[str, str], good: Good) -> TransferIntent:
    """What the client typed is checked by the intent's own model; nothing of it is shown again."""
    return TransferIntent(
        reference=f"shop-{typed.get('order', '')}",
        amount=good.price,
        description=good.asks,
        sender=PanCard(
            number=typed.get("number", ""),
            expiry=typed.get("expiry", ""),
            cvc=typed.get("cvc", ""),
            name=typed.get("name", ""),
        ),
        receiver=Receiver(number=_TILL),
    )


if __name__ == "__main__":
    main()
