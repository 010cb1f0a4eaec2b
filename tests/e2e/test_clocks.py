"""A worker's clock is wrong for some seconds, while money is right: nothing may be stopped or ended by that."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.producers import Receipt, Transfers
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until

TWO_HOURS = 7200
COUNT = 10


@dataclass
class ClockApart:
    """One worker, and the hand on its clock."""

    platform: Platform
    transfers: Transfers
    file: Path

    def start(self, **env: str) -> None:
        self.set_clock(0)
        command = [sys.executable, "-m", "tests.e2e.astray", str(self.file)]
        worker = subprocess.Popen(command, env=self.platform.env | env, stderr=self.platform.log)  # noqa: S603 - this very program
        self.platform.workers.append(worker)
        until(lambda: "worker.started" in self.platform.log_text())

    def set_clock(self, seconds: int) -> None:
        """Renamed into its place: nobody reads half a number."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)

    def command(self, *words: str) -> None:
        command = [sys.executable, "-m", "epay_transfers", *words, "--reason", "a test"]
        subprocess.run(command, env=self.platform.env, check=True, timeout=60)  # noqa: S603 - this very program

    def told(self, verb: str) -> int:
        """How often an event of this verb was told."""
        entries = cast("Any", self.platform.ledger_client.xrange(redis_keys.EVENTS))
        return sum(fields.get("verb") == verb for _, fields in entries)

    def has_noticed(self) -> bool:
        return self.told("clock_wrong") > 0

    def enqueue(self, description: str = "Payout", count: int = COUNT) -> list[Receipt]:
        deadline = datetime.now(UTC) + timedelta(minutes=15)
        intents = [payout(f"{description}-{number}", description, deadline=deadline) for number in range(count)]
        answers = self.transfers.enqueue_many(intents)
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        assert len(receipts) == count, answers
        return receipts

    def count(self, state: State) -> int:
        return Ledger(self.platform.ledger_client).totals().of(state).count

    def fault(self, **rule: object) -> None:
        requests.post(f"{self.platform.bank_url}/faults", json=rule, timeout=5).raise_for_status()

    def no_more_faults(self) -> None:
        requests.delete(f"{self.platform.bank_url}/faults", timeout=5).raise_for_status()


@pytest.fixture
def astray(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ClockApart:
    return ClockApart(platform, platform.transfers(monkeypatch), tmp_path / "clock")


def test_who_waits_is_not_expired_by_it_and_is_sent_when_it_is_right_again(astray: ClockApart) -> None:
    """The worker notices at once, says it once, and goes on by itself."""
    astray.start()
    astray.command("pause", "send")
    astray.enqueue()

    astray.set_clock(TWO_HOURS)
    until(lambda: astray.has_noticed() or astray.count(State.EXPIRED) > 0)
    assert astray.count(State.QUEUED) == COUNT

    astray.set_clock(0)
    until(lambda: astray.told("clock_right") > 0)
    (pause,) = Pauses(astray.platform.ledger_client).standing()
    astray.command("unpause", pause.id)
    until(lambda: astray.count(State.PAID) == COUNT)
    assert (astray.told("clock_wrong"), astray.told("clock_right")) == (1, 1)
    assert astray.platform.books()["totals"]["executed_twice"] == []


def test_it_moves_no_rate_ahead(astray: ClockApart) -> None:
    """What it would have taken of the rate would keep all others waiting for two hours."""
    astray.start(EPAY_RATE='{"main": 50}')

    astray.set_clock(TWO_HOURS)
    astray.enqueue()
    until(lambda: astray.has_noticed() or astray.count(State.PAID) > 0)
    astray.set_clock(0)

    astray.enqueue("Another")
    until(lambda: astray.count(State.PAID) == 2 * COUNT)


def test_it_closes_no_breaker_for_hours(astray: ClockApart) -> None:
    """A host that was away while the clock was wrong is asked again seconds later."""
    astray.start()
    astray.fault(call="token", kind="status", when="before")

    astray.set_clock(TWO_HOURS)
    astray.enqueue()
    until(lambda: astray.has_noticed() or astray.told("breaker_opened") > 0)
    astray.set_clock(0)

    until(lambda: astray.told("breaker_opened") > 0)
    astray.no_more_faults()
    until(lambda: astray.count(State.PAID) == COUNT)


def test_what_comes_into_doubt_meanwhile_is_looked_at_in_time(astray: ClockApart) -> None:
    """The doubt is the truth and is recorded; when somebody must look again is the ledger's to say."""
    astray.start()
    astray.fault(call="transfer", kind="latency", when="before", seconds=2)
    astray.fault(call="transfer", kind="drop", when="after")
    astray.enqueue(count=1)
    until(lambda: astray.count(State.SENDING) == 1)

    astray.set_clock(TWO_HOURS)
    until(lambda: astray.count(State.IN_DOUBT) == 1)
    astray.set_clock(0)

    until(lambda: astray.count(State.PAID) == 1)
    assert astray.platform.books()["totals"]["executions"] == 1
