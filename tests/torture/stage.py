"""Where a torture happens: two servers, a bank full of faults, a stable of workers. It goes when all is over.

`DURABILITY` is `relaxed`: else the workers do not start on a vault that was saved, or that came up from a file, and the
ones that run are unfit as soon as they see it. Here they are to go on, and it is the rules of the vault that must hold.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from epay_transfers.ledger.vault import sealing
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import PUBLIC_TEST, addresses
from tests.crash.conftest import Mortal


@dataclass
class Stage:
    env: dict[str, str]
    bank_url: str
    ledger: Mortal
    vault: Mortal
    stable: subprocess.Popen[str]
    pids: list[int] = field(default_factory=list)  #: the workers that run now


@contextlib.contextmanager
def stage(seed: int, faults: float, log: str) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfers-")))
        ledger = Mortal.born(folder / "ledger", embedded_servers.LEDGER_OPTIONS)
        stack.callback(lambda: ledger.server.stop())  # noqa: PLW0108 - the one that runs then
        vault = Mortal.born(folder / "vault", embedded_servers.VAULT_OPTIONS)
        stack.callback(lambda: vault.server.stop())  # noqa: PLW0108 - as above
        command = [sys.executable, "-m", "tests.torture.bank", str(seed), str(faults)]
        bank = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603 - this very program
        stack.callback(bank.terminate)
        assert bank.stdout is not None
        url = bank.stdout.readline().strip()
        env = _env(ledger.server.url, vault.server.url, url)
        written = stack.enter_context(Path(log or os.devnull).open("wb"))
        stable = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.torture.stable"],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )
        )
        here = Stage(env, url, ledger, vault, stable)
        stack.callback(_end, here)
        yield here


def _end(here: Stage) -> None:
    for pid in here.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    here.stable.kill()


def _env(ledger_url: str, vault_url: str, bank_url: str) -> dict[str, str]:
    keys, at = sealing.generate(), addresses(bank_url)
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}} | {
        "REDIS_URL": ledger_url,
        "VAULT_URL": vault_url,
        "VAULT_PUBLIC_KEY": keys.public,
        "VAULT_PRIVATE_KEYS": keys.private.reveal(),
        "FINGERPRINT_KEY": secrets.token_urlsafe(32),
        "EPAY_TOKEN_URL": at.token,
        "EPAY_TRANSFER_URL": at.transfer,
        "EPAY_CONFIRM_URL": at.confirm,
        "EPAY_STATUS_URL": at.status,
        "EPAY_TERMINAL_ID": PUBLIC_TEST.terminals[0],
        "EPAY_CLIENT_ID": PUBLIC_TEST.client_id,
        "EPAY_CLIENT_SECRET": PUBLIC_TEST.client_secret,
        "HTTP_CONNECT_TIMEOUT": "2",
        "HTTP_READ_TIMEOUT": "3",
        "HTTP_DEADLINE": "4",
        "LEASE": "6",
        "DOUBT_HORIZON": "20",
        "DURABILITY": "relaxed",
        "LOG_LEVEL": "WARNING",
    }
