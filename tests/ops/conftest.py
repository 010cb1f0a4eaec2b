"""What the tests of the commands share: a ledger by the true clock, and transfers in every state."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops import context
from tests.support import factories
from tests.support.command_line import _logging_as_it_was, environment, transfers
from tests.support.inbox import ReadAtOnce

__all__ = ["_logging_as_it_was", "environment", "transfers"]

HOUR_MS = 3_600_000

_PHASES = {State.RESUMED: Phase.CONFIRM, State.CONFIRMING: Phase.CONFIRM}

Into = Callable[..., Record]


@pytest.fixture
def ledger(ledger_client: redis.Redis) -> Ledger:
    """By the true clock, as the commands have it."""
    return Ledger(ledger_client)


@pytest.fixture
def events(ledger_client: redis.Redis) -> Events:
    return Events(ledger_client)


@pytest.fixture(autouse=True)
def _reader(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker runs, as far as it reads the operators' requests."""
    clients = [connect(environment[name]) for name in ("REDIS_URL", "VAULT_URL")]
    clients.append(connect(environment["REDIS_URL"].removesuffix("/0") + "/1"))
    ledger, vault, queue = clients
    inboxes = ReadAtOnce(Ledger(ledger), Vault(vault), Wakeups(Broker(queue, [], {})), SystemClock())
    monkeypatch.setattr(context, "Inboxes", lambda _client: inboxes)
    yield
    for client in clients:
        client.close()


@pytest.fixture
def into(ledger: Ledger) -> Into:
    """A transfer in that state."""

    def make(state: State, reference: str = "payout-1", **more: Any) -> Record:
        place = (state, _PHASES.get(state, Phase.SEND))
        return factories.into(
            ledger, place, reference, **({"lasts_ms": 0 if state is State.EXPIRED else HOUR_MS} | more)
        )

    return make
