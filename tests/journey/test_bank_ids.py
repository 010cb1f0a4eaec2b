"""The bank answers with the id of another transfer: that settles nothing, is told once, and a person looks at it."""

import uuid

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.worker.bank import (
    ChallengeRequired,
    CodeClass,
    Declined,
    Paid,
    StatusReport,
    StatusWord,
    TransferOutcome,
)
from tests.support.stage import Stage

REASON = "bank_id_of_another_transfer"

PAID = Paid(bank_id="a9e1", reference="ref")
ANSWERS: list[tuple[TransferOutcome, str]] = [
    (PAID, "pay"),
    (Declined("484", "declined", CodeClass.DECLINED, bank_id="a9e1"), "decline"),
    (ChallengeRequired("cGFSZXE=", "1-A", "https://acs.example/", "a9e1"), "park"),
]


def answering(stage: Stage, monkeypatch: pytest.MonkeyPatch, outcome: TransferOutcome) -> None:
    monkeypatch.setattr(stage.bank, "transfer", lambda *_args, **_said: outcome)


def saying(stage: Stage, monkeypatch: pytest.MonkeyPatch, word: StatusWord) -> None:
    report = StatusReport(word, status_name="AUTH", bank_id="a9e1", code="0")
    monkeypatch.setattr(stage.bank, "status", lambda *_args, **_said: report)


def paid_under_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> str:
    key = stage.new()
    answering(stage, monkeypatch, PAID)
    stage.journey.execute(key)
    assert stage.state(key) is State.PAID
    return key


def alarms(stage: Stage) -> list[dict[str, str]]:
    return [event.fields for event in stage.events.newest(1000) if event.fields["verb"] == "foreign_bank_id"]


def in_doubt(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Record:
    key = stage.new("[drop-after]")
    monkeypatch.undo()
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    return stage.record(key)


@pytest.mark.parametrize(("outcome", "said"), ANSWERS)
def test_a_workers_answer_with_anothers_id_is_doubt_and_an_alarm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, outcome: TransferOutcome, said: str
) -> None:
    first = paid_under_it(stage, monkeypatch)
    second = stage.new()
    answering(stage, monkeypatch, outcome)

    stage.journey.execute(second)

    record = stage.record(second)
    assert (record.state, record.reason, record.evidence) == (State.IN_DOUBT, REASON, "answered")
    assert record.bank_id == ""
    (alarm,) = alarms(stage)
    assert (alarm["key"], alarm["bank_said"], alarm["other"]) == (second, said, first)


def test_a_transfers_own_id_again_is_no_alarm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parked under it, asked about, and paid under it."""
    key = stage.new("[3ds] Order")
    answering(stage, monkeypatch, ANSWERS[2][0])
    stage.journey.execute(key)
    saying(stage, monkeypatch, StatusWord.PAID)

    stage.later(1000)

    assert (stage.state(key), stage.record(key).bank_id, alarms(stage)) == (State.PAID, "a9e1", [])


@pytest.mark.parametrize("word", [StatusWord.PAID, StatusWord.NOT_PAID, StatusWord.GIVEN_BACK])
def test_an_inquiry_that_brings_anothers_id_leaves_a_doubt_to_a_person_and_says_so_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, word: StatusWord
) -> None:
    first = paid_under_it(stage, monkeypatch)
    second = in_doubt(stage, monkeypatch).key
    saying(stage, monkeypatch, word)

    stage.later(10)
    held = stage.record(second)
    for _ in range(3):
        stage.later(90_000)

    assert (held.state, held.reason) == (State.NEEDS_REVIEW, REASON)
    assert (stage.state(second), stage.record(second).reason) == (State.NEEDS_REVIEW, REASON)
    assert [(alarm["key"], alarm["other"]) for alarm in alarms(stage)] == [(second, first)]
    assert stage.state(first) is State.PAID


def test_one_that_is_held_already_is_told_of_once_and_stays_held(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_under_it(stage, monkeypatch)
    second = in_doubt(stage, monkeypatch).key
    stage.worker.recorder.send_to_review(stage.record(second), "bank_says_not_found")
    saying(stage, monkeypatch, StatusWord.PAID)

    for _ in range(3):
        stage.later(90_000)

    assert (stage.state(second), stage.record(second).reason) == (State.NEEDS_REVIEW, REASON)
    assert len(alarms(stage)) == 1


def test_a_held_one_whose_own_id_the_bank_finds_later_is_settled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_under_it(stage, monkeypatch)
    second = in_doubt(stage, monkeypatch).key
    saying(stage, monkeypatch, StatusWord.PAID)
    stage.later(10)
    monkeypatch.undo()

    stage.later(90_000)

    assert stage.state(second) is State.PAID


def test_a_parked_one_is_a_persons_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank says what can't be so of a transfer whose challenge is open: nobody may call it expired."""
    paid_under_it(stage, monkeypatch)
    second = stage.new("[3ds] Order")
    monkeypatch.undo()
    stage.journey.execute(second)
    assert stage.state(second) is State.PARKED
    saying(stage, monkeypatch, StatusWord.PAID)

    stage.later(1000)
    stage.later(10)

    assert (stage.state(second), len(alarms(stage))) == (State.NEEDS_REVIEW, 1)


def test_a_dead_one_is_not_queued_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_under_it(stage, monkeypatch)
    second = stage.new()
    stage.worker.recorder.fail(stage.record(second), "attempts_used_up", verb=Verb.FAIL_QUEUED)
    saying(stage, monkeypatch, StatusWord.PAID)
    asked = Change(due_at=stage.clock.now_ms(), fields={"requested_action": "requeue"})
    stage.ledger.move(stage.record(second), Verb.REQUEST, asked, actor="op")

    stage.journey.inquire(second)

    assert (stage.state(second), stage.record(second).reason) == (State.IN_DOUBT, REASON)
    assert len(alarms(stage)) == 1


def test_a_bank_with_one_id_for_all_never_leads_to_two_that_are_paid(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox itself, with its id stuck: answers and inquiries alike. The first is paid, the others a person's."""
    stuck = uuid.UUID("a9e1b986-be01-4763-9216-610cc63b963c")
    monkeypatch.setattr("epay_transfers.sandbox.book.uuid.uuid4", lambda: stuck)
    names = [stage.new(description) for description in ("Payout", "Payout", "[drop-after] Payout", "[3ds] Order")]
    for key in names:
        stage.journey.execute(key)
    for _ in range(4):
        stage.later(4000)

    assert [stage.state(key) for key in names] == [
        State.PAID,
        State.NEEDS_REVIEW,
        State.NEEDS_REVIEW,
        State.NEEDS_REVIEW,
    ]
    assert sorted(alarm["key"] for alarm in alarms(stage)) == sorted(names[1:])
