"""`Stage`: two servers, a bank, a worker and, where it is wanted, a shop, in their own folder and environment.

`transfers demo` and `transfers dev` run on it. The processes end with the command that started them: in order, or
killed by the kernel (on Linux) if the command is killed.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self, cast

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops.commands.sandbox import environment
from epay_transfers.ops.demo.interruption import Interruption
from epay_transfers.ops.demo.users import ADMIN, OPS, PRODUCER, WORKER, Users
from epay_transfers.ops.dotenv import PUBLIC_TEST_VALUES, fresh_keys
from epay_transfers.ops.settings_table import SETTINGS
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.setting_sources import PREFIX

#: Shortened times, so that a minute shows what takes a day otherwise. The screen names them.
SHORTENED = {
    "HTTP_DEADLINE": "3",
    "LEASE": "4",
    "RETRY_ATTEMPTS": "3",
    "RETRY_MIN_BACKOFF": "0.2",
    "RETRY_MAX_BACKOFF": "0.5",
}

#: Settings that the demo's environment may not inherit: it would mix yours with its own.
_NAMES = (*(setting.name for setting in SETTINGS), "SECRETS_DIR", "CREDENTIALS_DIRECTORY")
_FOREIGN = {f"{prefix}{name}" for name in _NAMES for prefix in ("", PREFIX)}

#: Which setting names which server.
_SERVERS = {"ledger": "REDIS_URL", "vault": "VAULT_URL"}

#: How long a worker may take to drain. Without transfers it ends at once.
_DRAIN_S = 2.0

#: How long to wait for the bank's first line; it usually comes within a second.
_FIRST_WORD_S = 30.0

#: How often it is looked for a signal, and for a process that has ended.
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Ports:
    """Where bank and servers listen, on this machine alone; 0 takes a free one."""

    bank: int = 0
    ledger: int = 0
    vault: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended by itself."""

    name: str
    status: int


