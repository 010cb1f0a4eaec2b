"""The console's pages without a socket: the app is asked in this process, as its server would ask it."""

import asyncio
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from starlette.applications import Starlette

from epay_transfers.ops.console.app import create_app
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.context import Context

HOST = "127.0.0.1:9480"


@dataclass(frozen=True)
class Shown:
    status: int
    text: str


def console_of(context: Context) -> Starlette:
    """A console that proves no person, over this context's servers."""
    settings = ConsoleSettings.model_construct(**(dict(context.settings) | {"console_address": HOST}))
    return create_app(settings, context, frozenset({f"http://{HOST}"}))


def shown(app: Starlette, path: str) -> Shown:
    return asyncio.run(_asked(app, path))


def headline_of(page: str) -> dict[str, str]:
    """The first section: `level` and `says`, and each piece of advice by its name."""
    (section,) = re.findall(r'<section data-live="headline".*?</section>', page, re.DOTALL)
    said = re.search(r'<p class="says"><b>(.*?)</b>(.*?)</p>', section, re.DOTALL)
    assert said is not None, section
    advice = {_text(name): _text(told) for name, told in re.findall(r"<dt.*?>(.*?)</dt><dd>(.*?)</dd>", section)}
    return {"level": _text(said[1]), "says": _text(said[2])} | advice


def _text(html: str) -> str:
    return unescape(re.sub(r"<.*?>", "", html)).strip()


async def _asked(app: Starlette, path: str) -> Shown:
    told: list[dict[str, Any]] = []
    where, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": where,
        "raw_path": where.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", HOST.encode())],
        "server": ("127.0.0.1", 9480),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    status = next(each["status"] for each in told if each["type"] == "http.response.start")
    return Shown(int(status), b"".join(each.get("body", b"") for each in told).decode())
