"""A worker process that is stopped between its look at the lease and the exchange, and goes on after the lease."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from tests.crash.conftest import SHORT
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until


@pytest.fixture
def sleeper(platform: Platform) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.crash.sleeper"]
    env = platform.env | SHORT | {"DOUBT_HORIZON": "60"}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=platform.log) as process:  # noqa: S603 - this very program
        yield process
        process.send_signal(signal.SIGCONT)
        process.terminate()


@pytest.mark.slow
def test_a_worker_that_slept_past_its_lease_sends_nothing_when_it_wakes(
    platform: Platform, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the transfer nor the confirm: the card goes back, and another claim sends it, once.

    It is stopped twice: at the transfer, and then at the confirm of the same one.
    """
    ledger = Ledger(platform.ledger_client, SystemClock())
    transfers = platform.transfers(monkeypatch)
    (receipt,) = transfers.enqueue_many([payout("payout-1", "Payout [3ds]")])
    key, handle = receipt.key, receipt.handle  # type: ignore[union-attr]  # it was enqueued

    def record() -> Record:
        found = ledger.get(key)
        assert found is not None
        return found

    def verbs() -> list[str]:
        events = Events(platform.ledger_client, SystemClock()).newest(99)
        return [event.fields["verb"] for event in events if event.fields.get("key") == key]

    def sleep_past_the_lease(state: State) -> None:
        until(lambda: record().state is state and _is_stopped(sleeper.pid))
        lease = record().lease_until
        until(lambda: SystemClock().now_ms() > lease)
        sleeper.send_signal(signal.SIGCONT)

    sleep_past_the_lease(State.SENDING)
    until(lambda: record().state is State.PARKED)
    challenge = transfers.challenge(handle)
    assert challenge is not None
    transfers.confirm(md=challenge.md, pa_res=platform.answer(challenge.md), handle=handle)
    sleep_past_the_lease(State.CONFIRMING)
    until(lambda: record().state is State.PAID)

    told = [verb for verb in verbs() if verb not in {"doubt", "schedule_wakeup"}]
    assert told == ["create", "claim", "requeue", "claim", "park", "resume", "claim", "requeue_confirm", "claim", "pay"]
    books = platform.books()
    assert (books["orders"][key]["executions"], books["totals"]["executed_twice"]) == (1, [])
    assert {call: books["totals"]["calls"][call] for call in ("transfer", "confirm")} == {"transfer": 1, "confirm": 1}
    transfers.close()


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
