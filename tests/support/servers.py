"""Servers, banks and workers that a test starts for itself; their folders and addresses."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Self
from urllib.parse import urlsplit

from epay_transfers.runtime import embedded_servers
from tests.support.tools import server_binary

#: Servers of the program that the tests run on.
running = partial(embedded_servers.running, binary=server_binary("valkey"))
start = partial(embedded_servers.start, binary=server_binary("valkey"))
free_port = embedded_servers.free_port

#: A value of `save` that is not empty, and that no server is old enough for: with `60 1`, one that was started a minute
#: ago saves at once, and a vault that was saved is refused until it restarts.
NEVER_SAVES_YET = "315360000 1"

#: A file system in memory, and the space that it must have: some containers' has too little.
_MEMORY, _ENOUGH = Path("/dev/shm"), 1 << 30  # noqa: S108 - not for its name: each test's folder is one of its own


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Where a server keeps its files: in memory, if this machine has such a place.

    A ledger's server has each write on disk before it answers. On a real disk that takes milliseconds, thousands of
    times. Who kills the server alone finds the same files there afterwards.
    """
    is_there = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ENOUGH
    with TemporaryDirectory(prefix="transfers-", dir=_MEMORY if is_there else None) as folder:
        yield Path(folder)


def queue_url(ledger_url: str) -> str:
    """Where the queue is when no address of its own is set: beside the ledger, in database 1."""
    return ledger_url.removesuffix("/0") + "/1"


@contextmanager
def running_server(
    command: Sequence[str], url: str, *, is_killed: bool = False
) -> Iterator[embedded_servers.EmbeddedServer]:
    """The server of this command, which answers at this address, for as long as the block runs.

    `is_killed`: at the end it gets SIGKILL, and writes nothing any more.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - a server of this machine
    server = embedded_servers.EmbeddedServer(url, process)
    try:
        embedded_servers._await_answer(server)
        yield server
    finally:
        if is_killed:
            process.kill()
        server.stop()


@contextmanager
def running_bank(module: str, *options: str) -> Iterator[str]:
    """A bank in a process of its own, which prints where it is; its address."""
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this very program
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def start_worker(env: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """A worker in a process of its own, as a supervisor starts it."""
    command = [sys.executable, "-m", "epay_transfers.worker"]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603 - this very program


@dataclass
class KillableServer:
    """A server that a test kills and starts again: same port, same folder, same configuration."""

    folder: Path
    options: dict[str, str]
    server: embedded_servers.EmbeddedServer
    named: Callable[[str], str] = str  #: puts a user into the server's address

    @classmethod
    def start(cls, folder: Path, options: dict[str, str], named: Callable[[str], str] = str) -> Self:
        return cls(folder, options, start(folder, options, named=named), named)

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait(10)

    def restart(self) -> None:
        port = urlsplit(self.server.url).port or 0
        self.server = start(self.folder, self.options, port, self.named)
