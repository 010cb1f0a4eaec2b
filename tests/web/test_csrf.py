"""An application that keeps other sites' forms out exempts our two routes that others post to, by one line."""

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import flask
import flask_wtf
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette_csrf.middleware import CSRFMiddleware

from epay_transfers.producers import Receipt, State
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.flask import blueprint
from epay_transfers.producers.web.starlette import router
from tests.support.sample_files import sample
from tests.web.calling import Call, call_asgi, call_wsgi
from tests.web.conftest import FORM, SECRET

ROOT = Path(__file__).parents[2]


def with_flask_wtf(web: Web, *, is_exempt: bool) -> Call:
    app = flask.Flask(__name__)
    app.secret_key = secrets.token_hex(16)
    csrf = flask_wtf.CSRFProtect(app)
    routes = blueprint(web)
    if is_exempt:
        csrf.exempt(routes)  # the line of docs/web.md
    app.register_blueprint(routes, url_prefix="/transfers")
    app.add_url_rule("/own", "own", lambda: "own", methods=["POST"])
    return call_wsgi(app)


def with_starlette_csrf(web: Web, *, is_exempt: bool) -> Call:
    async def own(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("own")

    app = Starlette(routes=[Mount("/transfers", router(web)), Route("/own", own, methods=["POST"])])
    secret = secrets.token_hex(16)
    if is_exempt:
        page = (ROOT / "docs/web.md").read_text()
        (line,) = re.findall(r"^app\.add_middleware\(CSRFMiddleware, .*$", page, re.MULTILINE)
        exec(line, {"app": app, "CSRFMiddleware": CSRFMiddleware, "secret": secret, "re": re})  # noqa: S102 - as printed
    else:
        app.add_middleware(CSRFMiddleware, secret=secret)
    return call_asgi(app)


PROTECTED: dict[str, Callable[..., Call]] = {"flask-wtf": with_flask_wtf, "starlette-csrf": with_starlette_csrf}


@pytest.fixture(params=PROTECTED)
def protected(request: pytest.FixtureRequest) -> Callable[..., Call]:
    return PROTECTED[request.param]


def test_the_return_and_the_notification_are_taken_and_all_else_is_protected(
    protected: Callable[..., Call], web: Web, fake: FakeTransfers, receipt: Receipt
) -> None:
    """Neither the bank nor its page can know a token of the application."""
    call = protected(web, is_exempt=True)
    challenge = fake.park(receipt.key)
    body = sample("return-cp1251.form").replace(b"270469967-9CA5EC5779A3358E", challenge.md.encode())
    foreign = {"Content-Type": FORM, "Origin": "https://acs.example", "Referer": "https://acs.example/pareq"}

    assert call("POST", f"/transfers/3ds/{receipt.handle}", headers=foreign, body=body).status == 303
    assert fake.get(receipt.key).state is State.RESUMED
    assert call("POST", f"/transfers/notify/{SECRET}", body=sample("notification.json")).status == 200
    assert call("GET", f"/transfers/result/{receipt.handle}").status == 200
    assert call("POST", "/own", headers=foreign).status in {400, 403}


def test_without_the_line_they_are_refused(protected: Callable[..., Call], web: Web, receipt: Receipt) -> None:
    """So the line is needed, and the tests above ran with protection."""
    call = protected(web, is_exempt=False)

    for path in (f"/transfers/3ds/{receipt.handle}", f"/transfers/notify/{SECRET}"):
        assert call("POST", path, headers={"Content-Type": FORM}, body=b"").status in {400, 403}
