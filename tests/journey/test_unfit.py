"""Servers that became unfit while a worker runs: said once in the log, and told as an event as soon as it can be."""

import logging
from dataclasses import replace
from typing import NoReturn

import pytest

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store.events import Events
from epay_transfers.runtime.health import CLOCKS_APART, Finding
from tests.journey.test_forgotten import keeping
from tests.support.stage import Stage

AWAY = Finding("VAULT_URL", "the server at vault:6379 refused the connection", "start it", passing=True)
CLOCK = Finding("VAULT_URL", CLOCKS_APART, "let both follow the same NTP", passing=True)
LEDGERS = replace(CLOCK, name="REDIS_URL")
WRONG = Finding("REDIS_URL", "there is no host of the name in ledger:6379", "correct the host in REDIS_URL")


def test_what_can_not_be_told_is_logged_once_and_told_later(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's own server is unfit: the event waits, no look comes before its time, and the log does not grow."""
    caplog.set_level(logging.ERROR)
    found, looks = [WRONG], list[int]()
    maintenance = keeping(stage)

    def examine() -> list[Finding]:
        looks.append(1)
        return found

    monkeypatch.setattr(maintenance, "_examine", examine)

    def away(*_: object, **__: object) -> NoReturn:
        raise LedgerUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(Events, "alarm", away)
        for _ in range(3):
            with pytest.raises(LedgerUnavailable):
                maintenance.run_once()
            maintenance.run_once()  # at once: no look is due
            stage.clock.advance(5)
    assert len(looks) == 3
    assert not stage.worker.preflight.is_fit
    maintenance.run_once()
    stage.clock.advance(5)
    found.clear()
    maintenance.run_once()

    assert caplog.messages.count("servers.unfit") == 1
    told = [event.fields["verb"] for event in stage.events.newest(9)]
    assert [verb for verb in told if verb.startswith("servers_")] == ["servers_unfit", "servers_fit"]
    assert stage.worker.preflight.is_fit


@pytest.mark.parametrize(
    ("finding", "told"),
    [(CLOCK, ["servers_unfit", "servers_fit"]), (LEDGERS, ["servers_fit"]), (AWAY, ["servers_fit"])],
)
def test_a_clock_of_the_vaults_that_is_wrong_is_told_though_it_may_pass(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, finding: Finding, told: list[str]
) -> None:
    """It is compared nowhere else: workers would stand still, and no event would say so. The ledger's is told apart."""
    found, maintenance = [finding], keeping(stage)
    monkeypatch.setattr(maintenance, "_examine", lambda: found)

    maintenance.run_once()
    assert not stage.worker.preflight.is_fit
    found.clear()
    stage.clock.advance(5)
    maintenance.run_once()

    events = [event.fields["verb"] for event in stage.events.newest(9)]
    assert [verb for verb in events if verb.startswith("servers_")] == told
    assert stage.worker.preflight.is_fit
