"""The console's door: other names, other sites' forms, what a browser may keep, what is too large, what breaks."""

import asyncio
import http.client
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from epay_transfers.ops.console import guard
from epay_transfers.ops.console.guard import COOKIE, Guard, is_of_this_page
from epay_transfers.ops.console.identity import Identity
from epay_transfers.ops.console.people import People, Person, Role
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.console.conftest import HEADER, RunningConsole
from tests.console.routes import pages
from tests.console.running import settled_console
from tests.security.canaries import PAN, RECEIVER_PAN
from tests.support.servers import free_port

#: What every answer has.
CLOSED = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, ledger_server: EmbeddedServer, vault_server: EmbeddedServer
) -> Iterator[RunningConsole]:
    """With people, by a signed header."""
    with settled_console(tmp_path_factory.mktemp("console"), ledger_server, vault_server) as console:
        yield console


@pytest.fixture(scope="module")
def of_anyone(
    tmp_path_factory: pytest.TempPathFactory, ledger_server: EmbeddedServer, vault_server: EmbeddedServer
) -> Iterator[str]:
    """As it starts where its address alone is set; the address."""
    port = free_port()
    settings = {"CONSOLE_ADDRESS": f"127.0.0.1:{port}", "CONSOLE_IDENTITY": "none", "CONSOLE_ORIGIN": ""}
    with settled_console(tmp_path_factory.mktemp("of-anyone"), ledger_server, vault_server, **settings):
        yield f"127.0.0.1:{port}"


# Names and sites.


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:9480", "", "[::1]:9480"])
def test_under_another_name_there_is_no_console(running: RunningConsole, host: str) -> None:
    """A site whose name leads to this address reads nothing (DNS rebinding)."""
    answer = running.session("vera@test").get(f"{running.url}/", headers={"Host": host}, timeout=10)

    assert answer.status_code in {400, 421}
    assert "queued" not in answer.text


def test_on_loopback_it_is_opened_by_each_name_of_this_machine_and_by_no_other(of_anyone: str) -> None:
    port = of_anyone.rpartition(":")[2]
    for host, status in {f"127.0.0.1:{port}": 200, f"localhost:{port}": 200, f"evil.example:{port}": 421}.items():
        assert requests.get(f"http://{of_anyone}/", headers={"Host": host}, timeout=10).status_code == status


def test_where_no_person_is_proved_it_is_read_only(of_anyone: str) -> None:
    """It says so, and takes no form, of its own page either."""
    session = requests.Session()
    page = session.get(f"http://{of_anyone}/", timeout=10)
    for name in ("requeue", "pause", "settle"):
        answer = session.post(
            f"http://{of_anyone}/acts/{name}", data={"request": "0" * 24}, headers={"Origin": f"http://{of_anyone}"},
            timeout=10,
        )  # fmt: skip
        assert answer.status_code in {403, 404}

    assert "read-only" in page.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1"])
def test_a_form_of_another_site_does_nothing(running: RunningConsole, origin: str) -> None:
    """A browser sends the proxy's sign-in with it."""
    session = running.session("anna@test")
    session.headers["Origin"] = origin
    answer = session.post(f"{running.url}/acts/requeue", data={}, timeout=10)

    assert (answer.status_code, "comes from another site: nothing was done" in answer.text) == (403, True)


def test_a_form_without_an_origin_or_with_two_does_nothing(running: RunningConsole) -> None:
    for origins in ([], [running.url, running.url], ["https://evil.example", running.url]):
        connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=10)
        connection.putrequest("POST", "/acts/requeue")
        connection.putheader(HEADER, running.token("anna@test"))
        connection.putheader("Content-Length", "0")
        for origin in origins:
            connection.putheader("Origin", origin)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, b"comes from another site" in answer.read()) == (403, True), origins
        connection.close()


class _ByName:
    """In place of a proof."""

    def name_of(self, request: Request) -> str:
        return request.headers["x-name"]


