"""The client's 3-D Secure answer for a first contact: a page for a person's browser, and one request that comes back.

It listens on loopback alone, takes one answer, and ends. The page holds the challenge, so it is in no file, and its
address can't be guessed.
"""

import html
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from epay_transfers.ledger import posted_form
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.pa_res import is_same_md, read_pa_res
from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import ChallengeRequired

#: How long a person has. The sandbox's challenge lives as long.
WAIT_S = 900

_LOOK_S = 1.0
_READ_S = 30
_BODY_LIMIT = 256 * 1024

_ANSWER = ("PaRes", "MD")

#: A page of a file, or one without a referrer, makes a browser send `Origin: null`, which some banks' servers refuse.
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action https: http:; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "strict-origin",
}

_PAGE = """<!doctype html><meta charset="utf-8"><title>3-D Secure of a test card</title>
<form method="post" action="{action}"><input type="hidden" name="PaReq" value="{pa_req}">
<input type="hidden" name="MD" value="{md}"><input type="hidden" name="TermUrl" value="{term_url}">
<button>To the bank's page</button></form>
"""


def wait_for(
    challenge: ChallengeRequired, say: Callable[[str], None], clock: Clock, wait_s: float = WAIT_S
) -> Secret | None:
    """The PaRes that a browser brings back; None if none came in time."""
    page_path, answer_path = (f"/{secrets.token_urlsafe(16)}" for _ in range(2))
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_S

        def do_GET(self) -> None:
            if self.path != page_path:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self._reply(HTTPStatus.OK, _PAGE_HEADERS, page)

        def do_POST(self) -> None:
            body = self.rfile.read(_length(self.headers.get("Content-Length", "")))
            pa_res = _pa_res(body, challenge) if self.path == answer_path else None
            status, words = HTTPStatus.OK, b"You can close this page.\n"
            if pa_res is None:
                status, words = HTTPStatus.BAD_REQUEST, b"This is not the answer that is waited for.\n"
            self._reply(status, {"Content-Type": "text/plain"}, words)
            if pa_res is not None:
                came.append(pa_res)

        def _reply(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the line would hold the address."""

    # One thread a connection: a browser opens some on which it asks for nothing.
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = _LOOK_S
        base = f"http://127.0.0.1:{server.server_port}"
        values = {"action": challenge.action, "pa_req": challenge.pa_req, "md": challenge.md}
        values["term_url"] = base + answer_path
        page = _PAGE.format(**{name: html.escape(value) for name, value in values.items()}).encode()
        say(f"  3-D Secure: open {base}{page_path} in a browser of this machine, and answer the bank's page.")
        end = clock.monotonic() + wait_s
        while not came and clock.monotonic() < end:  # a browser asks for other things too
            server.handle_request()
    return Secret(came[0]) if came else None


def _pa_res(body: bytes, challenge: ChallengeRequired) -> str | None:
    """None for what is no answer to this challenge."""
    fields = posted_form.read(body, _ANSWER, any_case=_ANSWER)
    if not is_same_md(challenge.md, fields.get("MD", "")):
        return None
    try:
        return read_pa_res(fields.get("PaRes", ""))
    except ValueError:
        return None


def _length(text: str) -> int:
    return min(int(text), _BODY_LIMIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0
