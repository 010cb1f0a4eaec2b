"""The sandbox bank as a server: `serve` until a signal, `running` in a thread for tests. It prints and logs nothing."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from epay_transfers.sandbox import books_file
from epay_transfers.sandbox.app import SandboxBank
from epay_transfers.sandbox.book import Book
from epay_transfers.sandbox.faults import Faults
from epay_transfers.sandbox.options import Options
from epay_transfers.sandbox.wire import Wire

_BACKLOG = 2048
_SILENT = 60  # above every level that uvicorn logs at
_DEFAULTS = Options()
_TICKS = 10  #: of uvicorn's, in a second


@dataclass(frozen=True, slots=True)
class SandboxAddresses:
    """The addresses of the four calls; `status` takes `{invoice_id}`."""

    token: str
    transfer: str
    confirm: str
    status: str


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A running sandbox bank. A test may read and change its book and its faults from its own thread."""

    url: str
    bank: SandboxBank

    @property
    def book(self) -> Book:
        return self.bank.decisions.book

    @property
    def faults(self) -> Faults:
        return self.bank.faults

    def totals(self) -> dict[str, object]:
        """The totals of the books: `executed_twice` must always be empty."""
        return self.book.totals(self.bank.decisions.now())

    @property
    def addresses(self) -> SandboxAddresses:
        return addresses(self.url)


def addresses(url: str) -> SandboxAddresses:
    return SandboxAddresses(
        token=f"{url}/epay2/oauth2/token",
        transfer=f"{url}/api/p2p/transfer",
        confirm=f"{url}/api/p2p/api/confirm",
        status=f"{url}/api/check-status/p2p/transaction/{{invoice_id}}",
    )


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_ready: Callable[[str], None] | None = None,
    options: Options = _DEFAULTS,
    books: Path | None = None,
) -> None:
    """Run until SIGINT or SIGTERM, then return. `on_ready` gets the address once the bank accepts calls.

    `books`: the bank goes on with the books of this file, if it is there, and writes them there, each second in which
    they have changed, and at the end.
    """
    listener, url = _listen(host, port)
    bank = SandboxBank(options)
    if books:
        books_file.read(bank.decisions, books)
    server = _Server(bank, books)
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if on_ready:
            on_ready(url)  # the socket listens already: a call made now is answered in a moment
        server.run_on(listener)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if books:
            books_file.write(bank.decisions, books)


@contextlib.contextmanager
def running(options: Options = _DEFAULTS, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[RunningSandbox]:
    """A bank in a thread, on a free port. Raises at the end if the bank itself had a bug."""
    listener, url = _listen(host, port)
    bank = SandboxBank(options)
    server = _Server(bank)
    thread = threading.Thread(target=server.run_on, args=(listener,), name="sandbox", daemon=True)
    thread.start()
    try:
        yield RunningSandbox(url, bank)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()  # a server that is told to end before it has begun leaves it open
    if bank.bugs:
        raise AssertionError(f"the sandbox has a bug: {'; '.join(bank.bugs)}")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and its logs, which ends waiting calls when it stops."""

    def __init__(self, bank: SandboxBank, books: Path | None = None) -> None:
        config = uvicorn.Config(
            bank.app,
            http=Wire,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level=_SILENT,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=bank.options.keep_alive_s,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._bank = bank
        self._books, self._written = books, b""

    def run_on(self, listener: socket.socket) -> None:
        asyncio.run(self._serve([listener]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's form
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._books and not counter % _TICKS:
            self._written = books_file.write(self._bank.decisions, self._books, self._written)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._bank.patience.end()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Inherited by every connection: an answer's head and body leave at once, not 40 ms apart.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"
