"""Our routes work where the application has read the request before them: body, form, values or JSON."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import flask
import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as Incoming
from starlette.responses import Response
from starlette.routing import Mount

import epay_transfers.producers.web.flask
from epay_transfers.producers import Receipt, State, Verdict
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.exchange import BODY_BYTES, form_again
from epay_transfers.producers.web.starlette import KeepBody, router
from tests.support.sample_files import sample
from tests.web.calling import Call, call_asgi, call_wsgi
from tests.web.conftest import FORM, SECRET
from tests.web.test_frameworks import django_app

PA_RES = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYn+++++g=="
INVOICE = "261128000017"

# Flask: by `before_request`.

FLASK: dict[str, Callable[[], object]] = {
    "get_data": lambda: flask.request.get_data(cache=True),
    "get_data as text": lambda: flask.request.get_data(as_text=True),
    "data": lambda: flask.request.data,
    "form": lambda: flask.request.form,
    "values": lambda: flask.request.values,
    "get_json": lambda: flask.request.get_json(silent=True),
    "form and data": lambda: (flask.request.form, flask.request.data),
}


def flask_app(web: Web, read: Callable[[], object]) -> Call:
    app = flask.Flask(__name__)

    @app.before_request
    def read_first() -> None:
        read()

    app.register_blueprint(epay_transfers.producers.web.flask.blueprint(web), url_prefix="/transfers")
    return call_wsgi(app)


# Django: by a middleware.

DJANGO: dict[str, Callable[[HttpRequest], object]] = {
    "POST": lambda request: request.POST,
    "body": lambda request: request.body,
    "body, then some of it": lambda request: (request.body, request.read(7)),
    "body, then POST": lambda request: (request.body, request.POST),
}

#: What the middleware calls; Django makes it from its name.
_django_reads: list[Callable[[HttpRequest], object]] = []


def reading_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        for read in _django_reads:
            read(request)
        return get_response(request)

    return middleware


# Starlette and FastAPI: by a `BaseHTTPMiddleware`.


async def _parsed(request: Incoming) -> None:
    try:
        await request.json()
    except ValueError:
        return


async def _both(request: Incoming) -> None:
    await request.body()
    await request.form()


async def _streamed(request: Incoming) -> None:
    async for _ in request.stream():
        pass


ASGI: dict[str, Callable[[Incoming], Awaitable[object]]] = {
    "body": lambda request: request.body(),
    "json": _parsed,
    "body, then form": _both,
}
WITH_KEEP_BODY: dict[str, Callable[[Incoming], Awaitable[object]]] = {
    "form": lambda request: request.form(),
    "stream": _streamed,
}


def asgi_app(app: Any, read: Callable[[Incoming], Awaitable[object]], *, is_kept: bool) -> Call:
    async def dispatch(request: Incoming, call_next: Callable[[Incoming], Awaitable[Response]]) -> Response:
        await read(request)
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    if is_kept:
        app.add_middleware(KeepBody, path="/transfers")
    return call_asgi(app)


def starlette_app(web: Web, read: Callable[[Incoming], Awaitable[object]], *, is_kept: bool) -> Call:
    return asgi_app(Starlette(routes=[Mount("/transfers", router(web))]), read, is_kept=is_kept)


def fastapi_app(web: Web, read: Callable[[Incoming], Awaitable[object]], *, is_kept: bool) -> Call:
    app = FastAPI()
    app.mount("/transfers", router(web))
    return asgi_app(app, read, is_kept=is_kept)


CASES = [
    *(f"flask: {name}" for name in FLASK),
    *(f"django: {name}" for name in DJANGO),
    *(f"starlette: {name}" for name in ASGI | WITH_KEEP_BODY),
    *(f"fastapi: {name}" for name in ASGI | WITH_KEEP_BODY),
]


@pytest.fixture(params=CASES)
def call(request: pytest.FixtureRequest, web: Web, monkeypatch: pytest.MonkeyPatch) -> Call:
    framework, _, name = request.param.partition(": ")
    if framework == "flask":
        return flask_app(web, FLASK[name])
    if framework == "django":
        django_app(web)
        monkeypatch.setattr(django_settings, "MIDDLEWARE", [f"{__name__}.reading_middleware"])
        monkeypatch.setattr(f"{__name__}._django_reads", [DJANGO[name]])
        return django_app(web)
    make = starlette_app if framework == "starlette" else fastapi_app
    return make(web, (ASGI | WITH_KEEP_BODY)[name], is_kept=name in WITH_KEEP_BODY)


@pytest.mark.parametrize("name", ["return-cp1251.form", "return-extra.form", "return-raw-plus.form"])
def test_a_return_is_taken(call: Call, fake: FakeTransfers, receipt: Receipt, name: str) -> None:
    """The bank gets its own answer, in whatever way the page and the application have treated it."""
    challenge = fake.park(receipt.key)
    body = sample(name).replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode())

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == 303
    assert fake.get(receipt.key).state is State.RESUMED
    assert fake.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.DUPLICATE


@pytest.mark.parametrize(("name", "content_type"), [("json", "application/json"), ("json", FORM), ("form", FORM)])
def test_a_notification_is_taken(
    call: Call, fake: FakeTransfers, receipt: Receipt, name: str, content_type: str
) -> None:
    """As JSON or as a form, and JSON under a form's content type too."""
    fake.doubt(receipt.key)
    body = sample(f"notification.{name}").replace(INVOICE.encode(), receipt.invoice_id.encode())

    said = call("POST", f"/transfers/notify/{SECRET}", headers=of(content_type, body), body=body)

    assert (said.status, said.body) == (200, b"ok\n")
    assert fake._named(receipt.key).requested_action == "inquire"


@pytest.mark.parametrize("size", [BODY_BYTES, BODY_BYTES + 1, 3 * BODY_BYTES])
def test_the_limit_holds(call: Call, fake: FakeTransfers, receipt: Receipt, size: int) -> None:
    """Whoever has read it."""
    fake.park(receipt.key)
    body = b"MD=1&PaRes=".ljust(size, b"A")

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == (400 if size <= BODY_BYTES else 413)


def of(content_type: str, body: bytes) -> dict[str, str]:
    return {"Content-Type": content_type, "Content-Length": str(len(body))}


GONE: dict[str, Callable[[Web], Call]] = {
    "flask": lambda web: flask_app(web, lambda: flask.request.stream.read(-1)),
    "starlette": lambda web: starlette_app(web, WITH_KEEP_BODY["form"], is_kept=False),
}


@pytest.mark.parametrize("name", GONE)
def test_a_body_that_is_gone_is_said_in_the_log(
    web: Web, receipt: Receipt, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Where the application keeps none of it, its engineer is told what to do."""
    body = sample("return-extra.form")

    said = GONE[name](web)("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == 400
    (told,) = [record for record in caplog.records if vars(record)["event"] == "web.body_gone"]
    assert "has read the request's body" in vars(told)["hint"]


@pytest.mark.parametrize("body", ['{"a":"x=y&z","b":null,"c":"="}', '{"a": 1}'])
def test_json_that_was_parsed_as_a_form_is_json_again(body: str) -> None:
    """A framework takes it for names and values."""
    pairs = [pair.partition("=")[::2] for pair in body.split("&")]

    assert form_again((name, value) for name, value in pairs) == body.encode()
    assert form_again([("PaRes", "a+b c"), ("MD", "ж")]) == urlencode({"PaRes": "a+b c", "MD": "ж"}).encode()
    assert form_again([("MD", "1=&")]) == f"MD={quote('1=&')}".encode()
