"""What several tests of this room need: a place where the true library for error reports sends them to."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Reports:
    """A stand-in for where error reports go: the true library sends them here, over HTTP."""

    dsn: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> bytes:
        return b"\n".join(self.bodies)


@contextmanager
def receiving_reports() -> Iterator[Reports]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            receiving.bodies.append(gzip.decompress(body) if is_packed else body)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiving = Reports(f"http://public@127.0.0.1:{server.server_port}/1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiving
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def reports() -> Iterator[Reports]:
    with receiving_reports() as receiving:
        yield receiving
