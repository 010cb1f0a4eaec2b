"""A backend and a web tier with the library's default error reports: `python -m tests.security.reporting_backend`.

Its arguments are a DSN, a framework, and `ours` or `bare`. With `ours` all that it calls is ours, and breaks wherever a
card or a PaRes is open. With `bare` it does the same by hand, in a view of its own, as the control.
"""

import json
import logging
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn, cast
from urllib.parse import urlencode

import sentry_sdk

from epay_transfers.ledger.secret import Secret
from epay_transfers.producers import PanCard, Receiver, TransferIntent, TransfersError
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.runtime.web_addresses import Places
from tests.security import canaries
from tests.web.calling import Call, call_asgi, call_wsgi

FORM = "application/x-www-form-urlencoded"

#: Django's settings name this module.
urlpatterns: list[object] = []


class Breaking:
    """A library that breaks with what it was given in its text, its attributes and its frames."""

    def __init__(self, part: object = None, *broken: str) -> None:
        self._part = part
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        return self._break if not self._broken or name in self._broken else getattr(self._part, name)

    def _break(self, *given: object, **_named: object) -> NoReturn:
        card, pa_res = canaries.PAN, canaries.PA_RES
        error = ValueError(f"{card} {pa_res} {canaries.CVC} of {canaries.HOLDER}: {given}")
        raise error from KeyError(canaries.PA_RES)


