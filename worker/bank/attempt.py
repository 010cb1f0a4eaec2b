"""`Attempt`: one request on one connection. It records whether a byte reached a socket, and a watchdog ends it.

This module is about sockets: no bank, no card, no meaning of a response. A connection sends only inside an `Attempt`,
and only one request; after the attempt's end no connection can begin to send.
"""

import contextlib
import math
import os
import re
import socket
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, cast

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from epay_transfers.ledger.clock import Clock
from epay_transfers.worker.bank.head import StrictAnswer
from epay_transfers.worker.bank.lookup import connected
from epay_transfers.worker.bank.outcome import Evidence
from epay_transfers.worker.bank.watchdog import WATCHDOG, Watch


class TooLateError(Exception):
    """The attempt has ended before all bytes were sent: nothing more may be sent."""


class UsedConnectionError(Exception):
    """The connection has carried a request already: the next bytes on it may be the response to that one."""


class UnsendableError(Exception):
    """A part of the request would not be read as what it is: nothing was sent."""


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
    """What both kinds of connection share: one request, inside an `Attempt`, and one answer.

    The library's own way builds a request line by line, and reads an answer's head into three tables one after the
    other.
    """

    _is_used = False

    def _new_conn(self) -> socket.socket:
        """As the library does, but by our own lookup: its can hang for minutes."""
        try:
            return connected(self._dns_host, self.port, within_s=self.timeout)
        except OSError as error:
            failed = error.with_traceback(None)  # which leads to the request
        match failed:
            case socket.gaierror():
                raise NameResolutionError(self.host, self, failed)
            case TimeoutError():
                raise ConnectTimeoutError(self, "no connection was made in time") from failed
            case _:
                raise NewConnectionError(self, "no connection was made") from failed

    def request(  # type: ignore[override]  # the library's has options, of which none is used here
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Head and body are one send: what is proved of the one is proved of the other."""
        if self._is_used:
            raise UsedConnectionError
        self._is_used = True
        written = request_head(method, url, headers or {}) + (body or b"")
        self.connect()
        _ATTEMPT.get().touch(self.sock)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it read all
            self.sock.sendall(written)

    def getresponse(self) -> StrictAnswer:  # type: ignore[override]  # the library's is read in another way
        """The head of the answer. What is left of it is read from it, and it is to be closed."""
        self.sock.settimeout(self.timeout)
        answer = StrictAnswer(self.sock)
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer


_REQUEST_LINE = re.compile("[A-Z]+ [!-~]+ HTTP/1.1")
_HEADER = re.compile("[0-9A-Za-z-]+: [ -~\xa0-\xff]*")


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Raises `UnsendableError`, without a word of it, where a line would be read as another one, or as two."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if not (_REQUEST_LINE.fullmatch(lines[0]) and all(map(_HEADER.fullmatch, lines[1:]))):
        raise UnsendableError("a line of the request has a character that may not be in it")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class WatchedPlain(_Watched, HTTPConnection):
    pass


class WatchedTLS(_Watched, HTTPSConnection):
    pass


class _KeepsNone(HTTPConnectionPool):
    """What both kinds of pool share: a new connection for each request, and nothing is sent again."""

    def urlopen(  # type: ignore[override]  # the library's has options, of which none is used here
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: urllib3.Timeout,
        **_options: Any,
    ) -> StrictAnswer:
        """One request on a new connection: the head of its answer."""
        connection: Any = self._new_conn()
        connection.timeout = timeout.connect_timeout
        try:
            connection.request(method, url, body, headers)
            connection.timeout = timeout.read_timeout
            return cast("StrictAnswer", connection.getresponse())
        finally:
            connection.close()  # the answer keeps the socket until it is closed


class PlainPool(_KeepsNone):
    ConnectionCls = WatchedPlain  # type: ignore[assignment]  # it takes and gives less than the library's


class TLSPool(_KeepsNone, HTTPSConnectionPool):
    ConnectionCls = WatchedTLS  # type: ignore[assignment]  # it takes and gives less than the library's


#: For the pool manager of an adapter.
POOLS = {"http": PlainPool, "https": TLSPool}