async def _page_with_a_form(scope: Scope, receive: Receive, send: Send) -> None:
    """It shows the token, and takes a form with it."""
    request = Request(scope, receive)
    if request.method == "GET":
        await PlainTextResponse(request.state.csrf)(scope, receive, send)
        return
    is_ours = is_of_this_page(request, request.headers.get("x-token", ""))
    await PlainTextResponse("", 200 if is_ours else 403)(scope, receive, send)


def test_a_form_needs_the_token_of_this_persons_page_in_this_browser() -> None:
    """Another person's, another cookie's and none are refused; the right one comes as far as the act."""
    people = People({name: Person(name, Role.APPROVER) for name in ("anna", "olga")})
    door = guard_of(_page_with_a_form, _ByName(), people)

    def page(name: str) -> tuple[str, str]:
        start, body = asked(door, headers={"x-name": name})
        cookie = dict(start["headers"])[b"set-cookie"].decode()
        return body["body"].decode(), cookie.partition("=")[2].partition(";")[0]

    def is_taken(token: str, cookie: str) -> bool:
        headers = {"x-name": "anna", "x-token": token} | ({"cookie": f"{COOKIE}={cookie}"} if cookie else {})
        return bool(asked(door, "POST", headers=headers)[0]["status"] == 200)

    (token, cookie), (others, others_cookie) = page("anna"), page("olga")
    cases = {
        "right": (token, cookie),
        "another person's": (others, cookie),
        "another person's, with that cookie": (others, others_cookie),
        "another cookie": (token, others_cookie),
        "no cookie": (token, ""),
        "no token": ("", cookie),
        "a changed token": (token[:-1] + ("0" if token[-1] != "0" else "1"), cookie),
        "another alphabet": ("\u00fc" * 64, cookie),
    }
    assert [name for name, (told, kept) in cases.items() if is_taken(told, kept)] == ["right"]
    assert not is_taken(page("anna")[0], cookie)  # of another page view with another cookie


# What a browser may do with it.


@pytest.mark.parametrize(
    ("way", "path", "status"),
    [("GET", "/", 200), ("GET", "/transfers", 200), ("GET", "/nothing", 404), ("POST", "/", 405),
     ("GET", "/acts/x", 405), ("GET", "/static/x/console.css", 404), ("POST", "/acts/x", 403),
     ("GET", "/transfer/251124000001", 409)],
)  # fmt: skip
def test_no_answer_is_kept_framed_or_believed_to_be_another_kind(
    running: RunningConsole, way: str, path: str, status: int
) -> None:
    """And its policy allows nothing of another host, and no script in the page."""
    answer = running.session("vera@test").request(way, f"{running.url}{path}", timeout=10)
    policy = dict(each.strip().partition(" ")[::2] for each in answer.headers["Content-Security-Policy"].split(";"))

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in CLOSED} == CLOSED
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
        "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert "server" not in {name.lower() for name in answer.headers}


def test_the_cookie_is_no_script_s_and_no_other_site_s(running: RunningConsole) -> None:
    """It is given once, to a person alone."""
    session = running.session("vera@test")
    said = session.get(f"{running.url}/", timeout=10).headers["Set-Cookie"]

    assert re.fullmatch(r"transfers-console=[\w-]{32}; Path=/; HttpOnly; SameSite=Strict", said)
    assert "Set-Cookie" not in session.get(f"{running.url}/", timeout=10).headers
    assert "Set-Cookie" not in requests.get(f"{running.url}/", timeout=10).headers


