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
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops import context
from epay_transfers.worker.bank import StatusReport
from tests.support import factories
from tests.support.command_line import environment, transfers
from tests.support.inbox import ReadAtOnce

__all__ = ["environment", "transfers"]

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
def worker(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadAtOnce]:
    """A worker runs, as far as it reads the operators' requests and asks a bank that is silent."""
    clients = [connect(environment[name]) for name in ("REDIS_URL", "VAULT_URL")]
    clients.append(connect(environment["REDIS_URL"].removesuffix("/0") + "/1"))
    ledger, vault, queue = clients
    inboxes = ReadAtOnce(Ledger(ledger), Vault(vault), Wakeups(Broker(queue, [], {})), SystemClock())
    monkeypatch.setattr(context, "Inboxes", lambda _client: inboxes)
    yield inboxes
    for client in clients:
        client.close()


@pytest.fixture
def bank_says(worker: ReadAtOnce) -> Callable[[StatusReport], None]:
    """From here on it says this of every transfer."""

    def say(report: StatusReport) -> None:
        worker.bank_says = report

    return say


@pytest.fixture
def into(ledger: Ledger) -> Into:
    """A transfer in that state."""

    def make(state: State, reference: str = "payout-1", **more: Any) -> Record:
        place = (state, _PHASES.get(state, Phase.SEND))
        return factories.into(
            ledger, place, reference, **({"lasts_ms": 0 if state is State.EXPIRED else HOUR_MS} | more)
        )

    return make


def give_worker_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker has them, beside the servers that the environment names."""
    pair = sealing.generate()
    secret = "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG"
    for name, value in {
        "EPAY_ENVIRONMENT": "test",
        "VAULT_PUBLIC_KEY": pair.public,
        "VAULT_PRIVATE_KEYS": pair.private.reveal(),
        "EPAY_CONFIRM_URL": "https://testepay.homebank.kz/api/p2p/api/confirm",
        "EPAY_TERMINAL_ID": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
        "EPAY_CLIENT_ID": "test",
        "EPAY_CLIENT_SECRET": secret,
    }.items():
        monkeypatch.setenv(name, value)
