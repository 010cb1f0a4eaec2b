"""A ledger server for this room alone: without a write to disk for each step, for what is durable is not asked here."""

from collections.abc import Iterator

import pytest

from ledger import embedded


@pytest.fixture(scope="session")
def ledger_server() -> Iterator[embedded.EmbeddedServer]:
    with embedded.running(embedded.LEDGER_OPTIONS | {"appendonly": "no"}) as server:
        yield server
