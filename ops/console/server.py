"""The console as a server: uvicorn on one address, until a signal, and the client's certificate for each request."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from epay_transfers.ops.console.settings import ConsoleSettings, Proof
from epay_transfers.ops.exit_status import Misconfigured, Refusal
from epay_transfers.runtime.listen_address import read_address

_SILENT = 60  #: above every level that uvicorn logs at
_BACKLOG = 128
_GRACE_S = 2


#: Bytes of a request's line and headers, with a proxy's token in them.
_LARGEST_HEAD = 32_768

#: So long a connection may be open without a whole request on it.
_IDLE_S = 10.0

#: Beyond so many connections the one that has been idle for longest makes room.
_MOST_CONNECTIONS = 256


class _Connection(H11Protocol):
    """uvicorn's, which also tells the app the certificate that its TLS handshake has checked.

    uvicorn itself waits for ever for a request that never comes whole: enough of those would lock people out.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        self._watch = self.loop.call_later(_IDLE_S, self._close_if_idle)
        self._make_room()
        app, certificate = self.app, transport.get_extra_info("peercert")

        async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "client_certificate": certificate}, receive, send)

        self.app = with_certificate

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()

    @property
    def is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # before the first

    def _close_if_idle(self) -> None:
        idle_s = self.loop.time() - self.idle_since if self.is_idle else 0.0
        if idle_s >= _IDLE_S:
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(_IDLE_S - idle_s, self._close_if_idle)

    def _make_room(self) -> None:
        if len(self.connections) <= _MOST_CONNECTIONS:
            return
        ours = [each for each in self.connections if isinstance(each, _Connection)]
        idle = [each for each in ours if each.is_idle and each is not self]
        min(idle, key=lambda each: each.idle_since, default=self).transport.abort()


class _Server(uvicorn.Server):
    """uvicorn without its own way with signals."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's form
        self.should_exit = True


def listen(settings: ConsoleSettings) -> tuple[socket.socket, str]:
    """The socket and the origin of its address. Raises `Refusal`."""
    host, port = read_address(settings.console_address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Refusal(
            f"CONSOLE_ADDRESS: can't listen at {settings.console_address} ({error.strerror or 'no such host'}); "
            "give another HOST:PORT"
        ) from None
    # What it accepts has this of it: an answer goes out in two writes, and the second must not wait for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.console_identity is Proof.CERTIFICATE else "http"
    return listener, f"{scheme}://{shown}:{listener.getsockname()[1]}"


def origins_of(settings: ConsoleSettings, origin: str) -> frozenset[str]:
    """By which people may open it, where no CONSOLE_ORIGIN is set: on loopback, by each of its names."""
    if not settings.is_on_loopback:
        return frozenset({origin})
    scheme, port = origin.partition(":")[0], origin.rpartition(":")[2]
    return frozenset({origin, *(f"{scheme}://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))})


def serve(app: Starlette, settings: ConsoleSettings, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Until SIGINT or SIGTERM. Raises `Misconfigured` for a certificate that can't be used."""
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level=_SILENT,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=_GRACE_S,
    )
    config.load()
    if settings.console_identity is Proof.CERTIFICATE:
        config.ssl = _tls(settings)
    server = _Server(config)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    on_ready()  # the socket listens already
    asyncio.run(server._serve([listener]))  # noqa: SLF001 - `serve` takes the signals for itself


def _tls(settings: ConsoleSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(str(settings.console_certificate), str(settings.console_key))
        context.load_verify_locations(str(settings.console_client_ca))
    except (OSError, ValueError):  # `ssl.SSLError` is an `OSError`
        raise Misconfigured(
            "CONSOLE_CERTIFICATE, CONSOLE_KEY, CONSOLE_CLIENT_CA: one can't be read, or is no PEM file that fits"
        ) from None
    return context
