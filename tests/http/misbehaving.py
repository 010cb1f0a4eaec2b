"""A server that counts what it executed and then misbehaves, on raw sockets, plain or TLS. It judges nothing.

A *manner* is a function of the connection, called once a whole request was read and counted.
"""

import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

Manner = Callable[["Talk"], None]


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split()[1]


@dataclass
class Talk:
    """One connection, on which a request was just read."""

    sock: socket.socket
    request: Request
    good: bytes  #: the body that a well-behaved bank would answer with
    stop: threading.Event
    number: int = 1  #: of the request, among those of its connection

    def say(self, *parts: bytes) -> None:
        self.sock.sendall(b"".join(parts))

    def say_raw(self, data: bytes) -> None:
        """Past the TLS, if there is any."""
        socket.socket.sendall(self.sock, data)

    def hold(self) -> None:
        """Says nothing more until the other side goes away, or the test is over."""
        self.sock.settimeout(10)
        self.sock.recv(1)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class Server:
    """`with Server(...) as server`: at `server.url`."""

    manners: Mapping[str, tuple[Manner, bytes]]  #: by the path's first word
    tls: ssl.SSLContext | None = None
    greet: Callable[[socket.socket], bool] | None = None  #: before TLS; False ends the connection
    executed: list[Request] = field(default_factory=list)
    has_executed: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)
        for sock in self._open:
            sock.close()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return sum(request.path.startswith(path) for request in self.executed)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self.greet is not None and not self.greet(sock):
                return
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            for number in itertools.count(1):
                request = read_request(sock)
                if request is None:
                    return
                manner, good = self.manners["/" + request.path.split("/")[1]]
                self.executed.append(request)
                self.has_executed.set()
                manner(Talk(sock, request, good, self._stop, number))
        except OSError:
            return
        finally:
            sock.close()


def read_request(sock: socket.socket) -> Request | None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(65536)
        if not more:
            return None
        head += more
    top, _, body = head.partition(b"\r\n\r\n")
    line, *rows = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    while len(body) < int(headers.get("content-length", "0")):
        more = sock.recv(65536)
        if not more:
            return None
        body += more
    return Request(line, headers, body)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def with_length(body: bytes, head: bytes = OK) -> bytes:
    return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


class Gone(OSError):
    """The manner ended the connection."""


def well(talk: Talk) -> None:
    talk.say(with_length(talk.good))


def well_in_chunks(talk: Talk) -> None:
    half = len(talk.good) // 2
    chunks = (b"%x\r\n%s\r\n" % (len(part), part) for part in (talk.good[:half], talk.good[half:], b""))
    talk.say(OK, b"Transfer-Encoding: chunked\r\n\r\n", *chunks)


def well_in_chunks_of_any_form(talk: Talk) -> None:
    """As the standard lets them be: extensions, blanks, zeros before a size, large letters, a header at the end."""
    half = len(talk.good) // 2
    first, second = talk.good[:half], talk.good[half:]
    chunks = (b"%020X;a=b\r\n%s\r\n" % (half, first), b"%x \t;c\r\n%s\r\n" % (len(second), second))
    talk.say(OK, b"Transfer-Encoding: Chunked\r\n\r\n", *chunks, b"0;d\r\nX: x\r\n\r\n")


def well_in_gzip(talk: Talk) -> None:
    talk.say(with_length(gzip.compress(talk.good), OK + b"Content-Encoding: gzip\r\n"))


def well_after_interim_answers(talk: Talk) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\nLink: </x>; rel=preload\r\n\r\n"
    talk.say(b"HTTP/1.1 102 Processing\r\n\r\n" * 9, b"HTTP/1.1 100 Continue\r\n\r\n", hint, with_length(talk.good))


def well_until_the_end(talk: Talk) -> None:
    talk.say(OK, b"Connection: close\r\n\r\n", talk.good)
    raise Gone


def _ends(manner: Manner) -> Manner:
    def end(talk: Talk) -> None:
        manner(talk)
        raise Gone

    return end