class WentBack:
    """A ledger of which the producer finds that it went back: it logs that as critical, and enqueues nothing."""

    def __init__(self, ledger: object) -> None:
        self._ledger = ledger
        self.behind = 7

    def went_back(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def bare_view(form: dict[str, str]) -> NoReturn:
    """What a web tier without us may do."""
    pa_res = form["PaRes"]
    raise ValueError(f"no such answer {pa_res}")


class Shop:
    """A backend's own view, which takes a card in its body."""

    def __init__(self, fake: FakeTransfers, mode: str) -> None:
        self.fake = fake
        self.mode = mode

    def buy(self, body: dict[str, Any]) -> str:
        if self.mode == "bare":
            logging.getLogger("shop").error("the shop broke")
            return "bare"
        sound = self.fake._context
        self.fake._context = replace(sound, ledger=cast("Any", WentBack(sound.ledger)))
        try:
            self.fake.enqueue(TransferIntent.model_validate(body))
        except TransfersError as error:
            return type(error).__name__
        finally:
            self.fake._context = sound
        return "taken"


def with_flask(web: Web, shop: Shop) -> Call:
    import flask  # noqa: PLC0415 - the one framework of this run

    from epay_transfers.producers.web.flask import blueprint  # noqa: PLC0415

    app = flask.Flask(__name__)
    app.register_blueprint(blueprint(web), url_prefix="/transfers")
    app.add_url_rule("/buy", "buy", lambda: shop.buy(flask.request.get_json()), methods=["POST"])
    app.add_url_rule("/bare", "bare", lambda: bare_view(dict(flask.request.form)), methods=["POST"])
    return call_wsgi(app)


def with_django(web: Web, shop: Shop) -> Call:
    from django.conf import settings  # noqa: PLC0415

    settings.configure(SECRET_KEY=secrets.token_hex(32), ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DEBUG=True)
    import django  # noqa: PLC0415

    django.setup()
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
    from django.http import HttpResponse  # noqa: PLC0415
    from django.urls import include, path  # noqa: PLC0415
    from django.views.decorators.csrf import csrf_exempt  # noqa: PLC0415

    from epay_transfers.producers.web.django import urls  # noqa: PLC0415

    bare = csrf_exempt(lambda request: bare_view(request.POST.dict()))
    buy = csrf_exempt(lambda request: HttpResponse(shop.buy(json.loads(request.body))))
    urlpatterns[:] = [path("transfers/", include(urls(web))), path("bare", bare), path("buy", buy)]
    return call_wsgi(get_wsgi_application())


def with_starlette(web: Web, shop: Shop) -> Call:
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import PlainTextResponse  # noqa: PLC0415
    from starlette.routing import Mount, Route  # noqa: PLC0415

    from epay_transfers.producers.web.starlette import router  # noqa: PLC0415

    async def bare(request: Any) -> NoReturn:
        async with request.form() as form:
            bare_view(dict(form))

    async def buy(request: Any) -> Any:
        return PlainTextResponse(shop.buy(await request.json()))

    own = [Route("/bare", bare, methods=["POST"]), Route("/buy", buy, methods=["POST"])]
    return call_asgi(Starlette(routes=[Mount("/transfers", router(web)), *own]))


def with_fastapi(web: Web, shop: Shop) -> Call:
    from fastapi import FastAPI, Request  # noqa: PLC0415

    from epay_transfers.producers.web.starlette import router  # noqa: PLC0415

    app = FastAPI()
    app.mount("/transfers", router(web))

    @app.post("/buy")
    async def buy(body: dict[str, Any]) -> str:
        return shop.buy(body)

    @app.post("/bare")
    async def bare(request: Request) -> None:
        async with request.form() as form:
            bare_view({name: str(text) for name, text in form.items()})

    return call_asgi(app)


FRAMEWORKS: dict[str, Callable[[Web, Shop], Call]] = {
    "flask": with_flask,
    "django": with_django,
    "starlette": with_starlette,
    "fastapi": with_fastapi,
}


def intent() -> TransferIntent:
    return TransferIntent(
        reference=f"order-{secrets.token_hex(4)}",
        amount=150,
        description="A ticket",
        sender=PanCard(number=canaries.PAN, expiry="01/30", cvc=canaries.CVC, name=canaries.HOLDER),
        receiver=Receiver(number=canaries.RECEIVER_PAN),
    )


def main(dsn: str, framework: str, mode: str) -> None:
    sentry_sdk.init(dsn=dsn)
    fake = FakeTransfers()
    receipt = fake.enqueue(intent())
    challenge = fake.park(receipt.key)
    web = Web(fake, Places("https://shop.example", Secret(canaries.NOTIFY_SECRET)))
    call = FRAMEWORKS[framework](web, Shop(fake, mode))
    form = {"Content-Type": FORM}
    answer = urlencode({"PaRes": canaries.PA_RES, "MD": challenge.md}).encode()
    as_json = {"Content-Type": "application/json"}
    card = {"number": canaries.PAN, "expiry": "01/30", "cvc": canaries.CVC, "name": canaries.HOLDER}
    order = {"reference": "order-of-a-client", "amount": "150", "description": "A ticket", "sender": card}
    order["receiver"] = {"number": canaries.RECEIVER_PAN}
    _tell(call, "POST", "/buy", headers=as_json, body=json.dumps(order).encode())
    sound = fake._context
    if mode == "bare":
        _tell(call, "POST", "/bare", headers=form, body=answer)
    else:
        fake._context = replace(sound, sealer=cast("Any", Breaking()))
        _tell(call, "POST", f"/transfers/3ds/{receipt.handle}", headers=form, body=answer)
        _report(lambda: fake.enqueue(intent()))
        _report(lambda: fake.confirm(md=challenge.md, pa_res=canaries.PA_RES))
        fake._context = replace(sound, ledger=cast("Any", Breaking(sound.ledger, "get", "by_handle", "move")))
        hint = json.dumps({"invoiceId": receipt.invoice_id, "secret_hash": canaries.HASH, "pan": canaries.PAN}).encode()
        _tell(call, "POST", f"/transfers/notify/{canaries.NOTIFY_SECRET}", headers=as_json, body=hint)
        _tell(call, "GET", f"/transfers/pay/{receipt.handle}")
        _report(lambda: TransferIntent.model_validate({"sender": {"number": canaries.PAN, "cvc": canaries.CVC}}))
        _report(lambda: intent().model_copy(update={"sender": canaries.PAN}))
        _report(lambda: PanCard(number=canaries.PAN, expiry="01/30", cvc=canaries.CVC * 2, name=canaries.HOLDER))
    sentry_sdk.flush(10)
    _say(receipt.handle)


def _tell(call: Call, method: str, path: str, **more: Any) -> None:
    """What a framework answers, or what it lets through, which a server would answer 500."""
    try:
        answer = call(method, path, **more)
        _say(f"{method} {answer.status} {answer.body.decode()}")
    except Exception as error:  # noqa: BLE001 - as a server does
        _say(f"{method} 500 {type(error).__name__}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _report(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        logging.getLogger("shop").exception("a call broke")
    else:
        raise AssertionError("nothing broke")


if __name__ == "__main__":
    main(*sys.argv[1:])
