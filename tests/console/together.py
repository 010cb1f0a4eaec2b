"""One console, one worker and one sandbox bank for the tests of a module: each test has transfers of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from epay_transfers.runtime import embedded_servers
from tests.console.conftest import RunningConsole, running_console
from tests.support import factories
from tests.support.intents import payout
from tests.support.platform import Platform, environment_at
from tests.support.waiting import until

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def platform(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    bank_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """Its servers are emptied once. The worker of its tests runs where the module starts it."""
    for name in ("books", "faults"):
        requests.delete(f"{bank_url}/{name}", timeout=5)
    env = environment_at(ledger_server.url, vault_server.url, bank_url, "3000")
    clients = [connect(ledger_server.url), connect(vault_server.url)]
    for client in clients:
        client.flushall()
    with (tmp_path_factory.mktemp("worker") / "worker.log").open("wb") as log:
        platform = Platform(env, bank_url, clients[0], clients[1], log)
        yield platform
        platform.stop()
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def console(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    folder: Path = tmp_path_factory.mktemp("console")
    with (folder / "console.log").open("wb") as log, running_console(platform, folder, log) as running:
        yield running
    assert "Traceback" not in (folder / "console.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ledger(platform: Platform) -> Ledger:
    client: redis.Redis = platform.ledger_client
    return Ledger(client)


_PHASES = {State.RESUMED: Phase.CONFIRM, State.CONFIRMING: Phase.CONFIRM}


def into(ledger: Ledger, state: State, reference: str, **more: object) -> Record:
    """A transfer in that state, by moves of the ledger alone: the sandbox bank knows nothing of it."""
    lasts_ms = 0 if state is State.EXPIRED else HOUR_MS
    made = {"lasts_ms": lasts_ms, "day_ms": ledger.now_ms()} | more
    return factories.into(ledger, (state, _PHASES.get(state, Phase.SEND)), reference, **made)


def dead_with_its_card(ledger: Ledger, platform: Platform, monkeypatch: pytest.MonkeyPatch, reference: str) -> str:
    """Its key. Its producer put the card, and no worker has sent it."""
    pauses = Pauses(ledger.client)
    pause = pauses.pause(Lane.SEND, "main", actor="a test", reason="it is to die", cause=Cause.OTHER)
    with platform.transfers(monkeypatch) as transfers:
        key = transfers.enqueue(payout(reference)).key
    change = Change(due_in=HOUR_MS, fields={"reason": "attempts_used_up", "message": "token_401"})

    def dies() -> bool:
        found = ledger.get(key)
        assert found is not None
        ledger.move(found, Verb.FAIL_QUEUED, change, actor="worker")
        return fresh(ledger, found).state is State.DEAD

    until(dies)
    (standing,) = [each for each in pauses.standing() if each.id == pause]
    assert pauses.unpause(standing, actor="a test", reason="it is dead")
    return key


def fresh(ledger: Ledger, record: Record) -> Record:
    return factories.found(ledger, record)
