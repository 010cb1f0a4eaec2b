"""What every test may ask for: the two servers (real ones, a pair a run), emptied for each test, and its own clock."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import embedded_servers
from tests.tools import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # in CI nothing is skipped

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job has it ignored, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class FakeClock:
    """Time that only the test moves."""

    def __init__(self, now_ms: int = 1_795_500_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 1000.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now_ms += int(seconds * 1000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """It is set, and no time has passed."""
        self._now_ms += int(seconds * 1000)


@dataclass(slots=True)
class MachineClock:
    """One machine's time: the servers', but for what it is off. What it counts with (`monotonic`) is never off."""

    true: FakeClock
    off_ms: int = 0

    def now_ms(self) -> int:
        return self.true.now_ms() + self.off_ms

    def monotonic(self) -> float:
        return self.true.monotonic()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def ledger_server() -> Iterator[embedded_servers.EmbeddedServer]:
    with embedded_servers.running(embedded_servers.LEDGER_OPTIONS) as server:
        yield server


@pytest.fixture(scope="session")
def vault_server() -> Iterator[embedded_servers.EmbeddedServer]:
    with embedded_servers.running(embedded_servers.VAULT_OPTIONS) as server:
        yield server


@pytest.fixture
def ledger_client(ledger_server: embedded_servers.EmbeddedServer) -> Iterator[redis.Redis]:
    client = connect(ledger_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def vault_client(vault_server: embedded_servers.EmbeddedServer) -> Iterator[redis.Redis]:
    client = connect(vault_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def ledger(ledger_client: redis.Redis, clock: FakeClock) -> Ledger:
    return Ledger(ledger_client, clock)


@pytest.fixture
def vault(vault_client: redis.Redis) -> Vault:
    return Vault(vault_client)
