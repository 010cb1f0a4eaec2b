"""Servers of a test's own, and addresses on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from epay_transfers.runtime import embedded_servers


@dataclass
class KillableServer:
    """A server that a test kills and starts again: same port, same folder, same configuration."""

    folder: Path
    options: dict[str, str]
    server: embedded_servers.EmbeddedServer

    @classmethod
    def start(cls, folder: Path, options: dict[str, str]) -> Self:
        return cls(folder, options, embedded_servers.start(folder, options))

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait(10)

    def restart(self) -> None:
        self.server = embedded_servers.start(self.folder, self.options, urlsplit(self.server.url).port or 0)
