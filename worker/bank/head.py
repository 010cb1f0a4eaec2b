"""Reading the head of a response strictly, so that no line of it can be read in two ways.

The standard reader accepts headers that were cut off, reads `+2_00` as 200 and an early hint as the response, ends the
headers at a line that is none, and reads them as those of an e-mail. Here what checks a line is what reads it. Of a
body this module knows where it ends; of the meaning of a response it knows nothing.
"""

import io
import re
import socket
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import cast

#: At most so many interim responses (100, 102, 103) may come before the response.
INTERIM_LIMIT = 20

_HEADERS_LIMIT = 100
_LINE_LIMIT = 65536
_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: " + _TEXT + rb")?\r?\n")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(" + _TEXT + rb")\r?\n")
_CHUNK_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;" + _TEXT + rb")?\r?\n")
_LENGTH = re.compile("[0-9]{1,15}")
_BLANK = frozenset({b"\r\n", b"\n"})

#: To these there is no body, whatever their headers say.
_WITHOUT_BODY = frozenset({204, 304})

_SWITCHING_PROTOCOLS = 101


class StrictAnswer(HTTPResponse):
    """The standard response, but its head must be complete, and each of its lines valid. Its body is yet to be read."""

    #: Does the head prove where the body ends? It must have one length, or chunks, and not both: with both, a proxy on
    #: the way may have read the other one than we do.
    is_framed = False

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.fp = _Lines(self.fp.detach())
        self._values: dict[str, list[str]] = {}  #: of the headers, by their names in small letters
        self._claimed: int | None = None  #: the length that the head claims, in whatever way it is written
        self._came = 0

    def begin(self) -> None:
        """Read the head. What it says of the body is kept where the library looks for it."""
        self.version, self.status = self._read_status_line()
        self._values = self._read_headers()
        lengths, codings = self.all("content-length"), [each.lower() for each in self.all("transfer-encoding")]
        self.chunked, self.chunk_left = codings[:1] == ["chunked"], None
        if not self.chunked:
            self._claimed = _claimed(lengths)
            self.length = self._claimed if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) else None
        if codings:
            self.is_framed = codings == ["chunked"] and not lengths and self.version == 11
        else:
            self.is_framed = self.length is not None
        if self.status in _WITHOUT_BODY:
            self.length = self._claimed = 0
            if codings:
                raise HTTPException("an answer that has no body names a coding of one")
        self.will_close = True  # a connection carries one request

    def all(self, name: str) -> list[str]:
        """The values of the headers of this name, which is given in small letters."""
        return self._values.get(name, [])

    def read(self, amt: int | None = None) -> bytes:
        data = super().read(amt)
        self._came += len(data)
        return data

    @property
    def is_whole(self) -> bool:
        """Did as much of its body come as the head claims? To be asked when all was read; chunks show it themselves."""
        return self._claimed is None or self._came == self._claimed

    def _get_chunk_left(self) -> int | None:
        """The library takes any two bytes for the end of a chunk, even two digits of the body."""
        if self.chunk_left == 0:
            if self.fp.read(2) != b"\r\n":
                raise IncompleteRead(b"")
            self.chunk_left = None
        return cast("int | None", super()._get_chunk_left())  # type: ignore[misc]  # the standard library's own, untyped

    def _read_next_chunk_size(self) -> int:
        """The library takes `-1` for one, and reads on until the memory is full."""
        found = _CHUNK_SIZE.fullmatch(self.fp.readline(_LINE_LIMIT))
        if found is None:
            raise ValueError("no size of a chunk")
        return int(found[1], 16)

    def _read_status_line(self) -> tuple[int, int]:
        """Version and status, after any interim responses. A switch of protocols is an error: we never ask for one."""
        for _ in range(1 + INTERIM_LIMIT):
            line = self.fp.readline(_LINE_LIMIT)
            if not line:
                raise RemoteDisconnected("no answer")
            found = _STATUS_LINE.fullmatch(line)
            if found is None or int(found[2]) == _SWITCHING_PROTOCOLS:
                raise HTTPException("no status line of an answer")
            if int(found[2]) >= 200:
                return 11 if found[1] == b"HTTP/1.1" else 10, int(found[2])
            self._read_headers()
        raise HTTPException("too many interim answers")

    def _read_headers(self) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for _ in range(_HEADERS_LIMIT):
            line = self.fp.readline(_LINE_LIMIT)
            if line in _BLANK:
                return values
            found = _HEADER_LINE.fullmatch(line)
            if found is None:
                raise HTTPException("no header: the end came, or a line is folded, unnamed, or has a control character")
            values.setdefault(found[1].decode().lower(), []).append(found[2].decode("latin-1").strip(" \t"))
        raise HTTPException("too many headers")


class _Lines(io.BufferedReader):
    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            raise HTTPException("a line was cut off")
        return line


def _claimed(lengths: Sequence[str]) -> int | None:
    """The length that these headers claim, also one that is written oddly (`+5`, `1_0`), twice, or in a list.

    A length of that kind does not prove where the body ends, but fewer bytes prove that it was cut. None where there is
    no number. Lengths that differ are an error.
    """
    said = {length.strip(" \t") for value in lengths for length in value.split(",")}
    try:
        claimed = {int(length) for length in said}
    except ValueError:
        if len(said) > 1:
            raise HTTPException("lengths that differ") from None
        return None
    if len(claimed) > 1:
        raise HTTPException("lengths that differ")
    return next((length for length in claimed if length >= 0), None)
