"""A worker process that is stopped between what it knows and what it does by that, and goes on when that is old."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.worker.bank import Evidence
from epay_transfers.worker.build import build
from epay_transfers.worker.settings import WorkerSettings
from tests.crash.conftest import SHORT
from tests.support.factories import NONCE
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until


@contextmanager
def stopping_worker(platform: Platform, *steps: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that stops before each of these steps once; see `tests.crash.sleeper`."""
    command = [sys.executable, "-m", "tests.crash.sleeper", *steps]
    env = platform.env | SHORT | settings
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=platform.log) as process:  # noqa: S603 - this very program
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


@pytest.fixture
def sleeper(platform: Platform) -> Iterator[subprocess.Popen[bytes]]:
    with stopping_worker(platform, "Bank.transfer", "Bank.confirm", DOUBT_HORIZON="60") as process:
        yield process


@pytest.mark.slow
def test_a_worker_that_slept_past_its_lease_sends_nothing_when_it_wakes(
    platform: Platform, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the transfer nor the confirm: the card goes back, and another claim sends it, once.

    It is stopped twice: at the transfer, and then at the confirm of the same one.
    """
    transfers = platform.transfers(monkeypatch)
    (receipt,) = transfers.enqueue_many([payout("payout-1", "Payout [3ds]")])
    key, handle = receipt.key, receipt.handle  # type: ignore[union-attr]  # it was enqueued

    def record() -> Record:
        return record_of(platform, key)

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

    told = [verb for verb in verbs_of(platform, key) if verb not in {"doubt", "schedule_wakeup"}]
    assert told == ["create", "claim", "requeue", "claim", "park", "resume", "claim", "requeue_confirm", "claim", "pay"]
    books = platform.books()
    assert (books["orders"][key]["executions"], books["totals"]["executed_twice"]) == (1, [])
    assert {call: books["totals"]["calls"][call] for call in ("transfer", "confirm")} == {"transfer": 1, "confirm": 1}
    transfers.close()


def test_an_inquiry_that_slept_does_not_overwrite_what_another_worker_knows(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has judged that the card is lost, and stops before it says so; meanwhile another claim's worker may have sent.

    It judged a record that has changed since: it is refused, and the transfer is not called dead.
    """
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1")).key
    platform.vault_client.delete(redis_keys.card(key))
    other, queued = build(WorkerSettings.load()), record_of(platform, key)
    claim = other.preflight.claim(queued, Lane.SEND)
    assert isinstance(claim, Moved)
    other.recorder.doubt(queued, "vault_nothing", evidence=Evidence.NOT_SENT, nonce=claim.claim_nonce)

    # One inquiry at a time: none can come between the sleeper's judgement and its move.
    with stopping_worker(platform, "Ledger.move:lose_card", WORKER_THREADS="2") as process:
        until(lambda: _is_stopped(process.pid))
        other.recorder.doubt(queued, "timeout", evidence=Evidence.MAYBE_SENT, nonce=NONCE)
        assert record_of(platform, key).evidence == Evidence.MAYBE_SENT
        process.send_signal(signal.SIGCONT)
        until(lambda: record_of(platform, key).state is not State.IN_DOUBT)

    record = record_of(platform, key)
    assert (record.state, record.reason) == (State.NEEDS_REVIEW, "bank_says_not_found")
    assert record.evidence == Evidence.MAYBE_SENT
    told = [verb for verb in verbs_of(platform, key) if verb != "inquiry_inconclusive"]  # a busy machine may have one
    assert told == ["create", "claim", "doubt", "add_evidence", "send_to_review"]
    transfers.close()


def record_of(platform: Platform, key: str) -> Record:
    record = Ledger(platform.ledger_client).get(key)
    assert record is not None
    return record


def verbs_of(platform: Platform, key: str) -> list[str]:
    return [event.fields["verb"] for event in Events(platform.ledger_client).of(record_of(platform, key)).events]


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
