"""The line between one process and a server, which a test can cut without a word to anybody else.

Or at one request alone: a test says by which words in it, and whether the server still gets it.
"""

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class Link:
    """Listens on loopback and passes on every byte, both ways. While it is cut, nobody comes through."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._lost_request: tuple[bytes, ...] = ()
        self._lost_reply: tuple[bytes, ...] = ()
        self._awaits_lost_reply: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Every connection breaks, and a new one breaks as soon as it is made."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def lose_request(self, *words: bytes) -> None:
        """The next request with these words in it never comes to the server: its connection breaks, once."""
        with self._lock:
            self._lost_request = words

    def lose_reply(self, *words: bytes) -> None:
        """The server carries out the next request with these words in it; its connection breaks before the reply."""
        with self._lock:
            self._lost_reply = words

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                near, _ = self._listener.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                near.close()
                return
            far = socket.create_connection(self._to)
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not self._loses(data, source, sink):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source}
        source.close()

    def _loses(self, data: bytes, source: socket.socket, sink: socket.socket) -> bool:
        """A small request comes in one piece over loopback, so its words are looked for in that alone."""
        with self._lock:
            if _has(data, self._lost_request):
                self._lost_request = ()
                return True
            if _has(data, self._lost_reply):
                self._lost_reply = ()
                self._awaits_lost_reply.add(source)
            return sink in self._awaits_lost_reply


def _has(data: bytes, words: tuple[bytes, ...]) -> bool:
    return bool(words) and all(word in data for word in words)