@pytest.mark.parametrize(
    ("way", "path", "status", "sentence"),
    [("GET", "/nothing/here", 404, "There is no such page."),
     ("PUT", "/transfers", 405, "This address is not for that"),
     ("GET", "/transfer/x", 409, "there is no transfer with this key or reference")],
)  # fmt: skip
def test_what_there_is_not_is_said_in_a_sentence_on_a_page_like_the_others(
    running: RunningConsole, way: str, path: str, status: int, sentence: str
) -> None:
    answer = running.session("vera@test").request(way, f"{running.url}{path}", timeout=10)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert sentence in answer.text
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("dress", ["{}", "+{}", "{}%20"])
def test_a_card_that_is_typed_into_the_search_does_not_come_back(running: RunningConsole, dress: str) -> None:
    """In no page, and not in the log."""
    session = running.session("vera@test")
    for card in (PAN, RECEIVER_PAN):
        for address in ("/search?q=", "/transfer/", "/transfers?why=", "/transfers?terminal=", "/transfers?amount=",
                        "/transfers?cursor=", "/transfers?code=", "/transfers?state=", "/nothing/"):  # fmt: skip
            answer = session.get(f"{running.url}{address}{dress.format(card)}", timeout=10)
            assert card not in answer.text, address
            assert answer.status_code < 500
        assert card not in running.log.read_text(encoding="utf-8")


# What is too large, too slow, too much.


def test_a_form_that_is_too_large_is_not_read(running: RunningConsole) -> None:
    """Whether it says so at its beginning or not."""
    session = running.session("anna@test")
    session.headers["Content-Type"] = "application/x-www-form-urlencoded"
    said = session.post(f"{running.url}/acts/x", data=b"a" * 70_000, timeout=10)
    streamed = session.post(f"{running.url}/acts/x", data=(b"a" * 1000 for _ in range(70)), timeout=10)

    assert (said.status_code, streamed.status_code) == (413, 413)
    assert "The form is too large: nothing was done." in said.text
    assert session.get(f"{running.url}/", timeout=10).status_code == 200


def test_a_head_that_is_too_large_is_not_read(running: RunningConsole) -> None:
    try:
        answer = running.session("vera@test").get(f"{running.url}/", headers={"X-More": "x" * 1_000_000}, timeout=10)
        assert answer.status_code in {400, 431}
    except requests.exceptions.RequestException:
        pass  # it is cut off while it still sends
    assert running.session("vera@test").get(f"{running.url}/", timeout=10).status_code == 200


@pytest.mark.slow
def test_connections_that_bring_no_whole_request_are_ended_and_lock_no_person_out(running: RunningConsole) -> None:
    """Hundreds that say nothing, half of a head, half of a form: a person is answered at once meanwhile."""
    host, port = running.url.removeprefix("http://").split(":")
    token = running.token("anna@test")
    head = f"POST /acts/x HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {running.url}\r\n{HEADER}: {token}\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\na="
    begun = {
        "nothing": b"",
        "half of a head": b"GET / HTTP/1.1\r\nHost: 127",
        "half of a form": f"{head}{form}".encode(),
    }
    crowd = [socket.create_connection((host, int(port)), timeout=30) for _ in range(400)]
    last = {name: socket.create_connection((host, int(port)), timeout=30) for name in begun}
    for name, text in begun.items():
        last[name].sendall(text)
    before = time.monotonic()

    assert running.session("vera@test").get(f"{running.url}/", timeout=10).status_code == 200
    heard = {name: _all_of(each) for name, each in last.items()}
    took_s = time.monotonic() - before
    assert heard.pop("half of a form").startswith(b"HTTP/1.1 408")
    assert set(heard.values()) == {b""}
    assert took_s < 60  # it is ended at all: each wait above has an end of its own
    for each in crowd:
        each.close()
    assert running.session("vera@test").get(f"{running.url}/", timeout=10).status_code == 200


def _all_of(connection: socket.socket) -> bytes:
    """Until the other side ends it."""
    parts: list[bytes] = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    connection.close()
    return b"".join(parts)


# What breaks.


