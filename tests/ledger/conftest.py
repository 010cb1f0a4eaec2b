"""Servers for this room alone: each test runs on the embedded Valkey, and on Debian's Redis.

The ledger's is without a write to disk for each step, for what is durable is not asked here.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from epay_transfers.runtime import embedded_servers
from tests.support.servers import KillableServer
from tests.support.tools import PRODUCTS, server_binary

#: Thousands of cells of the table of states: each is tried on one of the products, by turns. All are tried on a server
#: that `make servers` names.
BY_TURNS = {
    "test_a_move_is_made_where_the_table_says_and_nowhere_else",
    "test_another_epoch_is_refused_but_a_later_one_of_a_late_answer_counts",
    "test_a_record_of_before_goes_on_as_one_of_now",
    "test_a_decision_on_what_was_read_is_refused_if_anything_has_happened_since",
}

#: They take eight times as long as all others together, and call the same scripts: on the embedded one alone.
ON_ONE_PRODUCT = {"test_machine", "test_limits_machine"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "binary" in metafunc.fixturenames:
        is_long = metafunc.module.__name__.rpartition(".")[2] in ON_ONE_PRODUCT
        metafunc.parametrize("binary", PRODUCTS[:1] if is_long else PRODUCTS, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "TRANSFERS_SERVER" in os.environ:
        return
    turns: Counter[str] = Counter()
    left_out = set()
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname in BY_TURNS:
            product = str(item.callspec.params["binary"])
            turns[product] += 1
            if (turns[product] + PRODUCTS.index(product)) % len(PRODUCTS):
                left_out.add(item)
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in left_out]


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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KillableServer]:
    """One of the test's own, without a file, that it may kill."""
    server = KillableServer.start(tmp_path, embedded_servers.VAULT_OPTIONS)
    yield server
    server.server.stop()
