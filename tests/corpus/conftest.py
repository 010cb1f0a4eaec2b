"""The servers and the bank that the corpus is written and replayed on."""

from collections.abc import Iterator

import pytest

from epay_transfers.runtime import embedded_servers
from tests.corpus.lines import Line
from tests.corpus.writers import Writers, write_all, writers
from tests.support.stage import _bank, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]


@pytest.fixture
def all_writers(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    ledger_client: object,
    vault_client: object,
    sandbox: object,
    _bank: object,
) -> Iterator[Writers]:
    with writers(ledger_server.url, vault_server.url, sandbox) as found:  # type: ignore[arg-type]  # the bank
        yield found


@pytest.fixture
def written(all_writers: Writers) -> list[Line]:
    """What this version writes."""
    return write_all(all_writers)