async def _breaks(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("redis://console:hunter22@ledger:6379/0")


async def _breaks_half_way(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("redis://console:hunter22@ledger:6379/0")


def guard_of(app: ASGIApp, identity: Identity | None = None, people: People | None = None) -> Guard:
    origins = frozenset({"http://console"})
    return Guard(app, identity=identity, people=people or People({}), origins=origins, is_secure=False)


def asked(door: Guard, way: str = "GET", path: str = "/", headers: dict[str, str] | None = None) -> list[Message]:
    """What the guard in front of this app answers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    told = {"host": "console", "origin": "http://console"} | (headers or {})
    scope: dict[str, Any] = {
        "type": "http", "method": way, "path": path, "query_string": b"", "scheme": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in told.items()],
    }  # fmt: skip
    asyncio.run(door(scope, receive, send))
    return sent


@pytest.mark.parametrize("way", ["GET", "POST"])
def test_what_breaks_is_a_sentence_and_the_log_has_no_password(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The framework's own page would be a bare word, without what the other answers forbid."""
    start, body = asked(guard_of(_breaks), way, "/plans")
    headers = {name.decode(): value.decode() for name, value in start["headers"]}

    assert start["status"] == 500
    assert b"could not be made" in body["body"]
    assert (b"whether something was done is not known" in body["body"]) == (way == "POST")
    assert b"hunter22" not in body["body"]
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("epay_transfers")]
    assert ours == ["A page could not be made: /plans."]


def test_what_breaks_half_way_ends_there() -> None:
    assert [message["type"] for message in asked(guard_of(_breaks_half_way))] == ["http.response.start"]


def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """408; the wait of the real one is ten seconds."""
    monkeypatch.setattr(guard, "_FORM_S", 0.0)
    statuses: list[int] = []

    async def reads(scope: Scope, receive: Receive, _send: Send) -> None:
        never = asyncio.Event()
        limited = guard._limited(Request(scope), never.wait)  # type: ignore[arg-type]  # never
        try:
            await limited()
        except HTTPException as error:
            statuses.append(error.status_code)

    asked(guard_of(reads), "POST")
    assert statuses == [408]


# For a supervisor.


def test_a_supervisor_is_told_whether_it_lives_and_is_ready_and_no_more(running: RunningConsole) -> None:
    """By the machine's address, without a person; `transfers probe` asks so."""
    for path in ("/live", "/ready"):
        answer = requests.get(f"{running.url}{path}", headers={"Host": "10.0.0.7:9480"}, timeout=10)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert "Set-Cookie" not in answer.headers


def test_a_ledger_that_is_away_is_said_and_the_console_goes_on(tmp_path: Path, vault_server: EmbeddedServer) -> None:
    """It lives and is not ready; its pages say what is unknown, and what can't be shown, in sentences."""
    nowhere = cast("EmbeddedServer", SimpleNamespace(url=f"redis://:hunter22@127.0.0.1:{free_port()}/0"))
    with settled_console(tmp_path, nowhere, vault_server) as console:
        session = console.session("anna@test")
        answers = {
            path: session.get(f"{console.url}{path}", timeout=30)
            for path in (*pages({"key": "251124000001", "digest": "a" * 64}), "/live", "/ready")
        }

    assert (answers["/live"].status_code, answers["/ready"].status_code) == (200, 503)
    assert answers["/ready"].text == "the ledger can't be asked (REDIS_URL)\n"
    assert answers["/"].status_code == 200
    assert "nothing is wrong" not in answers["/"].text.lower()
    assert {path for path, answer in answers.items() if answer.status_code == 500} == set()
    assert all("hunter22" not in answer.text for answer in answers.values())
    assert "hunter22" not in console.log.read_text(encoding="utf-8")


def test_the_log_of_it_all_has_no_token_and_no_address_of_a_server(running: RunningConsole) -> None:
    text = Path(running.log).read_text(encoding="utf-8")

    assert "eyJ" not in text
    assert "redis://" not in text
    assert "hunter22" not in text