class Stage:
    def __init__(
        self,
        folder: Path,
        web: Mapping[str, str] | None = None,
        users: Users | None = None,
        *,
        own: Mapping[str, str] | None = None,
        ports: Ports = Ports(),
        log: Callable[[str], IO[bytes]] | None = None,
        bank_options: tuple[str, ...] = (),
        for_worker: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`web`: the settings of a web tier that will run here; then the bank posts its notifications.

        `users`: the servers accept only these users, and each process is one of them. `own`: keys and settings, in
        place of fresh keys and shortened times. `log`: gives the file for the log of the process of this name, in place
        of one in the folder. `for_worker`: settings that are otherwise for the worker than for the shop.
        """
        self.folder = folder
        self._web = dict(web or {})
        self._users = users
        self._own = own
        self._ports = ports
        self._log = log
        self._bank_options = bank_options
        self._for_worker = dict(for_worker)
        self.bank_url = ""
        self._environment: dict[str, str] = {}
        self._ends = contextlib.ExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:  # after a failure, stop what was started
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _start(self, ends: contextlib.ExitStack) -> None:
        options = ["--port", str(self._ports.bank), *self._bank_options, *(["--notify"] if self._web else [])]
        bank = self._popen("bank", "sandbox", "--print-address", *options, env=_without_foreign(os.environ))
        ends.callback(_end, bank)
        ledger = self._server("ledger", self._ports.ledger, embedded_servers.LEDGER_OPTIONS)
        ends.callback(ledger.stop)
        vault = self._server("vault", self._ports.vault, embedded_servers.VAULT_OPTIONS)
        ends.callback(vault.stop)
        self.bank_url = _first_line(bank, "the sandbox")
        self._environment = (
            {"REDIS_URL": ledger.url, "VAULT_URL": vault.url, "WORKER_THREADS": "8"}
            | PUBLIC_TEST_VALUES
            | environment(self.bank_url)
            | (SHORTENED | fresh_keys().as_dict() if self._own is None else dict(self._own))
            | self._web
        )
        if self._own is not None:
            _vouch(ledger.url, vault.url)
        ends.callback(self.end_worker)
        self.start_worker()

    def _server(self, name: str, port: int, options: dict[str, str]) -> embedded_servers.EmbeddedServer:
        home = self.folder / f"{name}-server"
        named: Callable[[str], str] = str
        if self._users is not None:
            options, named = options | self._users.options(name, home), partial(self._users.address, ADMIN)
        if self._log:
            options = options | {"loglevel": "warning"}  # what it says of each start fills a screen
        with self._log(name) if self._log else contextlib.nullcontext() as log:
            server = embedded_servers.start(home, options, port, named, log=log)
        self._processes[name] = server.process
        return server

    def environment(self, user: str) -> dict[str, str]:
        """What this user of the servers is given."""
        if self._users is None:
            return self._environment
        addresses = {name: self._users.address(user, self._environment[name]) for name in _SERVERS.values()}
        return self._environment | addresses

    def start_worker(self) -> None:
        env = _without_foreign(os.environ) | self.environment(WORKER) | self._for_worker
        self._popen("worker", "worker", env=env)

    def start_shop(self, listener: socket.socket) -> None:
        """The shop answers at this socket, which listens already: calls that come before it wait."""
        env = _without_foreign(os.environ) | self.environment(PRODUCER)
        fd = listener.fileno()
        shop = self._popen("shop", "ops.demo.shop", str(fd), self.bank_url, env=env, fds=(fd,))
        self._ends.callback(_end, shop)

    def start_console(self) -> str:
        """The operators' pages, read-only; their address."""
        env = _without_foreign(os.environ) | self.environment(OPS) | {"CONSOLE_ADDRESS": "127.0.0.1:0"}
        console = self._popen("console", "__main__", "console", env=env)
        self._ends.callback(_end, console)
        return _first_line(console, "the console").split()[4]

    def kill_worker(self) -> int:
        """Kill it, like a loss of power: it can't record anything. Returns its process id."""
        worker = self._processes["worker"]
        worker.kill()
        worker.wait()
        return worker.pid

    def worker_runs(self) -> bool:
        worker = self._processes.get("worker")
        return worker is not None and worker.poll() is None

    def until_one_ends(self, interruption: Interruption) -> Ended:
        """Wait until a process has ended by itself. A signal that comes before is obeyed: it raises."""
        while True:
            interruption.obey()
            for name, process in self._processes.items():
                if (status := process.poll()) is not None:
                    return Ended(name, status)
            threading.Event().wait(_LOOK_S)

    @contextlib.contextmanager
    def entered(self, user: str) -> Iterator[None]:
        """During the block, this process has the environment of one of the demo's users."""
        before, here = dict(os.environ), Path.cwd()
        os.chdir(self.folder)  # your .env is not here
        os.environ.clear()
        os.environ.update(_without_foreign(before) | self.environment(user))
        try:
            yield
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)

    def last_words(self) -> str:
        """The end of the worker's log, for when something went wrong."""
        log = self.folder / "worker.log"
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]) if log.exists() else ""

    def refusals(self) -> list[str]:
        """What the servers have refused to any of their users so far: a sentence each."""
        found = []
        for server, name in _SERVERS.items():
            with connect(self.environment(ADMIN)[name]) as client:
                log = cast("list[dict[str, Any]]", client.acl_log())
            found += [f"the {server} refused {entry['username']}: {entry['object']}" for entry in log]
        return found

    def end_worker(self) -> None:
        worker = self._processes.get("worker")
        if worker is not None and worker.returncode is None:
            _end(worker)

    def _popen(
        self, name: str, module: str, *arguments: str, env: Mapping[str, str], fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        with self._log(name) if self._log else (self.folder / f"{name}.log").open("ab") as log:
            process = self._processes[name] = subprocess.Popen(  # noqa: S603 - our own modules, by our own interpreter
                [sys.executable, "-P", "-m", f"epay_transfers.{module}", *arguments],
                cwd=self.folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name in {"bank", "console"} else log,
                stderr=log,
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C reaches only the command, which then stops it
                preexec_fn=embedded_servers.end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no lock is held
            )
        return process


def _vouch(ledger_url: str, vault_url: str) -> None:
    """In a folder that is kept: tell the vault how far the ledger came in the run before.

    The vault begins empty, and the ledger's server is another start of it: a worker could not see whether the ledger
    has lost moves, and would pause sending until a person has looked. Here this command has started both, and the
    ledger on the data that it had.
    """
    with connect(ledger_url) as ledger, connect(vault_url) as vault:
        look = LedgerServer(ledger, "transfers dev").look()
        if look.compared:
            Vault(vault).raise_mark(look.sequence)


def _without_foreign(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.upper() not in _FOREIGN}


def _first_line(process: subprocess.Popen[bytes], name: str) -> str:
    """The first line of output, or an error if none comes in time."""
    spoken = process.stdout and select.select([process.stdout], [], [], _FIRST_WORD_S)[0]
    line = process.stdout.readline().decode().strip() if process.stdout and spoken else ""
    if not line:
        raise embedded_servers.NotStarted(f"{name} did not start: see its log in its folder")
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_DRAIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
