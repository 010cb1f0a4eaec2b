"""Connections by a host's name, with a limit for its DNS lookup: the system's own can take minutes, without an end.

So each name has a thread of its own, which is kept while the name is asked for, and looks it up once at a time; a
caller waits no longer than for a connection. There is no cache: a result goes to the callers that waited for it. An
address needs no lookup.
"""

import contextlib
import queue
import socket
import threading
from copy import copy
from typing import Any

#: Where a socket connects to: its family, and what its `connect` takes.
Address = tuple[int, tuple[Any, ...]]

#: A thread ends when its name was not asked for this long.
_KEPT_S = 60.0


class _Lookup:
    """One lookup, and what it brought."""

    def __init__(self) -> None:
        self.has_ended = threading.Event()
        self.addresses: list[Address] = []
        self.error: OSError | UnicodeError | None = None


class _Resolver(threading.Thread):
    """Looks up one name, whenever it is asked to."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"lookup {host}", daemon=True)
        self.under_way: _Lookup | None = None
        self._of = (host, port)
        self._asked: queue.SimpleQueue[_Lookup] = queue.SimpleQueue()

    def ask(self) -> _Lookup:
        """The lookup that is under way, or a new one. Called with the lock."""
        if self.under_way is None:
            self.under_way = _Lookup()
            self._asked.put(self.under_way)
        return self.under_way

    def run(self) -> None:
        while lookup := self._next():
            try:
                self._look_up(lookup)
            except BaseException:
                with _lock:
                    _resolvers.pop(self._of, None)  # so that the next question does not wait for a thread that ends
                raise
            finally:
                with _lock:
                    self.under_way = None
                lookup.has_ended.set()

    def _next(self) -> _Lookup | None:
        with contextlib.suppress(queue.Empty):
            return self._asked.get(timeout=_KEPT_S)
        with _lock:
            if self.under_way is None:
                del _resolvers[self._of]
                return None
        return self._asked.get()

    def _look_up(self, lookup: _Lookup) -> None:
        host, port = self._of
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            lookup.addresses = list(dict.fromkeys((family, place) for family, *_, place in found))
        except (OSError, UnicodeError) as error:
            lookup.error = error


_resolvers: dict[tuple[str, int], _Resolver] = {}
_lock = threading.Lock()


def connected(host: str, port: int, *, within_s: float | None) -> socket.socket:
    """A connection to the first of the host's addresses that takes one. `within_s` is the limit of the lookup, of each
    address, and of each use of the socket.

    Raises the error of the last address, `socket.gaierror` where there is none, or `UnicodeError`.
    """
    failed: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
    for family, address in look_up(host, port, within_s=within_s):
        try:
            return _connected(family, address, within_s)
        except OSError as error:
            failed = error.with_traceback(None)  # it leads to the request, which it would keep if the next one is taken
    raise failed


def _connected(family: int, address: tuple[Any, ...], within_s: float | None) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(within_s)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def look_up(host: str, port: int, *, within_s: float | None) -> list[Address]:
    """Where the port of a host is, in the system's order; `within_s=None` has no limit.

    Raises `OSError`, or `UnicodeError` for a text that can't be a host's name.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        if _is_of(family, host):
            return [(family, (host, port))]
    with _lock:
        resolver = _resolvers.get((host, port))
        if resolver is None or not resolver.is_alive():
            resolver = _Resolver(host, port)
            resolver.start()
            _resolvers[host, port] = resolver
        lookup = resolver.ask()
    if not lookup.has_ended.wait(within_s):
        raise socket.gaierror(socket.EAI_AGAIN, "the name was not looked up in time")
    if lookup.error is not None:
        raise copy(lookup.error)  # a copy for each caller: a raised exception holds the frames of its request
    return lookup.addresses


def _is_of(family: int, host: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        socket.inet_pton(family, host)
        return True
    return False
