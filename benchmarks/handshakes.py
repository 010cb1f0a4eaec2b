"""What a request costs the client on loopback: with a full TLS handshake, a resumed one, and a kept connection.

`python -m benchmarks.handshakes` prints a table of milliseconds for each request, the median of the rounds: of the
client's CPU, and of the wall. The server is a process of its own, so that its work is not the client's; on few cores
its time is in the wall's.
"""

import http.client
import multiprocessing
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.worker.bank.outcome import Response
from epay_transfers.worker.bank.transport import Transport
from tests.http.misbehaving import Server, Talk, with_length
from tests.support.certificates import make_authority

ROUNDS = 5
REQUESTS = 100  #: in each round
BODY = b'{"amount": 100}' * 40

FULL = "full handshake"
KEPT = "kept connection"

Once = Callable[[], None]


class Resuming(http.client.HTTPSConnection):
    """Takes the session of a connection before it, and keeps its own."""

    def __init__(self, port: int, tls: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        super().__init__("127.0.0.1", port, context=tls)
        self._tls = tls
        self._session = session

    def connect(self) -> None:
        tcp = socket.create_connection(("127.0.0.1", self.port))
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._tls.wrap_socket(tcp, server_hostname="127.0.0.1", session=self._session)


def ask(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/x", body=BODY)
    answer = connection.getresponse()
    if (answer.status, answer.read()) != (200, b"{}"):
        raise RuntimeError("that is not what the server says")


def full(port: int, tls: ssl.SSLContext) -> Once:
    def once() -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls)
        ask(connection)
        connection.close()

    return once


def resumed(port: int, tls: ssl.SSLContext) -> Once:
    kept: list[ssl.SSLSession | None] = [None]

    def once() -> None:
        connection = Resuming(port, tls, kept[0])
        ask(connection)
        if kept[0] is not None and not connection.sock.session_reused:
            raise RuntimeError("the session was not resumed")
        kept[0] = connection.sock.session
        connection.close()

    once()
    return once


def kept(port: int, tls: ssl.SSLContext) -> Once:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls)
    return lambda: ask(connection)


def ours(port: int, ca_file: str) -> Once:
    transport = Transport(SystemClock(), connect_timeout_s=5, read_timeout_s=5, deadline_s=10, ca_file=ca_file)

    def once() -> None:
        if not isinstance(transport.exchange("POST", f"https://127.0.0.1:{port}/x", body=BODY), Response):
            raise RuntimeError("no answer")  # noqa: TRY004 - not a matter of types

    return once


def measure(once: Once) -> tuple[float, float]:
    """CPU and wall of one request, in milliseconds."""
    cpu, wall = [], []
    for _ in range(ROUNDS):
        cpu_begin, wall_begin = time.process_time(), time.perf_counter()
        for _ in range(REQUESTS):
            once()
        cpu.append((time.process_time() - cpu_begin) / REQUESTS * 1000)
        wall.append((time.perf_counter() - wall_begin) / REQUESTS * 1000)
    return statistics.median(cpu), statistics.median(wall)


def serve(folder: str, told: Any) -> None:
    """In a process of its own, until it is ended."""

    def well(talk: Talk) -> None:
        talk.say(with_length(b"{}"))

    def at_once(sock: socket.socket) -> bool:
        """Else what follows the handshake waits for the client's late acknowledgement, up to 40 ms."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    authority = make_authority(Path(folder))
    with Server({"/x": (well, b"{}")}, tls=authority.server(), greet=at_once) as server:
        told.send((server.port, authority.ca_file))
        threading.Event().wait()


@contextmanager
def running() -> Iterator[dict[str, Once]]:
    """A server in a process of its own, and a request to it in each way."""
    ours_end, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        process.start()
        port, ca_file = ours_end.recv()
        tls = ssl.create_default_context(cafile=ca_file)
        yield {
            FULL: full(port, tls),
            "resumed handshake": resumed(port, tls),
            KEPT: kept(port, tls),
            "the worker's transport (full handshake)": ours(port, ca_file),
        }
        process.terminate()
        process.join()


def one_us() -> float:
    """Microseconds of the client's CPU that a full handshake adds to a request."""
    with running() as ways:
        return (measure(ways[FULL])[0] - measure(ways[KEPT])[0]) * 1000


def main() -> None:
    with running() as ways:
        print(f"{ssl.OPENSSL_VERSION}, {sys.platform}; {ROUNDS} rounds of {REQUESTS} requests; milliseconds a request")
        print(f"{'':<36}{'CPU':>8}{'wall':>8}")
        for name, once in ways.items():
            cpu, wall = measure(once)
            print(f"{name:<36}{cpu:>8.3f}{wall:>8.3f}")


if __name__ == "__main__":
    main()