def _holds(manner: Manner) -> Manner:
    def hold(talk: Talk) -> None:
        manner(talk)
        talk.hold()
        raise Gone

    return hold


def _says(text: Callable[[bytes], bytes]) -> Manner:
    return lambda talk: talk.say(text(talk.good))


def _drips(text: Callable[[bytes], bytes]) -> Manner:
    """A byte at a time, each well within the time that a read may take."""

    def drip(talk: Talk) -> None:
        for byte in text(talk.good):
            talk.say(bytes([byte]))
            if talk.stop.wait(0.05):
                break
        talk.hold()

    return drip


def _continues(talk: Talk) -> None:
    """Slowly, so that the deadline comes before the limit of interim answers."""
    while not talk.stop.wait(0.05):
        talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")


def _with_length_of(value: Callable[[int], str]) -> Manner:
    """With this for the length of the body."""
    return _says(lambda good: OK + f"Content-Length: {value(len(good))}\r\n\r\n".encode() + good)


def _begins(line: bytes) -> Manner:
    """With this for a status line."""
    return _ends(_says(lambda good: with_length(good, line + b"\r\n")))


def _heads(line: bytes) -> Manner:
    """With this among the headers."""
    return _ends(_says(lambda good: with_length(good, OK + line + b"\r\n")))


def _cut_and_reset(talk: Talk) -> None:
    talk.say(with_length(talk.good)[:-1])
    talk.reset()


def _end_plainly(talk: Talk) -> None:
    """The last byte of the body comes past the TLS, as somebody in between could send it."""
    talk.say(with_length(talk.good)[:-1])
    talk.say_raw(b"}" * 9)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"
BOMB = gzip.compress(b" " * 5_000_000)
GZIPPED = OK + b"Content-Encoding: gzip\r\n"

