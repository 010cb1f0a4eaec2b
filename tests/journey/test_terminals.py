"""A terminal whose credentials only some workers hold: a worker without them leaves its transfers to the others."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.pauses import Lane
from tests.support.stage import Stage


@pytest.fixture
def other(stage: Stage) -> Stage:
    """A second worker on the same servers, which holds no credentials."""
    other = Stage(stage.ledger, stage.vault, stage.sandbox, stage.clock, stage.broker, keys=stage.keys)
    other.worker.preflight._terminals.clear()
    return other


def queued(stage: Stage) -> str:
    return stage.new()


def resumed(stage: Stage) -> str:
    key = stage.new("[3ds]")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    return key


def in_doubt(stage: Stage) -> str:
    """Its worker was lost behind the bank, which has executed."""
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    stage.clock.advance(5)
    return key


def held(stage: Stage) -> str:
    key = in_doubt(stage)
    stage.worker.recorder.send_to_review(stage.record(key), "test")
    stage.worker.recorder.move(
        stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields={"requested_action": "inquire"})
    )
    return key


def dead(stage: Stage) -> str:
    """Of which an operator asks that it be queued again."""
    key = stage.new()
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    stage.worker.recorder.fail(record, "attempts_used_up")
    stage.worker.recorder.move(
        stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields={"requested_action": "requeue"})
    )
    return key


def parked(stage: Stage) -> str:
    """Past its time."""
    key = stage.new("[3ds]")
    stage.journey.execute(key)
    stage.clock.advance(900)
    return key


SITUATIONS: dict[Callable[[Stage], str], State] = {
    queued: State.PAID,
    resumed: State.PAID,
    in_doubt: State.PAID,
    held: State.PAID,
    dead: State.QUEUED,
    parked: State.EXPIRED,
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_worker_without_the_credentials_leaves_it_to_another_for_a_second_and_burns_no_try(
    stage: Stage, other: Stage, situation: Callable[[Stage], str]
) -> None:
    """Whatever is to be done of it: nothing else of it has changed, and it waits for no ring that was not heard."""
    key = situation(stage)
    before = stage.record(key)

    other.run(key)

    after = stage.record(key)
    assert stage.ledger.client.zscore("transfers:{t}:due", key) == stage.clock.now_ms() + 1000
    assert after == replace(before, wakeups=before.wakeups + 1)

    stage.clock.advance(1)
    stage.sweeper.run_once()
    stage.run(key)
    assert stage.state(key) is SITUATIONS[situation]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_worker_that_holds_them_gets_it_however_often_the_other_was_first(
    stage: Stage, other: Stage, situation: Callable[[Stage], str]
) -> None:
    """The sweeper rings, the one without credentials takes the ring, and the next ring comes a second later."""
    key = situation(stage)

    for _ in range(9):
        stage.sweeper.run_once()
        other.run(key)
        stage.clock.advance(1)
        assert [record.key for record in stage.ledger.due(10).records] == [key]

    stage.run(key)
    assert stage.state(key) is SITUATIONS[situation]
    assert stage.executions(key) == (0 if situation in {dead, parked} else 1)


def test_where_no_worker_holds_them_it_is_looked_at_twice_a_minute_and_no_oftener(stage: Stage, other: Stage) -> None:
    key = queued(stage)
    looks = 0

    while stage.clock.now_ms() < stage.record(key).deadline_at:
        looks += 1
        other.sweeper.run_once()
        other.run(key)
        due = stage.ledger.client.zscore("transfers:{t}:due", key)
        assert due is not None
        stage.clock.advance((due - stage.clock.now_ms()) / 1000)
    other.sweeper.run_once()

    assert (stage.state(key), stage.record(key).attempts) == (State.EXPIRED, 0)
    assert looks <= 11 + 900 / 30 + 1


@pytest.mark.parametrize(("situation", "end"), [(in_doubt, State.NEEDS_REVIEW), (parked, State.EXPIRED)])
def test_where_no_worker_holds_them_an_inquiry_ends_as_one_that_the_bank_did_not_answer(
    stage: Stage, other: Stage, situation: Callable[[Stage], str], end: State
) -> None:
    """A person's case at last, and what a person asked for is answered."""
    key = situation(stage)

    for _ in range(400):
        stage.clock.advance(30)
        other.sweeper.run_once()
        other.run(key)

    assert (stage.state(key), stage.record(key).requested_action) == (end, "")


@pytest.mark.parametrize(("situation", "what"), [(dead, "requeue"), (held, "inquire")])
def test_what_an_operator_asked_for_waits_for_a_worker_that_can_ask_the_bank(
    stage: Stage, other: Stage, situation: Callable[[Stage], str], what: str
) -> None:
    """However long: a worker without the credentials can't say that the bank did not answer."""
    key = situation(stage)
    was = stage.state(key)

    for _ in range(400):
        stage.clock.advance(30)
        other.sweeper.run_once()
        other.run(key)

    assert (stage.state(key), stage.record(key).requested_action) == (was, what)
    stage.run(key)
    assert (stage.state(key), stage.record(key).requested_action) == (SITUATIONS[situation], "")


def test_a_doubt_that_an_operator_asked_about_becomes_a_persons_case_all_the_same(stage: Stage, other: Stage) -> None:
    """The request is no reason to wait for longer than the doubt itself does."""
    key = in_doubt(stage)
    stage.worker.recorder.move(
        stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields={"requested_action": "inquire"})
    )

    for _ in range(400):
        stage.clock.advance(30)
        other.sweeper.run_once()
        other.run(key)

    assert stage.state(key) is State.NEEDS_REVIEW


def test_a_question_waits_for_a_worker_that_can_ask_the_bank(stage: Stage, other: Stage) -> None:
    """A day later it is answered by the bank's own word, and not by a silence that was none."""
    key = in_doubt(stage)
    stage.run(key)
    assert stage.state(key) is State.PAID
    entry_id = Inboxes(stage.ledger.client, stage.clock).put(operator("aigul"), Kind.ASK, {"why": "w", "key": key})
    other.worker.inbox.run_once()
    for _ in range(200):
        stage.clock.advance(300)
        other.sweeper.run_once()
        other.journey.inquire(key)
        assert stage.record(key).question_id == entry_id

    stage.journey.inquire(key)

    assert (stage.record(key).question_id, stage.record(key).bank_said) == ("", "paid AUTH")


def test_a_heartbeat_names_the_terminals_that_its_worker_holds_and_those_that_it_lacks(
    stage: Stage, other: Stage
) -> None:
    """What it was asked for minutes ago, and no more what was long ago."""
    key = queued(stage)
    other.run(key)

    assert (stage.worker.preflight.terminals, stage.worker.preflight.lacks) == (["main"], [])
    assert (other.worker.preflight.terminals, other.worker.preflight.lacks) == ([], ["main"])
    told = other.worker.pulse._heartbeat(stage.clock.now_ms())
    assert (told.terminals, told.lacks) == ([], ["main"])
    stage.clock.advance(200)
    assert other.worker.preflight.lacks == []


def test_a_terminal_is_named_once_in_the_log_and_not_with_each_transfer(
    stage: Stage, other: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    transfers = [situation(stage) for situation in (queued, queued, in_doubt)]
    caplog.set_level(logging.INFO)
    caplog.clear()

    for key in transfers * 2:
        other.run(key)

    (said,) = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert (said.message, vars(said)["terminal"]) == ("terminal.unknown", "main")
