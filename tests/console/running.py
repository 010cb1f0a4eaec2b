"""A console for a whole module of tests, on the run's own servers (no bank and no worker), and one in this process."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.console.conftest import RunningConsole, running_console
from tests.support.platform import Platform


@contextmanager
def settled_console(
    folder: Path, ledger: EmbeddedServer, vault: EmbeddedServer, **settings: str
) -> Iterator[RunningConsole]:
    """Its log is `folder/console.log`, and has no traceback."""
    env = {"EPAY_ENVIRONMENT": "test", "REDIS_URL": ledger.url, "VAULT_URL": vault.url}
    platform = cast("Platform", SimpleNamespace(env=env))
    log = folder / "console.log"
    with log.open("wb") as out, running_console(platform, folder, out, **settings) as console:
        yield console
    assert "Traceback" not in log.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    text: str
    csrf: str  #: of the request; empty where it was refused


def ask(
    app: ASGIApp, way: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
) -> Answered:
    """One request to an app in this process."""
    body = urlencode(form or {}).encode()
    sent: list[Message] = []
    told = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))} | dict(headers)
    scope: dict[str, Any] = {
        "type": "http", "method": way, "path": path, "query_string": b"", "scheme": "http", "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in told.items()], "state": {},
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def asked() -> None:
        await app(scope, receive, send)

    asyncio.run(asked())
    start, *parts = sent
    return Answered(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(part.get("body", b"") for part in parts).decode(),
        scope["state"].get("csrf", ""),
    )