#: The bank executed, and no whole answer came: the manner, and our word for it (or two, where it is the kernel's race).
SILENCES: dict[str, tuple[Manner, str]] = {
    "fin": (_ends(lambda _: None), "dropped"),
    "rst": (_ends(Talk.reset), "dropped"),
    "silence": (_holds(lambda _: None), "timeout"),
    "half headers": (_holds(_says(lambda _: OK + b"Content-Le")), "timeout"),
    "cut headers": (_ends(_says(lambda good: with_length(good).partition(b"\r\n\r\n")[0])), "garbled"),
    "cut status line": (_ends(_says(lambda _: b"HTTP/1.1 200")), "garbled"),
    "body stalls": (_holds(_says(lambda good: with_length(good)[:-1])), "timeout"),
    "body cut": (_ends(_says(lambda good: with_length(good)[:-1])), "cut"),
    "body reset": (_ends(_cut_and_reset), "dropped|cut"),
    "chunk cut": (_ends(_says(lambda good: CHUNKED + b"%x\r\n%s" % (len(good) + 9, good))), "cut"),
    "last chunk cut": (_ends(_says(lambda good: CHUNKED + b"%x\r\n%s\r\n" % (len(good), good))), "cut"),
    "chunk's length cut": (_ends(_says(lambda good: CHUNKED + b"%x\r\n%s\r\n0" % (len(good), good))), "garbled"),
    "chunk longer than its size": (
        _ends(_says(lambda good: CHUNKED + b"%x\r\n%s0\r\n\r\n" % (len(good) - 2, good))),
        "cut",
    ),
    "bad chunk": (_ends(_says(lambda good: CHUNKED + b"xyz\r\n" + good)), "cut"),
    "bad gzip": (_says(lambda good: with_length(good, GZIPPED)), "undecodable"),
    "bad status line": (_ends(_says(lambda good: b"HELLO\r\n\r\n" + good)), "garbled"),
    "huge header": (_ends(_says(lambda good: with_length(good, OK + b"X: " + b"x" * 70_000 + b"\r\n"))), "garbled"),
    "many headers": (_ends(_says(lambda good: with_length(good, OK + b"X: x\r\n" * 200))), "garbled"),
    "too large": (_ends(_says(lambda good: with_length(good + b" " * 70_000))), "too_large"),
    "endless": (_ends(_says(lambda good: OK + b"\r\n" + good + b" " * 70_000)), "too_large"),
    "gzip bomb": (_ends(_says(lambda _: with_length(BOMB, GZIPPED))), "too_large"),
    "dripping body": (_drips(with_length), "deadline"),
    "dripping unframed body": (_drips(lambda good: OK + b"\r\n" + good), "deadline"),
    "dripping headers": (_drips(lambda good: OK + b"X: x\r\n" * 50 + good), "deadline"),
    "continue for ever": (_continues, "deadline"),
    "early hints, and silence": (_holds(_says(lambda _: EARLY)), "timeout"),
    "early hints, and the end": (_ends(_says(lambda _: EARLY)), "dropped"),
    "cut early hints": (_ends(_says(lambda _: EARLY[:-2])), "garbled"),
    "endless early hints": (_ends(_says(lambda good: EARLY * 30 + with_length(good))), "garbled"),
    "another protocol": (_ends(_says(lambda good: b"HTTP/1.1 101 Go\r\n\r\n" + with_length(good))), "garbled"),
    "no status line": (_ends(_says(lambda good: good)), "garbled"),
    "no status": (_begins(b"HTTP/1.1"), "garbled"),
    "status of four digits": (_begins(b"HTTP/1.1 2000 OK"), "garbled"),
    "status with a zero before it": (_begins(b"HTTP/1.1 0200 OK"), "garbled"),
    "status with a sign": (_begins(b"HTTP/1.1 +200 OK"), "garbled"),
    "status with a line in it": (_begins(b"HTTP/1.1 2_00 OK"), "garbled"),
    "a later version": (_begins(b"HTTP/2 200 OK"), "garbled"),
    "an older version": (_begins(b"HTTP/0.9 200 OK"), "garbled"),
    "headers without an end": (
        _ends(_says(lambda good: with_length(good).partition(b"\r\n\r\n")[0] + b"\r\n")),
        "garbled",
    ),
    "folded header": (_heads(b"X: a\r\n b"), "garbled"),
    "header without a colon": (_heads(b"X"), "garbled"),
    "header without a name": (_heads(b": x"), "garbled"),
    "blank before the colon": (_heads(b"X : x"), "garbled"),
    "carriage return in a header": (_heads(b"X: a\rY: b"), "garbled"),
    "two lengths": (_heads(b"Content-Length: 2"), "garbled"),
    "a header of blanks that is none": (_heads(b"X:" + b" " * 60_000 + b"\x01"), "garbled"),
    "length in a list, without an end": (_holds(_with_length_of(lambda length: f"{length}, {length}")), "timeout"),
    "length twice, without an end": (
        _holds(_with_length_of(lambda length: f"{length}\r\nContent-Length: {length}")),
        "timeout",
    ),
    "fewer than a length in a list": (_ends(_with_length_of(lambda length: f"{length + 1}, {length + 1}")), "cut"),
    "fewer than a length that comes twice": (
        _ends(_with_length_of(lambda length: f"{length + 1}\r\nContent-Length: {length + 1}")),
        "cut",
    ),
    "a length beside one that is none": (_ends(_with_length_of(lambda length: f"{length}, x")), "garbled"),
    "a length and the beginning of another": (_ends(_with_length_of(lambda length: f"{length},")), "garbled"),
    "a length and a header of none": (
        _ends(_with_length_of(lambda length: f"{length}\r\nContent-Length: x")),
        "garbled",
    ),
    "fewer than a length with a sign": (_ends(_with_length_of(lambda length: f"+{length + 1}")), "cut"),
    "more than a length with a sign": (_ends(_with_length_of(lambda length: f"+{length - 1}")), "cut"),
    "fewer than a length of twenty digits": (_ends(_with_length_of(lambda _: "9" * 20)), "cut"),
    "chunk's size with a sign": (
        _ends(_says(lambda good: CHUNKED + b"+%x\r\n%s\r\n0\r\n\r\n" % (len(good), good))),
        "cut",
    ),
    "chunk of -1, and much after it": (_holds(_says(lambda _: CHUNKED + b"-1\r\n" + b" " * 5_000_000)), "cut"),
    "304 with chunks": (
        _ends(_says(lambda _: CHUNKED.replace(b"200 OK", b"304 As it was") + b"2\r\n{}\r\n0\r\n\r\n")),
        "garbled",
    ),
}

