"""Reading the head of a response strictly, so that no line of it can be read in two ways.

The standard reader accepts headers that were cut off, reads `+2_00` as 200 and an early hint as the response, and ends
the headers at a line that is none. This module knows nothing of a body or of the meaning of a response.
"""

import io
import re
import socket
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any

from urllib3.response import BaseHTTPResponse

#: At most so many interim responses (100, 102, 103) may come before the response.
INTERIM_LIMIT = 20

_HEADERS_LIMIT = 100
_LINE_LIMIT = 65536
_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: " + _TEXT + rb")?\r?\n")
_HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:" + _TEXT + rb"\r?\n")
_BLANK = frozenset({b"\r\n", b"\n"})

_SWITCHING_PROTOCOLS = 101


class StrictAnswer(HTTPResponse):
    """The standard response, but its head must be complete, and each of its lines valid."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._lines = self.fp = _Lines(self.fp.detach())

    def begin(self) -> None:
        super().begin()
        self._lines.in_head = False

    def _read_status(self) -> tuple[str, int, str]:
        """The status line after any interim responses. A switch of protocols is an error: we never ask for one."""
        for _ in range(1 + INTERIM_LIMIT):
            line = self._lines.readline(_LINE_LIMIT + 1)
            if not line:
                raise RemoteDisconnected("no answer")
            found = _STATUS_LINE.fullmatch(line)
            if found is None or int(found[2]) == _SWITCHING_PROTOCOLS:
                raise HTTPException("no status line of an answer")
            self._lines.in_head = True
            if int(found[2]) >= 200:
                return found[1].decode(), int(found[2]), ""
            self._skip_headers()
        raise HTTPException("too many interim answers")

    def _skip_headers(self) -> None:
        for _ in range(_HEADERS_LIMIT):
            if self._lines.readline(_LINE_LIMIT + 1) in _BLANK:
                self._lines.in_head = False
                return
        raise HTTPException("too many headers")


class _Lines(io.BufferedReader):
    in_head = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            raise HTTPException("a line was cut off")
        if self.in_head and line not in _BLANK and not _HEADER_LINE.fullmatch(line):
            raise HTTPException("no header: the end came, or a line is folded, unnamed, or holds a control character")
        return line


def is_framed(answer: BaseHTTPResponse) -> bool:
    """Does the head prove where the body ends? It must have one length, or chunks, and not both.

    A length that is no plain number does not count: the libraries read `+5` and `1_0` as numbers, and ignore `-1` and
    `x`. With both a length and chunks, a proxy on the way may have read the other one than we do.
    """
    lengths, codings = (answer.headers.getlist(name) for name in ("Content-Length", "Transfer-Encoding"))
    if codings:
        return [coding.lower() for coding in codings] == ["chunked"] and not lengths and answer.version == 11
    return len(lengths) == 1 and re.fullmatch("[0-9]{1,15}", lengths[0].strip(" \t")) is not None
