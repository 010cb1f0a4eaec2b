"""`Attempt`: one request on one connection. It records whether a byte reached a socket, and a watchdog ends it.

This module is about sockets: no bank, no card, no meaning of a response. A connection sends only inside an `Attempt`,
and only one request; after the attempt's end no connection can begin to send.
"""

import contextlib
import http.client
import math
import os
import socket
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from epay_transfers.ledger.clock import Clock
from epay_transfers.worker.bank.head import StrictAnswer
from epay_transfers.worker.bank.lookup import look_up
from epay_transfers.worker.bank.outcome import Evidence
from epay_transfers.worker.bank.watchdog import WATCHDOG, Watch


class TooLateError(Exception):
    """The attempt has ended before all bytes were sent: nothing more may be sent."""


class UsedConnectionError(Exception):
    """The connection has carried a request already: the next bytes on it may be the response to that one."""


class UnwatchedError(Exception):
    """The watchdog is dead, or another process's, so nothing would end the attempt: nothing may be sent."""


class Attempt:
    """One request, from its start to its last byte or its end: `with Attempt(...) as attempt`.

    It ends `deadline_s` after its start, and at `not_after` in any case: a process that was suspended before the start
    finds that time past.
    """

    def __init__(self, clock: Clock, deadline_s: float, *, not_after: float = math.inf) -> None:
        self.clock = clock
        self.was_cut = False
        self._touched = False
        self._over = False
        begins_at = clock.monotonic()
        self._ends_at = min(begins_at + deadline_s, not_after)
        self._lever: int | None = None
        self._lock = threading.Lock()
        self._watched_s = max(self._ends_at - begins_at, 0.0)
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        self._watch = WATCHDOG.watch(self._cut, within_s=self._watched_s)
        self._reset = _ATTEMPT.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _ATTEMPT.reset(self._reset)
        with self._lock:
            self._over = True
            if self._lever is not None:
                os.close(self._lever)
        if self._watch is not None:
            self._watch.end()

    @property
    def evidence(self) -> Evidence:
        """What is proved if no whole response came. Read it after the end, so that nothing is sent afterwards."""
        return Evidence.MAYBE_SENT if self._touched else Evidence.NOT_SENT

    def touch(self, sock: socket.socket) -> None:
        """Record that bytes go to the socket now. Called before each send."""
        with self._lock:
            if self.was_cut or self._over or self.clock.monotonic() >= self._ends_at:
                self.was_cut = True
                raise TooLateError
            if self._watch is None or self._watch.is_lost or not WATCHDOG.is_alive:
                raise UnwatchedError
            if self._lever is None:
                # A second handle to the same connection: the first may be closed, and its number reused for another
                # file, before the watchdog uses it. And a TLS socket that is shut from outside stops encrypting.
                self._lever = os.dup(sock.fileno())
            self._touched = True

    def _cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.was_cut = True
            if self._lever is not None:
                with contextlib.suppress(OSError):
                    link = socket.socket(fileno=self._lever)
                    self._lever = None  # the socket closes it
                    with link:
                        link.shutdown(socket.SHUT_RDWR)


_ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")


class _Watched(HTTPConnection):
    """What both kinds of connection share: one request, inside an `Attempt`."""

    response_class = StrictAnswer
    _is_used = False
    _head: bytes | None = b""  #: of the request, while its body is to come; None before it is written

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self._is_used:
            raise UsedConnectionError
        self._is_used = True
        super().putrequest(*args, **kwargs)

    #: The library looks in each header for a sign of its own to leave it out, which no request of ours has.
    putheader = http.client.HTTPConnection.putheader

    def _new_conn(self) -> socket.socket:
        """Try one address after the other, as the library does, but after our own lookup: its can hang for minutes."""
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

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Head and body are one send: what is proved of the one is proved of the other."""
        self._head = None if body else b""
        super().request(method, url, body, *args, **kwargs)

    def send(self, data: Any) -> None:
        if self._head is None:
            self._head = data
            return
        if self.sock is None and self.auto_open:
            self.connect()
        _ATTEMPT.get().touch(self.sock)
        super().send(self._head + data)
        self._head = b""


class WatchedPlain(_Watched, HTTPConnection):
    pass


class WatchedTLS(_Watched, HTTPSConnection):
    pass


class _KeepsNone(HTTPConnectionPool):
    """What both kinds of pool share: a new connection for each request, and none is kept after it."""

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - the library's signature
        return self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class PlainPool(_KeepsNone):
    ConnectionCls = WatchedPlain


class TLSPool(_KeepsNone, HTTPSConnectionPool):
    ConnectionCls = WatchedTLS


#: For the pool manager of an adapter.
POOLS = {"http": PlainPool, "https": TLSPool}