#: The same, where there is TLS to break.
TLS_SILENCES: dict[str, tuple[Manner, str]] = {
    "garbage instead of a record": (_ends(lambda talk: talk.say_raw(b"HTTP/1.1 200 OK\r\n\r\n{}")), "tls"),
    "bad authentication of a record": (_ends(lambda talk: talk.say_raw(b"\x17\x03\x03\x00\x20" + b"x" * 32)), "tls"),
    "plain alert": (_ends(lambda talk: talk.say_raw(b"\x15\x03\x03\x00\x02\x02\x28")), "tls"),
    "plain end of body": (
        _ends(_end_plainly),
        "tls",
    ),
}

#: A whole answer came, and it is none.
NONSENSE: dict[str, Manner] = {
    "500": _says(lambda good: with_length(good, b"HTTP/1.1 500 Oops\r\n")),
    "502 html": _says(lambda _: with_length(b"<html>bad gateway</html>", b"HTTP/1.1 502 Bad Gateway\r\n")),
    "503 later": _says(lambda good: with_length(good, b"HTTP/1.1 503 Later\r\nRetry-After: 7\r\n")),
    "200 html": _says(lambda _: with_length(b"<html>maintenance</html>")),
    "empty": _says(lambda _: with_length(b"")),
    "204 with a length": _says(lambda _: b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"),
    "204": _says(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n"),
    "307": _says(lambda good: with_length(good, b"HTTP/1.1 307 Again\r\nLocation: /again\r\n")),
    "308": _says(lambda good: with_length(good, b"HTTP/1.1 308 Again\r\nLocation: https://[::1/\r\n")),
    "json error": _says(lambda _: with_length(json.dumps({"error": "x"}).encode(), b"HTTP/1.1 400 Bad\r\n")),
    "cut before the end without a length": _ends(_says(lambda good: OK + b"\r\n" + good[:-1])),
    "cut gzip": _says(lambda good: with_length(gzip.compress(good)[:-20], GZIPPED)),
    "twice": _says(lambda good: with_length(good + good)),
}


def _odd_length(value: Callable[[int], str]) -> Manner:
    return _ends(_with_length_of(value))


def _odd_chunks(head: bytes) -> Manner:
    """In chunks, under a head that says something else too."""
    return _ends(_says(lambda good: head + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)))


#: The whole body comes, and the head does not prove where it ends.
UNFRAMED: dict[str, Manner] = {
    "no length": well_until_the_end,
    "length -1": _odd_length(lambda _: "-1"),
    "length x": _odd_length(lambda _: "x"),
    "no number": _odd_length(lambda _: ""),
    "length with a sign": _odd_length(lambda length: f"+{length}"),
    "length with a line in it": _odd_length(lambda length: f"0_{length}"),
    "length in a list": _odd_length(lambda length: f"{length}, {length}"),
    "length twice": _odd_length(lambda length: f"{length}\r\nContent-Length: {length}"),
    "length in hexadecimal": _odd_length(lambda length: f"{length:#x}"),
    "length beyond all numbers": _odd_length(lambda _: "9" * 5000),
    "length and chunks": _odd_chunks(CHUNKED[:-2] + b"Content-Length: 2\r\n"),
    "length and another coding": _odd_length(lambda length: f"{length}\r\nTransfer-Encoding: identity"),
    "chunks twice": _odd_chunks(CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n"),
    "chunks before their time": _odd_chunks(CHUNKED[:-2].replace(b"1.1", b"1.0")),
    "gzip": well_in_gzip,
}
