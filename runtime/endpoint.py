"""A process's small HTTP server: `/live` and `/ready` for a supervisor, `/metrics` for Prometheus. It changes nothing.

It holds no secret and answers every caller: so it listens where the settings say, and by default on no address at all
or on loopback. What it can't answer it answers with 500, without a word of why; the process goes on.
"""

import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.runtime.listen_address import read_address

_LOG = logging.getLogger(__name__)

#: A caller that sends nothing is cut off.
_CALLER_S = 10.0

_OK, _NOT_FOUND, _BROKEN, _UNAVAILABLE = 200, 404, 500, 503
_TEXT = "text/plain; charset=utf-8"


class NotListening(OSError):
    """Nothing can listen at this address. The message is for people."""


class Endpoint:
    """`live` and `ready` give the reasons against; none is yes. Without `metrics` there is no such path."""

    def __init__(
        self,
        address: str,
        *,
        live: Callable[[], list[str]],
        ready: Callable[[], list[str]],
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        self._routes: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/live": lambda: _verdict(live()),
            "/ready": lambda: _verdict(ready()),
        }
        if metrics is not None:
            self._routes["/metrics"] = lambda: (_OK, CONTENT_TYPE_LATEST, metrics())
        host, port = read_address(address)
        routes = self._routes

        class Handler(BaseHTTPRequestHandler):
            timeout = _CALLER_S
            server_version, sys_version = "transfers", ""

            def do_GET(self) -> None:  # the library's name
                status, kind, body = _answer(routes, self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Nothing: a probe each second is no news, and a caller chooses the words."""

        class Server(ThreadingHTTPServer):
            address_family = AF_INET6 if ":" in host else AF_INET
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A caller that went away is no news."""

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            raise NotListening(f"can't listen at {address} ({error.strerror or 'no such host'})") from None
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._server.server_port}"

    def start(self) -> Self:
        """In a thread of its own, for as long as the process runs."""
        threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()
        log_line(_LOG.info, "endpoint.listens", "Listens at %(address)s: %(paths)s.", paths=", ".join(self._routes),
                 address=self.address)  # fmt: skip
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _verdict(against: list[str]) -> tuple[int, str, bytes]:
    text = "".join(f"{reason}\n" for reason in against) or "ok\n"
    return _UNAVAILABLE if against else _OK, _TEXT, text.encode()


def _answer(routes: dict[str, Callable[[], tuple[int, str, bytes]]], path: str) -> tuple[int, str, bytes]:
    if path not in routes:
        return _NOT_FOUND, _TEXT, f"here are {', '.join(routes)}\n".encode()
    try:
        return routes[path]()
    except Exception:  # noqa: BLE001 - an observer's failure must not end what it observes
        log_line(_LOG.exception, "endpoint.broken", "What was asked for at %(path)s could not be made.", path=path)
        return _BROKEN, _TEXT, b"broken: the log of this process says why\n"
