"""What every test may ask for: the two servers (real ones, a pair a run), emptied for each test, and its own clock."""

import logging
import signal
from collections.abc import Iterator

import hypothesis
import pytest
import redis

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import embedded_servers
from tests.support.clocks import FakeClock
from tests.support.parallel import pytest_collection, pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.support.servers import folder_in_memory, running
from tests.support.tools import pytest_make_collect_report, pytest_runtest_makereport

#: In CI nothing is skipped; under pytest-xdist the long files go first.
__all__ = [
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_xdist_make_scheduler",
]

#: A busy machine is no error. What Hypothesis found is printed, so that it can be run again.
hypothesis.settings.register_profile("ours", deadline=None, print_blob=True)
hypothesis.settings.load_profile("ours")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job has it ignored, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test calls may set up the log of its whole process, which is also that of the tests after it."""
    root = logging.getLogger()
    for handler in root.handlers[:]:  # of a longer fixture, which took the output of the test that asked for it
        if getattr(getattr(handler, "stream", None), "closed", False):
            root.removeHandler(handler)
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def ledger_server() -> Iterator[embedded_servers.EmbeddedServer]:
    with folder_in_memory() as folder, running(embedded_servers.LEDGER_OPTIONS, folder) as server:
        yield server


@pytest.fixture(scope="session")
def vault_server() -> Iterator[embedded_servers.EmbeddedServer]:
    with running(embedded_servers.VAULT_OPTIONS) as server:
        yield server


@pytest.fixture
def ledger_client(ledger_server: embedded_servers.EmbeddedServer) -> Iterator[redis.Redis]:
    client = connect(ledger_server.url, shared=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def vault_client(vault_server: embedded_servers.EmbeddedServer) -> Iterator[redis.Redis]:
    client = connect(vault_server.url, shared=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def ledger(ledger_client: redis.Redis, clock: FakeClock) -> Ledger:
    return Ledger(ledger_client, clock)


@pytest.fixture
def vault(vault_client: redis.Redis) -> Vault:
    return Vault(vault_client)
