"""Starting and stopping, notifications, and the wall around this room."""

import ast
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, get_args

import pytest
import requests

from epay_transfers import sandbox
from epay_transfers.sandbox import Options, Rule, directives, running
from epay_transfers.sandbox.answers import Notification
from epay_transfers.sandbox.app import SandboxBank
from epay_transfers.sandbox.faults import Kind
from epay_transfers.sandbox.notifier import Notifier

ROOM = Path(sandbox.__file__).parent.resolve()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_a_signal_and_prints_its_address_alone(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "epay_transfers.sandbox", "--port", "0", "--print-address"]
    with subprocess.Popen(command, cwd=ROOM.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bank:  # noqa: S603 - our own module
        assert bank.stdout
        url = bank.stdout.readline().strip()
        try:
            answered = requests.get(f"{url}/books", timeout=10).json()["totals"]["orders"]
        finally:
            bank.send_signal(number)
        rest, errors = bank.communicate(timeout=20)

    assert (answered, bank.returncode, rest, errors) == (0, 0, "", "")


def test_it_stops_at_once_and_whoever_waits_gets_the_answer() -> None:
    request = b"GET /check-status/p2p/transaction/%s HTTP/1.1\r\nHost: bank\r\n\r\n"
    with running() as bank, ExitStack() as stack:
        url = bank.url
        host, port = url.removeprefix("http://").split(":")
        _idle, hanging, slow = (stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(3))
        bank.faults.add(Rule("status", "hang", "before", invoice="111111"))
        bank.faults.add(Rule("status", "latency", "before", invoice="222222", seconds=3600))
        hanging.sendall(request % b"111111")
        slow.sendall(request % b"222222")
        while bank.book.calls["status"] < 2:
            requests.get(f"{url}/books", timeout=5)
        heard, silence = stack.pop_all(), (slow, hanging)
    with heard:
        assert [sock.recv(12) for sock in silence] == [b"HTTP/1.1 401", b""]
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/books", timeout=5)


def test_a_bug_of_the_bank_itself_is_told_without_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_bank: SandboxBank, _request: Any) -> Any:
        raise RuntimeError("4405639704015096")

    monkeypatch.setattr(SandboxBank, "status", broken)

    def ask() -> None:
        with running() as bank:
            answer = requests.get(bank.addresses.status.format(invoice_id="123456"), timeout=5)
            assert answer.status_code == 500
            assert "4405" not in answer.text

    with pytest.raises(AssertionError, match="the sandbox has a bug: RuntimeError in broken") as caught:
        ask()
    assert "4405" not in str(caught.value)


@pytest.fixture
def heard() -> Iterator[tuple[str, SimpleQueue[dict[str, Any]]]]:
    """A merchant's postLink, and what it hears."""
    queue: SimpleQueue[dict[str, Any]] = SimpleQueue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            queue.put({"path": self.path, **json.loads(body)})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", queue
        server.shutdown()
        thread.join()


def test_a_notification_goes_to_the_links_of_this_machine(
    open_shop: Callable[..., Any], heard: tuple[str, SimpleQueue[dict[str, Any]]]
) -> None:
    url, queue = heard
    shop = open_shop(notify=True)

    def pay(words: str, **links: str) -> dict[str, Any]:
        invoice = shop.invoice()
        body = shop.body(invoice, words)
        body["order"] |= links
        said = shop.send(body, shop.token(invoiceID=invoice, secret_hash="hash of " + invoice)).json()
        if "md" in said:
            document = {"ID": said["id"], "PaRes": shop.answer(said["md"]), "MD": said["md"]}
            shop.confirm(document, shop.token(invoiceID=invoice))
        note = queue.get(timeout=10)
        assert (note["invoiceId"], note["amount"], note["currency"]) == (invoice, 100, "KZT")
        assert note["secret_hash"] == "hash of " + invoice
        return note

    paid = pay("paid", postLink=f"{url}/post?a=1", failurePostLink=f"{url}/fail")
    assert (paid["path"], paid["code"], paid["reasonCode"]) == ("/post?a=1", "ok", 0)
    declined = pay("[decline:484]", postLink=f"{url}/post", failurePostLink=f"{url}/fail")
    assert (declined["path"], declined["code"], declined["reasonCode"]) == ("/fail", "error", 484)
    only = pay("[decline:484]", postLink=f"{url}/post", failurePostLink="")
    assert only["path"] == "/post"
    confirmed = pay("[3ds]", postLink=f"{url}/post", failurePostLink="")
    assert (confirmed["path"], confirmed["code"]) == ("/post", "ok")


def test_no_notification_by_default_and_none_to_another_machine(
    open_shop: Callable[..., Any], heard: tuple[str, SimpleQueue[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, queue = heard
    posted: list[str] = []
    monkeypatch.setattr("epay_transfers.sandbox.notifier._post", lambda notification: posted.append(notification.link))
    for options, link in (({}, f"{url}/post"), ({"notify": True}, "https://shop.example/post")):
        shop = open_shop(**options)
        body = shop.body()
        body["order"]["postLink"] = link
        assert shop.send(body, shop.token()).json()["code"] == 0

    Notifier().post(Notification("http://shop.example/post", {}))
    assert (posted, queue.empty()) == ([], True)


def test_this_room_imports_no_other_one() -> None:
    """The sandbox shares no code with the product: two readings of one contract."""
    assert len(list(ROOM.glob("*.py"))) > 10
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.partition(".")[0] == "epay_transfers"]
            assert all(name.startswith("epay_transfers.sandbox") for name in ours), path.name


def test_the_table_of_contents_is_sorted_and_true() -> None:
    assert sandbox.__all__ == sorted(sandbox.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(sandbox, name) for name in sandbox.__all__)


def test_300_slow_calls_at_once_are_all_answered() -> None:
    with running(Options(faults=(Rule("status", "latency", "before", seconds=0.3),))) as bank:
        host, port = bank.url.removeprefix("http://").split(":")
        sockets = [socket.create_connection((host, int(port))) for _ in range(300)]
        for sock in sockets:
            sock.sendall(b"GET /check-status/p2p/transaction/123456 HTTP/1.1\r\nHost: bank\r\n\r\n")
        heard_first = [sock.recv(12) for sock in sockets]
        for sock in sockets:
            sock.close()

    assert set(heard_first) == {b"HTTP/1.1 401"}


def test_the_page_for_people_knows_every_directive_and_every_fault() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()

    words = {word.partition(":")[0] for word in re.findall(r"\[([a-z0-9:.-]+)\]", str(directives.__doc__))}
    assert words
    assert {word for word in words if f"[{word}" not in page} == set()
    assert {kind for kind in get_args(Kind) if f"`{kind}`" not in page} == set()
