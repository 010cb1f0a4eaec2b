"""What one exchange with the bank costs the worker's CPU, beside the careless ways to make it with the same library.

`make bench` prints a table of microseconds of the client's CPU (all its threads) for each exchange, the median of the
rounds, which take turns; and how many times the cost of `HTTPAdapter.send` that is. Each exchange but those of a kept
session has a connection of its own. The bank is a process of its own, and answers before it has looked at anything.
"""

import asyncio
import multiprocessing
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.worker.bank import Paid, Token
from epay_transfers.worker.bank.outcome import Response
from epay_transfers.worker.bank.payloads import token_fields, transfer_json
from epay_transfers.worker.bank.transport import Transport
from tests.http.asking import GOOD, TOKEN, bank_at
from tests.support.bank_examples import CARDS, ORDER, TERMINAL
from tests.support.certificates import make_authority

ROUNDS = 5
EXCHANGES = 100  #: in each round

BODY = transfer_json(TERMINAL, ORDER, CARDS, receiver_id_field="cardCred")
FORM = {name: (None, value) for name, value in token_fields(TERMINAL, ORDER, secret_hash=None).items()}
HEADERS = {"Authorization": f"Bearer {TOKEN.access_token.reveal()}", "Content-Type": "application/json"}

Once = Callable[[], None]


class QuickBank(asyncio.Protocol):
    """Answers each request by its path, and keeps the connection, as a bank may."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._read = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, blank, rest = self._read.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not blank or len(rest) < int(length or 0):
            return
        self._read = b""
        body = GOOD[head.split(b" ", 2)[1].decode()]
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )


def serve(folder: str, told: Any) -> None:
    """In a process of its own, until it is ended: once plain, once with TLS."""
    authority = make_authority(Path(folder))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        plain = await loop.create_server(QuickBank, "127.0.0.1", 0, backlog=1024)
        tls = await loop.create_server(QuickBank, "127.0.0.1", 0, backlog=1024, ssl=authority.server())
        told.send(([server.sockets[0].getsockname()[1] for server in (plain, tls)], authority.ca_file))
        await asyncio.Event().wait()

    asyncio.run(run())


def check(response: requests.Response, path: str) -> None:
    if (response.status_code, response.content) != (200, GOOD[path]):
        raise RuntimeError("that is not what the bank says")


def careless(url: str, path: str, post: Callable[..., requests.Response], ca_file: str) -> Once:
    given: dict[str, Any] = {"files": FORM} if path == "/token" else {"data": BODY, "headers": HEADERS}
    return lambda: check(post(url + path, timeout=(5, 5), verify=ca_file, **given), path)


class FreshPool(urllib3.HTTPConnectionPool):
    """Keeps no connection, and does nothing else that the library does not."""

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - the library's signature
        return self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class FreshTLSPool(FreshPool, urllib3.HTTPSConnectionPool):
    pass


def adapter_alone(url: str, path: str, ca_file: str) -> Once:
    """The floor with `requests`: a request that was prepared once, sent by an adapter that is kept."""
    given: dict[str, Any] = {"files": FORM} if path == "/token" else {"data": BODY, "headers": HEADERS}
    prepared = requests.Request("POST", url + path, **given).prepare()
    adapter = HTTPAdapter()
    adapter.init_poolmanager(10, 10, ssl_context=ssl.create_default_context(cafile=ca_file))
    adapter.poolmanager.pool_classes_by_scheme = {"http": FreshPool, "https": FreshTLSPool}
    adapter.cert_verify = lambda conn, *_: setattr(conn, "cert_reqs", "CERT_REQUIRED")  # type: ignore[method-assign]
    return lambda: check(adapter.send(prepared, timeout=(5, 5)), path)


def transport_alone(url: str, path: str, ca_file: str) -> Once:
    transport = Transport(SystemClock(), connect_timeout_s=5, read_timeout_s=5, deadline_s=8, ca_file=ca_file)
    form = token_fields(TERMINAL, ORDER, secret_hash=None)
    given: dict[str, Any] = {"form": form} if path == "/token" else {"body": BODY, "headers": HEADERS}

    def once() -> None:
        response = transport.exchange("POST", url + path, **given)
        if not isinstance(response, Response) or response.body != GOOD[path]:
            raise RuntimeError("that is not what the bank says")

    return once


def whole_call(url: str, path: str, ca_file: str) -> Once:
    bank = bank_at(url, ca_file=ca_file)

    def token() -> None:
        if not isinstance(bank.token(TERMINAL, order=ORDER), Token):
            raise RuntimeError("no token")  # noqa: TRY004 - not a matter of types

    def transfer() -> None:
        if not isinstance(bank.transfer(TERMINAL, TOKEN, order=ORDER, cards=CARDS, lease_ends_at=float("inf")), Paid):
            raise RuntimeError("not paid")  # noqa: TRY004 - not a matter of types

    return token if path == "/token" else transfer


def measure(rows: dict[str, Once]) -> dict[str, float]:
    """Microseconds of this process's CPU for one exchange of each row."""
    found: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, once in rows.items():
            begin = time.process_time()
            for _ in range(EXCHANGES):
                once()
            found[name].append((time.process_time() - begin) / EXCHANGES * 1e6)
    return {name: statistics.median(times) for name, times in found.items()}


def table(title: str, url: str, ca_file: str) -> None:
    print(f"\n{title:<52}{'token':>8}{'ratio':>8}{'transfer':>10}{'ratio':>8}")
    measured = {}
    for path in ("/token", "/transfer"):
        session = requests.Session()
        rows = {
            "requests.post": careless(url, path, requests.post, ca_file),
            "Session.post, its connection kept": careless(url, path, session.post, ca_file),
            "HTTPAdapter.send of a prepared request": adapter_alone(url, path, ca_file),
            "Transport.exchange": transport_alone(url, path, ca_file),
            "Bank.token, Bank.transfer: payload, answer, log": whole_call(url, path, ca_file),
        }
        if url.startswith("http:"):  # the certificate is for the address alone
            named_url = url.replace("127.0.0.1", "localhost")
            rows["Transport.exchange, the host by its name"] = transport_alone(named_url, path, ca_file)
        measured[path] = measure(rows)
        session.close()
    for name in measured["/token"]:
        line = f"{name:<52}"
        for path, width in (("/token", 8), ("/transfer", 10)):
            floor = measured[path]["HTTPAdapter.send of a prepared request"]
            line += f"{measured[path][name]:>{width}.0f}{measured[path][name] / floor:>8.2f}"
        print(line)


@contextmanager
def running() -> Iterator[tuple[str, str, str]]:
    """The bank in a process of its own: its address without TLS and with it, and the authority's file."""
    ours_end, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        process.start()
        (plain, tls), ca_file = ours_end.recv()
        yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", ca_file
        process.terminate()
        process.join()


def main() -> None:
    with running() as (plain, tls, ca_file):
        print(f"Python {sys.version.split()[0]}, requests {requests.__version__}, {sys.platform}; ", end="")
        print(f"{ROUNDS} rounds of {EXCHANGES} exchanges; microseconds of CPU an exchange")
        table("plain HTTP", plain, ca_file)
        table(ssl.OPENSSL_VERSION, tls, ca_file)


if __name__ == "__main__":
    main()
