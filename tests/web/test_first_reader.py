"""Our routes work where the application has read the request before them: body, form, values or JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

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
from epay_transfers.producers.web.exchange import BODY_BYTES
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
    "get_json, whatever the type says": lambda: flask.request.get_json(silent=True, force=True),
    "get_data that keeps nothing": lambda: flask.request.get_data(cache=False),
    "stream": lambda: flask.request.stream.read(-1),
    "some of the stream": lambda: flask.request.stream.read(5),
    "files": lambda: flask.request.files,
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


def read_by_django(web: Web, monkeypatch: pytest.MonkeyPatch, read: Callable[[HttpRequest], object]) -> Call:
    django_app(web)
    monkeypatch.setattr(django_settings, "MIDDLEWARE", [f"{__name__}.reading_middleware"])
    monkeypatch.setattr(f"{__name__}._django_reads", [read])
    return django_app(web)


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
    "some of the stream": lambda request: anext(aiter(request.stream())),
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
        return read_by_django(web, monkeypatch, DJANGO[name])
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


@pytest.mark.parametrize("button", [b"\xce\xf2=\xcf\xee&", b"%CE%F2=%CF%EE&", "Оплата=Да&".encode()])
def test_a_return_with_bytes_of_any_encoding_is_taken(
    call: Call, fake: FakeTransfers, receipt: Receipt, button: bytes
) -> None:
    """A framework may drop a form for one raw byte that is not UTF-8: ours is asked, whatever read it first."""
    challenge = fake.park(receipt.key)
    body = button + sample("return-extra.form").replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode())

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == 303
    assert fake.get(receipt.key).state is State.RESUMED


IN_JSON = sample("notification.json")
DRESSES: dict[str, bytes] = {
    "windows-1251": IN_JSON.decode().encode("cp1251"),
    "a mark": b"\xef\xbb\xbf" + IN_JSON,
    "a mark and windows-1251": b"\xef\xbb\xbf" + IN_JSON.decode().encode("cp1251"),
    "an address with an ampersand": IN_JSON.replace(b"{", b'{"link":"https://s/?a=%22x%22&b=c",', 1),
    "raw tabs and line breaks": IN_JSON.replace(b"{", b'{"words":"a\tb\nc",', 1),
}


@pytest.mark.parametrize("content_type", ["application/json", FORM])
@pytest.mark.parametrize("dress", DRESSES)
def test_a_notification_in_every_dress_is_taken(
    call: Call, fake: FakeTransfers, receipt: Receipt, dress: str, content_type: str
) -> None:
    """JSON in any encoding is read, whatever has read it before us."""
    fake.doubt(receipt.key)
    body = DRESSES[dress].replace(INVOICE.encode(), receipt.invoice_id.encode())

    said = call("POST", f"/transfers/notify/{SECRET}", headers=of(content_type, body), body=body)

    assert (said.status, said.body) == (200, b"ok\n")
    assert fake._named(receipt.key).requested_action == "inquire"


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
    """Whatever has read it."""
    fake.park(receipt.key)
    body = b"MD=1&PaRes=".ljust(size, b"A")

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == (400 if size <= BODY_BYTES else 413)


@pytest.mark.parametrize("reader", WITH_KEEP_BODY)
@pytest.mark.parametrize("place", ["a root path", "a mounted application"])
def test_keep_body_goes_by_the_path_below_the_root_path(
    web: Web, fake: FakeTransfers, receipt: Receipt, place: str, reader: str
) -> None:
    """A proxy's prefix, or the place of a mounted application, is no part of the path that `KeepBody` is given."""
    inner = FastAPI()
    inner.mount("/transfers", router(web))
    asgi_app(inner, WITH_KEEP_BODY[reader], is_kept=True)
    outer = FastAPI()
    outer.mount("/api", inner)

    async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope | {"root_path": "/api", "path": f"/api{scope['path']}"}, receive, send)

    mounted = place == "a mounted application"
    call = call_asgi(outer if mounted else behind_a_proxy)
    challenge = fake.park(receipt.key)
    body = sample("return-extra.form").replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode())

    path = f"{'/api' if mounted else ''}/transfers/3ds/{receipt.handle}"
    assert call("POST", path, headers=of(FORM, body), body=body).status == 303


def test_of_a_body_in_pieces_keep_body_has_the_first_one_too(web: Web, fake: FakeTransfers, receipt: Receipt) -> None:
    """A middleware has read only the first piece: what is left is not the body."""
    call = fastapi_app(web, WITH_KEEP_BODY["some of the stream"], is_kept=True)
    challenge = fake.park(receipt.key)
    answer = sample("return-extra.form").replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode())
    body = answer + b"&rest=".ljust(40_000, b"x")  # the second piece begins within it

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == 303
    assert fake.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.DUPLICATE


@pytest.mark.parametrize("is_nested", [False, True])
def test_flask_gives_the_applications_own_routes_their_whole_body(
    web: Web,
    fake: FakeTransfers,
    receipt: Receipt,
    is_nested: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Only our routes are read first, by whatever name and in whatever blueprint they are."""
    app = flask.Flask(__name__)

    @app.before_request
    def read_first() -> None:
        FLASK["form"]()

    routes = epay_transfers.producers.web.flask.blueprint(web)
    if is_nested:
        outer = flask.Blueprint("outer", __name__)
        outer.register_blueprint(routes, url_prefix="/transfers", name="pays")
        app.register_blueprint(outer)
    else:
        app.register_blueprint(routes, url_prefix="/transfers", name="pays")
    app.add_url_rule("/own", "own", lambda: str(len(flask.request.get_data())), methods=["POST"])
    call = call_wsgi(app)
    challenge = fake.park(receipt.key)
    body = sample("return-extra.form").replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode()) + b"&\xce=1"

    whole = call("POST", "/own", headers={"Content-Type": "text/plain"}, body=b"x" * 200_000)
    assert whole.body == b"200000"
    assert call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body).status == 303


def of(content_type: str, body: bytes) -> dict[str, str]:
    return {"Content-Type": content_type, "Content-Length": str(len(body))}


GONE: dict[str, Callable[[Web, pytest.MonkeyPatch], Call]] = {
    "django": lambda web, monkeypatch: read_by_django(web, monkeypatch, lambda request: request.read()),
    "starlette": lambda web, _: starlette_app(web, WITH_KEEP_BODY["form"], is_kept=False),
}


@pytest.mark.parametrize("name", GONE)
def test_a_body_that_is_gone_is_said_in_the_log(
    web: Web, receipt: Receipt, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where the application keeps none of it, its engineer is told what to do."""
    body = sample("return-extra.form")

    call = GONE[name](web, monkeypatch)
    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers=of(FORM, body), body=body)

    assert said.status == 400
    (told,) = [record for record in caplog.records if vars(record).get("event") == "web.body_gone"]
    assert "has read the request's body" in vars(told)["hint"]
