"""A console for a whole module of tests, on the run's own servers: no bank and no worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

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
