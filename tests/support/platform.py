"""The whole system as real processes: two servers, the sandbox bank, a worker; the test is backend and web tier."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import redis
import requests

from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.producers import Transfers
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import addresses
from tests.support.environment import environment_of
from tests.support.servers import queue_url, running_bank, start_worker


@dataclass
class Platform:
    """Everything that runs, and the environment that leads to it."""

    env: dict[str, str]
    bank_url: str
    ledger_client: redis.Redis
    vault_client: redis.Redis
    log: IO[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, **env: str) -> subprocess.Popen[bytes]:
        worker = start_worker(self.env | env, self.log)
        self.workers.append(worker)
        return worker

    def transfers(self, monkeypatch: pytest.MonkeyPatch) -> Transfers:
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        return Transfers.from_env()

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = requests.get(f"{self.bank_url}/books", timeout=30).json()
        return books

    def answer(self, md: str, password: str = "secret") -> str:
        """The client at the bank's 3-D Secure page."""
        answer = requests.post(f"{self.bank_url}/acs/answer", json={"md": md, "password": password}, timeout=30)
        return str(answer.json()["PaRes"])

    def log_text(self) -> str:
        """What the workers have logged."""
        return Path(self.log.name).read_text()

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                raise
        self.workers.clear()


def environment_at(ledger_url: str, vault_url: str, bank_url: str, doubt_horizon: str) -> dict[str, str]:
    """Of every process on these servers, with times that a test can wait for. `doubt_horizon`: in seconds."""
    return environment_of(
        addresses(bank_url),
        REDIS_URL=ledger_url,
        VAULT_URL=vault_url,
        HTTP_CONNECT_TIMEOUT="2",
        HTTP_READ_TIMEOUT="5",
        HTTP_DEADLINE="6",
        LEASE="8",
        DOUBT_HORIZON=doubt_horizon,
    )


@pytest.fixture(scope="session")
def bank_url() -> Iterator[str]:
    with running_bank("epay_transfers.sandbox", "--port", "0", "--print-address") as url:
        yield url


@pytest.fixture
def platform(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
    bank_url: str,
    tmp_path: Path,
) -> Iterator[Platform]:
    requests.delete(f"{bank_url}/books", timeout=5)
    requests.delete(f"{bank_url}/faults", timeout=5)
    env = environment_at(ledger_server.url, vault_server.url, bank_url, "20")
    with (tmp_path / "worker.log").open("wb") as log:
        platform = Platform(env, bank_url, ledger_client, vault_client, log)
        yield platform
        platform.stop()


def messages(platform: Platform) -> list[str]:
    """Every message that waits in the queues, as it lies in Redis."""
    client = connect(queue_url(platform.env["REDIS_URL"]))
    try:
        return [str(text) for queue in QUEUES for text in client.hvals(f"{NAMESPACE}:{queue}.msgs")]
    finally:
        client.close()


def ledger_of(platform: Platform, clock: Any) -> Ledger:
    return Ledger(platform.ledger_client, clock)
