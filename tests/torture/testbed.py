"""What a torture runs on: two servers, a bank full of faults, a fork server of workers. It ends with the torture.

`DURABILITY` is `relaxed`: else the workers do not start on a vault that was saved, or that came up from a file, and the
ones that run are unfit as soon as they see it. Here they are to go on, and it is the rules of the vault that must hold.
Each process has its server user, as `deploy/` has them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from epay_transfers.ops.demo.users import BACKEND, OPS, WORKER
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import addresses
from tests.support.environment import environment_of
from tests.support.forked_commands import ForkedCommands
from tests.support.server_users import ROOT, UsersAndRoot
from tests.support.servers import KillableServer, running_bank


@dataclass
class Testbed:
    env: dict[str, str]  #: of the torture's own process: a backend and a web tier in one
    operator_env: dict[str, str]
    bank_url: str
    folder: Path  #: of the operator's own files
    commands: ForkedCommands
    ledger: KillableServer
    vault: KillableServer
    fork_server: subprocess.Popen[str]
    pids: list[int] = field(default_factory=list)  #: the workers that run now


@contextlib.contextmanager
def testbed(seed: int, faults: float, log: str) -> Iterator[Testbed]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfers-")))
        users = UsersAndRoot()
        named = partial(users.address, ROOT)
        guarded = {name: users.options(name, folder / name) for name in ("ledger", "vault")}
        ledger = KillableServer.start(folder / "ledger", embedded_servers.LEDGER_OPTIONS | guarded["ledger"], named)
        stack.callback(lambda: ledger.server.stop())  # noqa: PLW0108 - the one that runs then
        vault = KillableServer.start(folder / "vault", embedded_servers.VAULT_OPTIONS | guarded["vault"], named)
        stack.callback(lambda: vault.server.stop())  # noqa: PLW0108 - as above
        url = stack.enter_context(running_bank("tests.torture.bank", str(seed), str(faults)))

        def as_user(user: str) -> dict[str, str]:
            urls = {"REDIS_URL": ledger.server.url, "VAULT_URL": vault.server.url}
            return {name: users.address(user, address) for name, address in urls.items()}

        common = environment_of(
            addresses(url),
            HTTP_CONNECT_TIMEOUT="2",
            HTTP_READ_TIMEOUT="3",
            HTTP_DEADLINE="4",
            LEASE="6",
            DOUBT_HORIZON="20",
            DURABILITY="relaxed",
            LOG_LEVEL="WARNING",
        )
        written = stack.enter_context(Path(log or os.devnull).open("wb"))
        fork_server = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.torture.fork_server"],
                env=common | as_user(WORKER),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )
        )
        commands = stack.enter_context(ForkedCommands(folder))
        rooms = common | as_user(BACKEND), common | as_user(OPS)
        here = Testbed(*rooms, url, folder, commands, ledger, vault, fork_server)
        stack.callback(_end, here)
        yield here


def _end(here: Testbed) -> None:
    for pid in here.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    here.fork_server.kill()
