"""The hook that knows whether a byte of a request was handed to a socket, and the watchdog that ends an attempt.

Everything here is about one attempt at a time, and about sockets: no bank, no card, no meaning of an answer.
A connection sends only inside an `Attempt`; after the attempt's deadline none can begin to send.
"""

import contextlib
import io
import os
import socket
import threading
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Self

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ledger.clock import Clock
from worker.bank.lookup import look_up
from worker.bank.outcome import Evidence

#: A connection that idled longer is not used again: a stale one is indistinguishable from "executed, then died".
REUSE_IDLE_S = 0.4


class TooLateError(Exception):
    """The deadline came before the first byte, or between two: nothing more may be sent."""


class Attempt:
    """One request, from its beginning to its last byte or its deadline: `with Attempt(...) as attempt`."""

    def __init__(self, clock: Clock, deadline_s: float) -> None:
        self.clock = clock
        self.was_cut = False
        self._touched = False
        self._over = False
        self._ends_at = clock.monotonic() + deadline_s
        self._lever: socket.socket | None = None
        self._lock = threading.Lock()
        self._watchdog = threading.Timer(deadline_s, self._cut)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self._watchdog.start()
        self._reset = _ATTEMPT.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _ATTEMPT.reset(self._reset)
        self._watchdog.cancel()
        with self._lock:
            self._over = True
            if self._lever is not None:
                self._lever.close()

    @property
    def evidence(self) -> Evidence:
        """What is proved when no whole answer came. Asked after the end, so that no sending can follow."""
        return Evidence.MAYBE_SENT if self._touched else Evidence.NOT_SENT

    def touch(self, sock: socket.socket) -> None:
        """Called before each handing of bytes to the socket."""
        with self._lock:
            if self.was_cut or self._over or self.clock.monotonic() >= self._ends_at:
                self.was_cut = True
                raise TooLateError
            if self._lever is None:
                # A second handle to the same connection: the first may be closed, and its number given to a stranger,
                # while the watchdog reaches for it. And a TLS socket that is shut from outside forgets to encrypt.
                self._lever = socket.socket(fileno=os.dup(sock.fileno()))
            self._touched = True

    def _cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.was_cut = True
            if self._lever is not None:
                with contextlib.suppress(OSError):
                    self._lever.shutdown(socket.SHUT_RDWR)


_ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")


class _WholeLines(io.BufferedReader):
    """A reader that takes no line for whole that was cut off: the standard one takes cut headers for all headers."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            raise HTTPException("a line was cut off")
        return line


class _WholeHeaders(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _WholeLines(self.fp.detach())


class _Watched(HTTPConnection):
    """Mixed into both kinds of connection."""

    response_class = _WholeHeaders
    _used_at: float = 0.0

    @property
    def is_connected(self) -> bool:
        idle_s = _ATTEMPT.get().clock.monotonic() - self._used_at
        return idle_s < REUSE_IDLE_S and super().is_connected

    def _new_conn(self) -> socket.socket:
        """One address after the other, as the library does; but its own lookup of the name could hang for minutes."""
        name, failed = self._dns_host, None
        try:
            for address in look_up(name, self.port, within_s=self.timeout):
                self._dns_host = address
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failed = error
        except socket.gaierror as error:
            raise NameResolutionError(name, self, error) from None
        finally:
            self._dns_host = name
        raise failed or NameResolutionError(name, self, socket.gaierror(socket.EAI_NONAME, "it has no address"))

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        _ATTEMPT.get().touch(self.sock)
        super().send(data)

    def getresponse(self) -> Any:
        self._used_at = _ATTEMPT.get().clock.monotonic()  # before the answer: too early is the safe side
        return super().getresponse()


class WatchedPlain(_Watched, HTTPConnection):
    pass


class WatchedTLS(_Watched, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = WatchedPlain


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = WatchedTLS


#: For the pool manager of an adapter.
POOLS = {"http": PlainPool, "https": TLSPool}
