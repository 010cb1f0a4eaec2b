"""`Stage`: the processes of the demo, two servers, a bank and a worker, in their own folder and environment.

They end with the demo: in order, or killed by the kernel (on Linux) if the demo is killed.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.commands.sandbox import environment
from epay_transfers.ops.demo.users import ADMIN, WORKER, Users
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


class Stage:
    def __init__(self, folder: Path, web: Mapping[str, str] | None = None, users: Users | None = None) -> None:
        """`web`: the settings of a web tier that will run here; then the bank posts its notifications.

        `users`: the servers accept only these users, and each process is one of them.
        """
        self.folder = folder
        self._web = dict(web or {})
        self._users = users
        self.bank_url = ""
        self._environment: dict[str, str] = {}
        self._ends = contextlib.ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:  # after a failure, stop what was started
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _start(self, ends: contextlib.ExitStack) -> None:
        notify = ["--notify"] if self._web else []
        bank = self._popen("sandbox", "--print-address", *notify, env=_without_foreign(os.environ))
        ends.callback(_end, bank)
        ledger = self._server("ledger", embedded_servers.LEDGER_OPTIONS)
        ends.callback(ledger.stop)
        vault = self._server("vault", embedded_servers.VAULT_OPTIONS)
        ends.callback(vault.stop)
        self.bank_url = _first_line(bank)
        self._environment = (
            {"REDIS_URL": ledger.url, "VAULT_URL": vault.url, "WORKER_THREADS": "8"}
            | SHORTENED
            | PUBLIC_TEST_VALUES
            | environment(self.bank_url)
            | fresh_keys().as_dict()
            | self._web
        )
        ends.callback(self.end_worker)
        self.start_worker()

    def _server(self, name: str, options: dict[str, str]) -> embedded_servers.EmbeddedServer:
        home = self.folder / f"{name}-server"
        if self._users is None:
            return embedded_servers.start(home, options)
        named = partial(self._users.address, ADMIN)
        return embedded_servers.start(home, options | self._users.options(name, home), named=named)

    def environment(self, user: str) -> dict[str, str]:
        """What this user of the servers is given."""
        if self._users is None:
            return self._environment
        addresses = {name: self._users.address(user, self._environment[name]) for name in _SERVERS.values()}
        return self._environment | addresses

    def start_worker(self) -> None:
        env = _without_foreign(os.environ) | self.environment(WORKER)
        self._worker = self._popen("worker", env=env)

    def kill_worker(self) -> int:
        """Kill it, like a loss of power: it can't record anything. Returns its process id."""
        if self._worker is None:
            raise RuntimeError("there is no worker to kill")
        self._worker.kill()
        self._worker.wait()
        return self._worker.pid

    def worker_ends_within(self, seconds: float) -> bool:
        """Does the worker end by itself in this time? It should not."""
        if self._worker is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._worker.wait(seconds)
        return not self.worker_runs()

    def worker_runs(self) -> bool:
        return self._worker is not None and self._worker.poll() is None

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
        if self._worker is not None and self._worker.returncode is None:
            _end(self._worker)

    def _popen(self, module: str, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own modules, by our own interpreter
                [sys.executable, "-P", "-m", f"epay_transfers.{module}", *arguments],
                cwd=self.folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if module == "sandbox" else log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only the demo, which then stops it
                preexec_fn=embedded_servers.end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no lock is held
            )


def _without_foreign(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.upper() not in _FOREIGN}


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """The first line of output, or an error if none comes in time."""
    spoken = process.stdout and select.select([process.stdout], [], [], _FIRST_WORD_S)[0]
    line = process.stdout.readline().decode().strip() if process.stdout and spoken else ""
    if not line:
        raise RuntimeError("the sandbox did not start; its log in its folder says why")
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
