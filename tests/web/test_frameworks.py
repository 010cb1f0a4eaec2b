"""One suite for all frameworks: each hands the core what came, and gives back what it answers. Django asks for CSRF."""

import secrets
from collections.abc import Callable
from urllib.parse import quote, urlencode

import flask
import pytest
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import include, path, set_urlconf
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

import epay_transfers.producers.web.django
import epay_transfers.producers.web.flask
import epay_transfers.producers.web.starlette
from epay_transfers.ledger.secret import Secret
from epay_transfers.producers import Challenge, Receipt, State
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.exchange import BODY_BYTES
from epay_transfers.runtime.web_addresses import Places
from tests.web.calling import Call, call_asgi, call_wsgi
from tests.web.conftest import BASE, FORM, PA_RES, SECRET, intent

#: Django's settings are made once a process; which addresses it has is exchanged in each test.
urlpatterns: list[object] = []


def django_app(web: Web) -> Call:
    return django_call(
        lambda: [
            path("transfers/", include(epay_transfers.producers.web.django.urls(web))),
            path("own", lambda _request: HttpResponse("own")),
        ]
    )


def django_call(patterns: Callable[[], list[object]]) -> Call:
    """Django with these addresses; they are made once it has its settings."""
    if not django_settings.configured:
        django_settings.configure(
            SECRET_KEY=secrets.token_hex(32),
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
            DEBUG=False,
            DATABASES={},
        )
        import django  # noqa: PLC0415 - only once it has its settings

        django.setup(set_prefix=False)
    django_settings.ROOT_URLCONF = __name__
    urlpatterns[:] = patterns()
    from django.urls import clear_url_caches  # noqa: PLC0415 - as above

    clear_url_caches()
    set_urlconf(None)
    return call_wsgi(WSGIHandler())


def flask_app(web: Web) -> Call:
    app = flask.Flask(__name__)
    app.register_blueprint(epay_transfers.producers.web.flask.blueprint(web), url_prefix="/transfers")
    app.add_url_rule("/own", "own", lambda: "own", methods=["POST"])
    return call_wsgi(app)


def starlette_app(web: Web) -> Call:
    return call_asgi(Starlette(routes=[Mount("/transfers", epay_transfers.producers.web.starlette.router(web))]))


def fastapi_app(web: Web) -> Call:
    app = FastAPI()
    app.mount("/transfers", epay_transfers.producers.web.starlette.router(web))
    return call_asgi(app)


APPS: dict[str, Callable[[Web], Call]] = {
    "django": django_app,
    "flask": flask_app,
    "starlette": starlette_app,
    "fastapi": fastapi_app,
}


@pytest.fixture(params=APPS)
def call(request: pytest.FixtureRequest, web: Web) -> Call:
    return APPS[request.param](web)


def test_the_whole_way_of_a_client(call: Call, fake: FakeTransfers, receipt: Receipt, challenge: Challenge) -> None:
    english = {"Accept-Language": "en"}
    form = call("GET", f"/transfers/pay/{receipt.handle}", headers=english)
    assert form.status == 200
    assert form.headers["content-type"] == "text/html; charset=utf-8"
    assert form.headers["content-security-policy"].startswith("default-src 'none'")
    assert f'action="{challenge.action}"'.encode() in form.body
    assert b'<html lang="en">' in form.body

    body = urlencode({"PaRes": PA_RES, "MD": challenge.md}).encode()
    foreign = {"Content-Type": FORM, "Origin": "https://acs.example", "Referer": "https://acs.example/pareq"}
    back = call("POST", f"/transfers/3ds/{receipt.handle}", headers=foreign, body=body)
    assert (back.status, back.headers["location"]) == (303, f"{BASE}/result/{receipt.handle}")
    assert fake.get(receipt.key).state is State.RESUMED

    fake.pay(receipt.key)
    result = call("GET", f"/transfers/result/{receipt.handle}", headers=english)
    assert (result.status, result.headers["transfer-page"]) == (200, "paid")


def test_the_hosts_name_is_never_believed(call: Call, receipt: Receipt, challenge: Challenge) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}

    form = call("GET", f"/transfers/pay/{receipt.handle}", headers=evil)
    back = call("GET", f"/transfers/3ds/{receipt.handle}", headers=evil)

    assert f'name="TermUrl" value="{BASE}/3ds/{receipt.handle}"'.encode() in form.body
    assert back.headers["location"].startswith(BASE)
    assert b"evil" not in form.body


