"""A worker's heartbeat says what it does and sees, and how the bank's calls went."""

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.heartbeats import ANSWERED, UNCLEAR, Heartbeat, Heartbeats
from epay_transfers.ledger.store.samples import Samples
from tests.journey.scenes import hanging_thread
from tests.support.stage import Stage


def told(stage: Stage) -> Heartbeat:
    stage.worker.pulse.run_once()
    (heartbeat,) = Heartbeats(stage.ledger.client, stage.clock).told()
    return heartbeat


def test_it_counts_the_calls_of_the_bank_by_kind_and_outcome(stage: Stage) -> None:
    """A transfer that the bank cut off is unclear, and the calls beside it were answered."""
    key = stage.new()
    stage.run(key)
    cut = stage.new("[drop-after]")
    stage.run(cut)

    heartbeat = told(stage)

    assert (stage.state(key), stage.state(cut)) == (State.PAID, State.IN_DOUBT)
    assert heartbeat.calls["token"].outcomes == {ANSWERED: 2}
    assert heartbeat.calls["transfer"].outcomes == {ANSWERED: 1, UNCLEAR: 1}
    assert heartbeat.calls["transfer"].why == "dropped"
    assert heartbeat.sees["bank"].why == "dropped"


def test_calls_are_forgotten_after_five_minutes(stage: Stage) -> None:
    stage.run(stage.new())
    stage.clock.advance(200)
    assert told(stage).calls["transfer"].count == 1

    stage.clock.advance(120)

    assert "transfer" not in told(stage).calls


def test_what_it_sees_of_a_server_has_the_time_since_when(stage: Stage) -> None:
    first = told(stage)
    began_ms = stage.clock.now_ms()
    stage.clock.advance(10)
    assert told(stage).sees == first.sees
    stage.worker.maintenance.vault_why = "away"
    went_ms = stage.clock.now_ms()
    told(stage)
    stage.clock.advance(10)

    sees = told(stage).sees

    assert (sees["vault"].why, sees["vault"].since_ms) == ("away", went_ms)
    assert (sees["ledger"].why, sees["ledger"].since_ms) == ("", began_ms)


def test_a_thread_that_hangs_at_a_transfer_is_seen(stage: Stage) -> None:
    """Though the heartbeat's own thread goes on."""
    with hanging_thread(stage):
        fresh = told(stage)
        stage.clock.advance(fresh.patience_s + 1)
        hung = told(stage)

    assert (fresh.busy, fresh.hung) == (1, [])
    assert hung.hung == [f"a transfer's thread {hung.longest_busy_s:.0f} s"]
    assert told(stage).busy == 0


def test_what_is_overdue_shows_as_lag(stage: Stage) -> None:
    stage.new()
    assert told(stage).lag_ms == 0
    stage.clock.advance(65)

    assert told(stage).lag_ms == 60_000


def test_it_brings_a_sample_of_the_ledgers_numbers(stage: Stage) -> None:
    stage.run(stage.new())
    stage.new()

    told(stage)
    told(stage)

    (sample,) = Samples(stage.ledger.client).read()
    assert sample.counts == {"queued": 1, "paid": 1}
    assert sample.sums == {"queued": {"KZT": 1_500_000}, "paid": {"KZT": 1_500_000}}
    assert sample.used == {"main": 2}
    assert sample.memory > 0
    assert sample.at_ms == stage.clock.now_ms()


def test_it_says_when_the_vault_was_started(stage: Stage) -> None:
    stage.worker.maintenance.run_once()

    up_ms = stage.clock.now_ms() - told(stage).vault_since_ms

    assert abs(up_ms - stage.vault.uptime_s() * 1000) <= 5_000  # the server counts whole seconds
