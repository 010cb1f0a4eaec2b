"""The client's 3-D Secure answer for a first contact: a page for a person's browser, and one request that comes back.

It listens on loopback alone, takes one answer, and ends. The page holds the challenge, so its file is the owner's and
is deleted afterwards.
"""

import html
import os
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import ChallengeRequired

#: How long a person has. The sandbox's challenge lives as long.
WAIT_S = 900

_LOOK_S = 1.0
_READ_S = 30
_BODY_LIMIT = 256 * 1024

_PAGE = """<!doctype html><meta charset="utf-8"><title>3-D Secure of a test card</title>
<form method="post" action="{action}"><input type="hidden" name="PaReq" value="{pa_req}">
<input type="hidden" name="MD" value="{md}"><input type="hidden" name="TermUrl" value="{term_url}">
<button>To the bank's page</button></form>
"""


def wait_for(
    challenge: ChallengeRequired, folder: Path, say: Callable[[str], None], clock: Clock, wait_s: float = WAIT_S
) -> Secret | None:
    """The PaRes that a browser brings back; None if none came in time."""
    secret = secrets.token_urlsafe(16)
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            form = parse_qs(self.rfile.read(_length(length)).decode("latin-1"))
            pa_res = "".join(form.get("PaRes", [""])[0].replace(" ", "+").split())
            is_ours = self.path == f"/{secret}" and form.get("MD", [""])[0] == challenge.md
            if is_ours and pa_res:
                came.append(pa_res)
            self.send_response(HTTPStatus.OK if came else HTTPStatus.BAD_REQUEST)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"You can close this page.\n" if came else b"This is not the answer that is waited for.\n")

        def log_message(self, *_: object) -> None:
            """Nothing: the line would hold the address."""

    page = folder / "challenge.html"
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = _LOOK_S
        values = {
            "action": challenge.action,
            "pa_req": challenge.pa_req,
            "md": challenge.md,
            "term_url": f"http://127.0.0.1:{server.server_port}/{secret}",
        }
        text = _PAGE.format(**{name: html.escape(value) for name, value in values.items()})
        with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        try:
            say(f"  3-D Secure: open {page.absolute()} in a browser of this machine, and answer the bank's page.")
            end = clock.monotonic() + wait_s
            while not came and clock.monotonic() < end:  # a browser asks for other things too
                server.handle_request()
        finally:
            page.unlink(missing_ok=True)
    return Secret(came[0]) if came else None


def _length(text: str) -> int:
    return min(int(text), _BODY_LIMIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0
