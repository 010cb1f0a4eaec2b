"""The servers are killed under load and come back: the ledger with what it confirmed, vault and queue with nothing."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from epay_transfers.producers import Receipt, TransferIntent, Transfers
from tests.crash.conftest import KillablePlatform
from tests.support.books import BUSY, busy, differences, ends
from tests.support.intents import payout
from tests.support.servers import queue_url
from tests.support.waiting import until

LOAD = 60  #: for each strike
STRIKES = 3


def ledger_dies(killable: KillablePlatform) -> None:
    killable.ledger.kill()
    killable.ledger.restart()


def vault_forgets(killable: KillablePlatform) -> None:
    killable.vault.kill()
    killable.vault.restart()


def queue_is_deleted(killable: KillablePlatform) -> None:
    client = connect(queue_url(killable.platform.env["REDIS_URL"]))
    client.flushdb()
    client.close()


def all_at_once(killable: KillablePlatform) -> None:
    queue_is_deleted(killable)
    killable.ledger.kill()
    killable.vault.kill()
    killable.vault.restart()
    killable.ledger.restart()
    _open(killable)


def _open(killable: KillablePlatform) -> None:
    """With an empty vault nothing shows whether the ledger has lost moves: a person looks, and opens both lanes."""
    pauses = Pauses(killable.platform.ledger_client)
    until(lambda: {pause.lane for pause in pauses.standing()} >= {Lane.SEND, Lane.CONFIRM})
    for pause in pauses.standing():
        assert pause.cause is Cause.FAILOVER
        command = [sys.executable, "-m", "epay_transfers", "unpause", pause.id, "--reason", "compared with the bank's"]
        subprocess.run(command, env=killable.platform.env, check=True, timeout=60)  # noqa: S603 - this very program


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("strike", [ledger_dies, vault_forgets, queue_is_deleted, all_at_once])
def test_a_server_that_dies_under_load_pays_nobody_twice_and_loses_nobody(
    killable: KillablePlatform,
    strike: Callable[[KillablePlatform], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three times, while transfers are queued and on the wire; a producer whose card was forgotten brings it again."""
    platform = killable.platform
    transfers = platform.transfers(monkeypatch)
    platform.start_worker()
    brought: list[TransferIntent] = []

    for number in range(1, STRIKES + 1):
        intents = [payout(f"payout-{number}-{each}", "Payout [slow:0.3]") for each in range(LOAD)]
        before = _over(killable)
        assert all(isinstance(answer, Receipt) for answer in transfers.enqueue_many(intents))
        until(lambda done=before + LOAD // 12: _over(killable) >= done)  # type: ignore[misc]  # a default is typed as Any
        assert busy(platform.ledger_client), "it is under load still"
        strike(killable)
        brought += intents
        _bring_again(transfers, brought)
    until(lambda: not busy(platform.ledger_client))
    platform.stop()

    found = ends(platform.ledger_client)
    assert len(found) == LOAD * STRIKES
    assert differences(found, platform.books()) == []
    assert all(reason for state, reason in found.values() if state in {State.NEEDS_REVIEW, State.DEAD})
    if strike in {ledger_dies, queue_is_deleted}:
        assert {state for state, _ in found.values()} <= {State.PAID, State.NEEDS_REVIEW}
    transfers.close()


def _over(killable: KillablePlatform) -> int:
    """Of how many the machines are done, however they ended."""
    return sum(state not in BUSY for state, _ in ends(killable.platform.ledger_client).values())


def _bring_again(transfers: Transfers, intents: list[TransferIntent]) -> None:
    """The same references: who lacks its card gets it; nobody else notices."""
    answers = transfers.enqueue_many(intents)
    assert not any(isinstance(answer, LedgerUnavailable) for answer in answers)
