"""To call an application as its server would, by the plain interfaces of WSGI and ASGI: no client library between."""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers  #: names in lower case
    body: bytes


Call = Callable[..., Answer]


def call_wsgi(app: Callable[..., Iterable[bytes]]) -> Call:
    def call(method: str, path: str, *, headers: Headers | None = None, body: bytes = b"") -> Answer:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": "",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        began: list[tuple[str, Sequence[tuple[str, str]]]] = []
        answer = app(environ, lambda status, given, _error=None: began.append((status, given)))
        said = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        ((status, given),) = began
        return Answer(int(status.split()[0]), {name.lower(): value for name, value in given}, said)

    return call


def call_asgi(app: Callable[..., Any]) -> Call:
    def call(
        method: str, path: str, *, headers: Headers | None = None, body: bytes = b"", root_path: str = ""
    ) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": root_path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }
        chunks = [body[at : at + 16_384] for at in range(0, max(len(body), 1), 16_384)]
        coming = iter([{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(coming, {"type": "http.request", "body": b"", "more_body": False})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        start = sent[0]
        said = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, said)

    return call
