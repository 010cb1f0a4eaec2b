"""The bank's client secret is rotated: a worker with both fails no transfer and sends none twice, whatever is valid."""

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.pauses import Cause
from epay_transfers.sandbox import PUBLIC_TEST
from epay_transfers.sandbox.faults import Rule
from tests.support.stage import Stage

OLD, NEW = PUBLIC_TEST.client_secret, "the bank's next client secret"


def bank_takes(stage: Stage, *secrets: str) -> None:
    stage.sandbox.bank.decisions.tokens.change_secrets(PUBLIC_TEST.client_id, *secrets)


def refused(stage: Stage) -> int:
    return stage.sandbox.book.refused


def paid(stage: Stage, count: int = 3) -> bool:
    """New ones are paid, each by one request and one try."""
    keys = [stage.new() for _ in range(count)]
    for key in keys:
        stage.run(key)
    records = [stage.record(key) for key in keys]
    assert [stage.executions(key) for key in keys] == [1] * count
    return all((record.state, record.attempts) == (State.PAID, 0) for record in records)


def test_transfers_go_through_before_during_and_after_the_change(stage: Stage) -> None:
    """The steps of the runbook: the next secret into the workers, the bank changes, the old one out of the workers."""
    stage.with_secrets(OLD, NEW)
    assert paid(stage)
    bank_takes(stage, OLD, NEW)
    assert paid(stage)
    bank_takes(stage, NEW)
    assert paid(stage)
    stage.with_secrets(NEW)
    assert paid(stage)
    assert stage.pauses.standing() == []


def test_the_secret_that_was_taken_last_is_tried_first(stage: Stage) -> None:
    """So one call in the life of a worker is refused, and not one for each transfer."""
    stage.with_secrets(OLD, NEW)
    bank_takes(stage, NEW)

    assert paid(stage, 5)
    assert refused(stage) == 1

    bank_takes(stage, OLD)  # the bank takes the change back
    assert paid(stage, 5)
    assert refused(stage) == 2


def test_a_worker_that_has_the_new_secret_as_its_first_still_serves_a_bank_that_takes_the_old_one(stage: Stage) -> None:
    stage.with_secrets(NEW, OLD)

    assert paid(stage)


def test_inquiries_go_on_too(stage: Stage) -> None:
    stage.with_secrets(OLD, NEW)
    stage.sandbox.faults.add(Rule("transfer", "drop", when="after", times=1))
    key = stage.new()
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    bank_takes(stage, NEW)

    stage.later(120)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_where_the_bank_takes_neither_no_try_is_used_up_and_the_terminal_is_paused(stage: Stage) -> None:
    """As with one secret: it is no reason to fail a transfer."""
    stage.with_secrets(OLD, NEW)
    bank_takes(stage, "a third one")
    keys = [stage.new() for _ in range(3)]

    for _ in range(4):
        for key in keys:
            stage.journey.execute(key)
        stage.worker.maintenance.run_once()
        stage.clock.advance(31)

    assert {(stage.state(key), stage.record(key).attempts) for key in keys} == {(State.QUEUED, 0)}
    assert [pause.cause for pause in stage.pauses.standing()] == [Cause.CREDENTIALS]


@pytest.mark.parametrize("secrets", [(OLD,), (OLD, NEW)])
def test_an_answer_that_is_no_refusal_of_the_secret_is_not_asked_again(stage: Stage, secrets: tuple[str, ...]) -> None:
    """A bank that is down is asked once, as before."""
    stage.with_secrets(*secrets)
    stage.sandbox.faults.add(Rule("token", "status", when="before", http_status=503))
    before = stage.sandbox.book.calls["token"]
    key = stage.new()

    stage.journey.execute(key)

    assert stage.sandbox.book.calls["token"] == before + 1
    assert stage.state(key) is State.QUEUED