@pytest.mark.parametrize("route", ["pay", "3ds", "result", "notify"])
@pytest.mark.parametrize("path", ["/{route}/{name}/", "//{route}/{name}", "/{route}//{name}", "/{route}/", "/{route}"])
def test_no_route_redirects_to_the_hosts_name(call: Call, receipt: Receipt, route: str, path: str) -> None:
    """A slash too many or too few: a framework's own redirect would lead to whatever the Host header says."""
    name = SECRET if route == "notify" else receipt.handle
    for method in ("GET", "POST"):
        said = call(method, "/transfers" + path.format(route=route, name=name), headers={"Host": "evil.example"})

        assert "evil" not in said.headers.get("location", "")
        assert said.status in {404, 405, 403}


def test_the_notification_is_taken_without_a_token_of_ours(call: Call, fake: FakeTransfers, receipt: Receipt) -> None:
    fake.doubt(receipt.key)
    body = f'{{"invoiceId":"{receipt.invoice_id}"}}'.encode()

    said = call("POST", f"/transfers/notify/{SECRET}", headers={"Content-Type": "application/json"}, body=body)

    assert (said.status, said.body) == (200, b"ok\n")
    assert fake._named(receipt.key).requested_action == "inquire"
    assert call("POST", "/transfers/notify/wrong", body=body).status == 404


@pytest.mark.parametrize("size", [BODY_BYTES, BODY_BYTES + 1, 3 * BODY_BYTES])
def test_a_body_is_read_up_to_the_limit_and_no_further(
    call: Call, receipt: Receipt, challenge: Challenge, size: int
) -> None:
    body = b"MD=1&PaRes=".ljust(size, b"A")

    said = call("POST", f"/transfers/3ds/{receipt.handle}", headers={"Content-Type": FORM}, body=body)

    assert said.status == (400 if size <= BODY_BYTES else 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_gets_the_cores_answer(call: Call, receipt: Receipt, method: str) -> None:
    """Django's CSRF check answers 403 where a page is posted to that nobody posts to."""
    said = call(method, f"/transfers/pay/{receipt.handle}")

    assert said.status in ({200} if method in {"GET", "HEAD"} else {405, 403})
    assert (said.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("name", ["A" * 22, "%3Cscript%3E", "%00", "й" * 8, "..%2F..%2Fetc", "a/b", ""])
def test_what_is_no_handle_is_not_found(call: Call, name: str) -> None:
    said = call("GET", f"/transfers/pay/{quote(name, safe='%/')}")

    assert said.status == 404
    assert b"<script>" not in said.body
    assert b"Traceback" not in said.body


def test_django_asks_for_a_token_everywhere_else(web: Web) -> None:
    """So the suite above ran with its checks on."""
    assert django_app(web)("POST", "/own", headers={"Content-Type": FORM}).status == 403


def test_no_framework_is_imported_before_it_is_asked_for() -> None:
    import subprocess  # noqa: PLC0415 - for this test alone
    import sys  # noqa: PLC0415

    code = (
        "import sys, epay_transfers.producers.web; "
        "unwanted = {'starlette', 'fastapi', 'django', 'flask', 'epay_transfers.worker', 'requests'}; "
        "sys.exit(','.join(unwanted & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own words


@pytest.mark.parametrize(
    ("base", "is_said"),
    [
        ("https://shop.example", True),
        ("https://shop.example/my-transfers", True),
        (BASE, False),
        ("https://shop.example/below/a/proxy/transfers", False),
    ],
)
@pytest.mark.parametrize("app", APPS)
def test_a_base_address_without_the_mounts_path_is_said_once(
    fake: FakeTransfers, caplog: pytest.LogCaptureFixture, app: str, base: str, *, is_said: bool
) -> None:
    """The bank's page would post to where no route is. A proxy that takes a path's beginning away is fine."""
    receipt = fake.enqueue(intent())
    call = APPS[app](Web(fake, Places(base, Secret(SECRET))))

    for _ in range(2):
        assert call("GET", f"/transfers/pay/{receipt.handle}").status == 200

    said = [record.getMessage() for record in caplog.records if vars(record).get("event") == "web.base_url_path"]
    assert len(said) == is_said
    assert all("End WEB_BASE_URL with /transfers" in line for line in said)


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_the_servers_own_root_path_is_no_mount(
    fake: FakeTransfers, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The `--root-path` of uvicorn is a proxy's, and stands in front of the path that the application sees."""
    receipt = fake.enqueue(intent())
    call = APPS[name](Web(fake, Places(BASE, Secret(SECRET))))

    assert call("GET", f"/shop/transfers/pay/{receipt.handle}", root_path="/shop").status == 200
    assert "web.base_url_path" not in [vars(record).get("event") for record in caplog.records]
