"""What the crash tests stand on: the platform of real processes, with short times, so that what was left is found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers
from tests.support.platform import Platform, bank_url, platform
from tests.support.servers import KillableServer

__all__ = ["bank_url", "platform"]

#: So that a lease is over, and doubt believed, within seconds.
SHORT = {
    "HTTP_CONNECT_TIMEOUT": "1",
    "HTTP_READ_TIMEOUT": "2",
    "HTTP_DEADLINE": "2",
    "LEASE": "3",
    "PARK_TTL": "86400",  # but for clients, who wait at the bank's page until they are needed
    "DOUBT_HORIZON": "4",
    "DOUBT_READS": "1",
    "RETRY_MIN_BACKOFF": "0.1",
    "RETRY_MAX_BACKOFF": "0.5",
    "RETRY_ATTEMPTS": "50",
    "WORKER_THREADS": "20",  # of which a quarter may inquire: as many as stand together at a point
}


@dataclass
class ForkServer:
    process: subprocess.Popen[str]

    def fork(self, **said: Any) -> tuple[int, int]:
        """A child, until it is dead: how many stood at its point, and the signal that it died of."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["stood"], answer["died"]


@pytest.fixture
def fork_server(platform: Platform) -> Iterator[ForkServer]:
    platform.env |= SHORT
    command = [sys.executable, "-m", "tests.crash.fork_server"]
    with subprocess.Popen(  # noqa: S603 - this very program
        command, env=platform.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=platform.log
    ) as process:
        yield ForkServer(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class KillablePlatform:
    platform: Platform
    ledger: KillableServer
    vault: KillableServer


@pytest.fixture
def killable(platform: Platform, tmp_path: Path) -> Iterator[KillablePlatform]:
    """The platform on two servers of its own."""
    ledger = KillableServer.start(tmp_path / "ledger", embedded_servers.LEDGER_OPTIONS)
    vault = KillableServer.start(tmp_path / "vault", embedded_servers.VAULT_OPTIONS)
    platform.env |= SHORT | {"REDIS_URL": ledger.server.url, "VAULT_URL": vault.server.url}
    platform.ledger_client, platform.vault_client = connect(ledger.server.url), connect(vault.server.url)
    yield KillablePlatform(platform, ledger, vault)
    platform.stop()
    platform.ledger_client.close()
    platform.vault_client.close()
    ledger.server.stop()
    vault.server.stop()
