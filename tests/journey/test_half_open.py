"""A host that answers questions and hangs on transfers: one transfer is tried, and what becomes of it tells."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import FAILURES, LONGEST_MS
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ledger.store.replies import Moved
from tests.support.factories import claim
from tests.support.stage import Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Its bank has failed so often that no worker sends."""
    host = host_of(stage)
    hosts = {Lane.SEND: host, Lane.CONFIRM: host}
    stage.with_rules(preflight=replace(stage.rules.preflight, token_host=host, hosts=hosts))
    for _ in range(FAILURES):
        stage.worker.breakers.failed(host, "timeout")
    return stage


def host_of(stage: Stage) -> str:
    return urlsplit(stage.sandbox.url).netloc


def keep_house(stage: Stage) -> None:
    stage.worker.maintenance.probe_once()
    stage.worker.maintenance.run_once()


def half_open(stage: Stage, after_s: float = 5) -> None:
    stage.clock.advance(after_s)
    keep_house(stage)
    stage.worker.breakers.refresh()
    assert not stage.worker.breakers.is_open(host_of(stage))


def test_one_transfer_is_let_through_and_the_others_wait(stage: Stage) -> None:
    """However many threads there are: a bank that hangs puts one transfer into doubt, and not one for each thread."""
    keys = [stage.new("[500-after]") for _ in range(4)]
    for key in keys:
        stage.journey.execute(key)
    assert {stage.state(key) for key in keys} == {State.QUEUED}
    half_open(stage)

    for key in keys:
        stage.journey.execute(key)

    assert sorted(stage.state(key) for key in keys) == [State.IN_DOUBT, *[State.QUEUED] * 3]


def test_it_closes_when_the_bank_serves_the_one(stage: Stage) -> None:
    half_open(stage)
    key, other = stage.new(), stage.new()
    stage.journey.execute(key)

    keep_house(stage)
    stage.clock.advance(5)
    stage.journey.execute(other)

    assert (stage.state(key), stage.state(other)) == (State.PAID, State.PAID)
    assert stage.worker.breakers.refresh() == set()
    assert "breaker_closed" in [event.fields["verb"] for event in stage.events.newest()]


@pytest.mark.parametrize("words", ["[3ds]", "[decline:484]"])
def test_a_challenge_and_a_decline_are_served_too(stage: Stage, words: str) -> None:
    half_open(stage)
    stage.journey.execute(stage.new(words))

    keep_house(stage)

    assert stage.worker.breakers.refresh() == set()


def test_it_stays_open_for_twice_as_long_each_time_that_the_one_is_not_served(stage: Stage) -> None:
    """Up to the longest; and the times are by the ledger."""
    waits, after_s = [], 5.0
    for _ in range(8):
        half_open(stage, after_s)
        stage.journey.execute(stage.new("[500-after]"))
        stage.worker.maintenance.run_once()
        told = stage.events.newest(1)[0].fields
        assert told["verb"] == "breaker_stays_open"
        after_s = float(told["in_s"])
        waits.append(int(after_s * 1000))
        stage.clock.advance(after_s - 0.5)
        stage.worker.maintenance.probe_once()
        stage.worker.breakers.refresh()
        assert stage.worker.breakers.is_open(host_of(stage))
        after_s = 0.5

    assert waits == [10_000, 20_000, 40_000, 80_000, 160_000, LONGEST_MS, LONGEST_MS, LONGEST_MS]


def test_the_lease_of_the_one_is_waited_for_where_its_worker_died(stage: Stage) -> None:
    """No second one goes while the first may still be sent; after its lease the next may."""
    half_open(stage)
    lost = stage.new()
    assert isinstance(claim(stage.ledger, stage.record(lost), host=host_of(stage)), Moved)
    keep_house(stage)

    waiting = stage.new()
    stage.journey.execute(waiting)
    assert stage.state(waiting) is State.QUEUED
    assert [breaker.trial for breaker in stage.worker.breakers.trials()] == [lost]

    stage.clock.advance(stage.rules.preflight.lease_s + 1)
    stage.sweeper.run_once()
    stage.worker.maintenance.run_once()
    assert stage.events.newest(1)[0].fields["verb"] == "breaker_stays_open"


def test_a_paused_terminal_tries_one_before_the_others_and_opens_by_itself(stage: Stage) -> None:
    """After code 487 one is tried: the bank serves it, and all others go; or it is declined so again, and none does."""
    stage.worker.breakers.close(host_of(stage))
    stage.pauses.pause(Lane.SEND, "main", actor="worker", reason="code 487", cause=Cause.SETUP_CODE)
    for words, ends in (("[decline:487]", State.DECLINED), ("", State.PAID)):
        (pause,) = stage.pauses.standing()
        assert stage.pauses.let_try(pause, 1, actor="operator aigul", reason="try")
        stage.worker.maintenance.run_once()
        tried, waiting = stage.new(words), stage.new()
        stage.journey.execute(tried)
        stage.journey.execute(waiting)
        assert (stage.state(tried), stage.state(waiting)) == (ends, State.QUEUED)
        stage.worker.maintenance.run_once()

    assert stage.pauses.standing() == []
    told = [event.fields for event in stage.events.newest() if event.fields["verb"] == "unpause"]
    assert [tried in event["reason"] for event in told] == [True]
