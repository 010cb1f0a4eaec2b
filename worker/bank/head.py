"""Reading the head of a response strictly, so that no line of it can be read in two ways.

The standard reader accepts headers that were cut off, reads `+2_00` as 200 and an early hint as the response, ends the
headers at a line that is none, and reads them as those of an e-mail. Here what checks a line is what reads it. This
module knows nothing of a body or of the meaning of a response.
"""

import io
import re
import socket
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage, HTTPResponse, RemoteDisconnected
from typing import Any

from urllib3.response import BaseHTTPResponse

#: At most so many interim responses (100, 102, 103) may come before the response.
INTERIM_LIMIT = 20

_HEADERS_LIMIT = 100
_LINE_LIMIT = 65536
_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: " + _TEXT + rb")?\r?\n")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(" + _TEXT + rb")\r?\n")
_LENGTH = re.compile("[0-9]{1,15}")
_BLANK = frozenset({b"\r\n", b"\n"})

#: To these there is no body, whatever their headers say.
_WITHOUT_BODY = frozenset({204, 304})

_SWITCHING_PROTOCOLS = 101


class StrictAnswer(HTTPResponse):
    """The standard response, but its head must be complete, and each of its lines valid."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _Lines(self.fp.detach())

    def begin(self) -> None:
        """Read the head. What it says of the body is kept where the library looks for it."""
        version, self.status, self.reason = self._read_status()
        self.version = 11 if version == "HTTP/1.1" else 10
        self.headers = self.msg = self._read_headers()
        self.chunked, self.chunk_left = self.headers.get("Transfer-Encoding", "").lower() == "chunked", None
        self.length = None if self.chunked else _length(self.headers.get_all("Content-Length", []))
        if self.status in _WITHOUT_BODY:
            self.length = 0
        self.will_close = True  # a connection carries one request

    def _read_status(self) -> tuple[str, int, str]:
        """The status line after any interim responses. A switch of protocols is an error: we never ask for one."""
        for _ in range(1 + INTERIM_LIMIT):
            line = self.fp.readline(_LINE_LIMIT)
            if not line:
                raise RemoteDisconnected("no answer")
            found = _STATUS_LINE.fullmatch(line)
            if found is None or int(found[2]) == _SWITCHING_PROTOCOLS:
                raise HTTPException("no status line of an answer")
            if int(found[2]) >= 200:
                return found[1].decode(), int(found[2]), ""
            self._read_headers()
        raise HTTPException("too many interim answers")

    def _read_headers(self) -> HTTPMessage:
        headers = HTTPMessage()
        for _ in range(_HEADERS_LIMIT):
            line = self.fp.readline(_LINE_LIMIT)
            if line in _BLANK:
                return headers
            found = _HEADER_LINE.fullmatch(line)
            if found is None:
                raise HTTPException("no header: the end came, or a line is folded, unnamed, or has a control character")
            headers[found[1].decode()] = found[2].decode("latin-1").lstrip(" \t")
        raise HTTPException("too many headers")


class _Lines(io.BufferedReader):
    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            raise HTTPException("a line was cut off")
        return line


def is_framed(answer: BaseHTTPResponse) -> bool:
    """Does the head prove where the body ends? It must have one length, or chunks, and not both.

    A length that is no plain number does not count: urllib3 reads `+5` and `1_0` as numbers, and ignores `-1` and
    `x`. With both a length and chunks, a proxy on the way may have read the other one than we do.
    """
    lengths, codings = (answer.headers.getlist(name) for name in ("Content-Length", "Transfer-Encoding"))
    if codings:
        return [coding.lower() for coding in codings] == ["chunked"] and not lengths and answer.version == 11
    return _length(lengths) is not None


def _length(lengths: Sequence[str]) -> int | None:
    """Of a body, by these headers; None where they prove none: it lasts until the connection ends."""
    is_one = len(lengths) == 1 and _LENGTH.fullmatch(lengths[0].strip(" \t"))
    return int(lengths[0]) if is_one else None
