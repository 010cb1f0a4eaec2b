"""A client's answer that lies in the vault, and whose entry never came: its web tier died, or a failover lost it."""

import pytest

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import WEB, Kind
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.worker import client_answers
from epay_transfers.worker.backoff import RetryRule
from tests.journey import scenes
from tests.journey.test_inbox import DIGEST, put, scenes_away
from tests.support.stage import Stage

FIRST_LOOK_S = client_answers.FIRST_LOOK_MS / 1000


def answer_without_entry(stage: Stage, key: str, *, off: int = 1, tag: str = DIGEST) -> None:
    stage.vault.put(Purpose.PARES, key, stage.record(key).epoch + off, "sealed", 900_000, tag=tag)


def sweep_after(stage: Stage, seconds: float) -> None:
    stage.clock.advance(seconds)
    stage.sweeper.run_once()


def test_an_answer_whose_entry_was_lost_is_found_and_the_transfer_is_paid(stage: Stage) -> None:
    """Red before: it stayed parked until its time was over, its page showed no challenge, and then it expired."""
    key = scenes.parked(stage)
    stage.put_answer(key, DIGEST)

    stage.later(FIRST_LOOK_S)

    assert stage.state(key) is State.PAID
    assert stage.executions(key) == 1


def test_the_sweeper_resumes_as_the_entry_does(stage: Stage) -> None:
    """The same answer that the browser sends again is a duplicate then, and no conflict."""
    key = scenes.parked(stage)
    answer_without_entry(stage, key)

    sweep_after(stage, FIRST_LOOK_S)

    record = stage.record(key)
    assert (record.state, record.pares_digest) == (State.RESUMED, DIGEST)
    assert stage.events.newest(1)[0].fields["actor"] == "sweeper"
    assert stage.worker.broker.client.llen("{transfers}:confirms") == 1


def test_an_entry_that_comes_late_resumes_it_no_second_time(stage: Stage) -> None:
    key = scenes.parked(stage)
    epoch = stage.record(key).epoch
    answer_without_entry(stage, key)
    sweep_after(stage, FIRST_LOOK_S)
    resumed = stage.record(key)

    put(stage, WEB, Kind.CONFIRM, {"key": key, "epoch": str(epoch), "digest": DIGEST})

    assert stage.record(key) == resumed


def test_an_answer_of_an_earlier_try_counts_for_nothing(stage: Stage) -> None:
    key = scenes.parked(stage)
    answer_without_entry(stage, key, off=0)

    sweep_after(stage, FIRST_LOOK_S)

    assert stage.state(key) is State.PARKED


@pytest.mark.parametrize("tries", [1, 3])
def test_an_answer_that_forgotten_tries_have_put_back_unsent_is_confirmed_once(stage: Stage, tries: int) -> None:
    """Too few replicas had their claims, and the ledger's server was lost with these. Red before: it went to review."""
    key = scenes.parked(stage)
    stage.put_answer(key, DIGEST, later=tries)

    stage.later(FIRST_LOOK_S)
    for _ in range(tries):
        stage.later(5)

    assert stage.state(key) is State.PAID
    assert stage.executions(key) == 1


def test_an_answer_of_an_epoch_that_no_try_has_reached_is_in_doubt_when_the_tries_are_used_up(stage: Stage) -> None:
    """What a thief of the web tier's password left there. Nothing is sent by it, and it is no endless work."""
    stage.with_rules(retry=RetryRule(attempts=3, min_backoff_s=1, max_backoff_s=1))
    key = scenes.parked(stage)
    stage.put_answer(key, DIGEST, later=1_000_000)
    stage.later(FIRST_LOOK_S)

    for _ in range(4):
        stage.later(2)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.IN_DOUBT, Reason.CONFIRM_ATTEMPTS_USED_UP)
    assert stage.executions(key) == 0


def test_what_no_web_tier_of_ours_has_put_there_is_left_alone(stage: Stage) -> None:
    key = scenes.parked(stage)
    answer_without_entry(stage, key, tag="no digest")

    sweep_after(stage, FIRST_LOOK_S)

    assert stage.state(key) is State.PARKED


def test_the_vault_is_searched_seldom_and_the_bank_is_not_asked(stage: Stage) -> None:
    """Each look comes after as long again as it has been parked; at its end the bank is asked, as ever."""
    key = scenes.parked(stage)
    until, since = stage.record(key).parked_until, stage.record(key).state_since
    looks = []
    while (at := stage.ledger.client.zscore(redis_keys.DUE, key)) is not None and int(at) < until:
        looks.append((int(at) - since) // 1000)
        sweep_after(stage, (int(at) - stage.clock.now_ms()) / 1000)
        assert stage.worker.broker.client.llen("{transfers}:inquiries") == 0

    assert looks == [30, 60, 120, 240, 480]
    assert stage.record(key).next_attempt_at == until
    sweep_after(stage, (until - stage.clock.now_ms()) / 1000)
    assert stage.worker.broker.client.llen("{transfers}:inquiries") == 1


def test_a_vault_that_is_away_is_searched_later(stage: Stage) -> None:
    key = scenes.parked(stage)
    answer_without_entry(stage, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.vault), "tag", scenes_away)
        sweep_after(stage, FIRST_LOOK_S)
    assert stage.state(key) is State.PARKED

    sweep_after(stage, FIRST_LOOK_S)

    assert stage.state(key) is State.RESUMED
