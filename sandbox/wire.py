"""Access to the connection of a call, for answers that are no HTTP: silence, a cut, half of an answer.

It puts the connection into each call's ASGI state; the rest of HTTP is uvicorn's.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class Wire(H11Protocol):
    """uvicorn's connection; each call on it can reach it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "wire": self}, _loop)

    def cut(self, *, reset: bool = False) -> None:
        """Close after what was written; `reset` drops that too, and the client sees a TCP reset."""
        if reset:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


class Patience:
    """Waiting that ends at once when the server is to stop."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    async def wait(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def end(self) -> None:
        self._closing.set()


class Cut(Response):
    """No HTTP: `raw` bytes, if any, and the end of the connection."""

    def __init__(self, raw: bytes = b"", *, reset: bool = False) -> None:
        super().__init__()
        self._raw = raw
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        wire = _wire(scope)
        if self._raw:
            wire.transport.write(self._raw)
        wire.cut(reset=self._reset)
        await _gone(receive)


class Hang(Response):
    """Silence for `seconds` (None: until the client leaves), then the end of the connection."""

    def __init__(self, patience: Patience, seconds: float | None) -> None:
        super().__init__()
        self._patience = patience
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        gone, over = asyncio.create_task(_gone(receive)), asyncio.create_task(self._patience.wait(self._seconds))
        await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
        _wire(scope).cut()
        over.cancel()
        await gone


class ThenCut(Response):
    """A whole answer that promises to keep the connection, and then the end of it."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)
        _wire(scope).cut()


class Trickle(Response):
    """A whole answer, a byte every `seconds`."""

    def __init__(self, answer: Response, patience: Patience, seconds: float) -> None:
        super().__init__(bytes(answer.body), answer.status_code, media_type=answer.media_type)
        self._patience = patience
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for byte in bytes(self.body):
            if await Request(scope, receive).is_disconnected():
                return
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await self._patience.wait(self._seconds)
        await send({"type": "http.response.body", "body": b""})


def half(answer: Response) -> Cut:
    """An answer that announces all of its bytes and brings half of them."""
    body = bytes(answer.body)
    head = f"HTTP/1.1 {answer.status_code} OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return Cut(head.encode() + body[: len(body) // 2])


def _wire(scope: Scope) -> Wire:
    wire: Wire = scope["state"]["wire"]
    return wire


async def _gone(receive: Receive) -> None:
    """Until the connection is over: only then may a call end without an answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
