"""Servers for this room alone: each test runs on the embedded Valkey, and on Debian's Redis.

The ledger's is without a write to disk for each step, for what is durable is not asked here.
"""

from collections.abc import Iterator

import pytest

from epay_transfers.runtime import embedded_servers
from tests.support.tools import PRODUCTS, server_binary

#: They take eight times as long as all others together, and call the same scripts: on the embedded one alone.
ON_ONE_PRODUCT = {"test_machine", "test_limits_machine"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "binary" in metafunc.fixturenames:
        is_long = metafunc.module.__name__.rpartition(".")[2] in ON_ONE_PRODUCT
        metafunc.parametrize("binary", PRODUCTS[:1] if is_long else PRODUCTS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def binary(request: pytest.FixtureRequest) -> str:
    """The server's: what a test starts for itself is of the same product."""
    return server_binary(request.param)


@pytest.fixture(scope="session")
def ledger_server(binary: str) -> Iterator[embedded_servers.EmbeddedServer]:
    with embedded_servers.running(embedded_servers.LEDGER_OPTIONS | {"appendonly": "no"}, binary=binary) as server:
        yield server


@pytest.fixture(scope="session")
def vault_server(binary: str) -> Iterator[embedded_servers.EmbeddedServer]:
    with embedded_servers.running(embedded_servers.VAULT_OPTIONS, binary=binary) as server:
        yield server
