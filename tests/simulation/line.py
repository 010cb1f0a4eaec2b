"""A line to a server: commands out, replies in, one socket, and no client library, for a simulation asks very often."""

import socket
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

Command = tuple[str | int, ...]


class Line:
    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")

    def ask(self, *commands: Command) -> list[Any]:
        """All at once; each one's reply, or its error, in order."""
        self._socket.sendall(b"".join(map(_packed, commands)))
        return [self._reply() for _ in commands]

    def one(self, *command: str | int) -> Any:
        (reply,) = self.ask(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _reply(self) -> Any:
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self._file.read(size + 2)[:-2].decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"-":
            text = rest.decode()
            return NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text)
        return rest.decode()


def _packed(command: Sequence[str | int]) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    for word in command:
        raw = str(word).encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)
