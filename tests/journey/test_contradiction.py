"""The final word of the bank, where the ledger has ended that transfer meanwhile: it agrees, or somebody must know."""

import pytest

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.support.stage import Stage


def held(stage: Stage) -> str:
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    stage.worker.recorder.send_to_review(stage.record(key), "a person's")
    assert stage.state(key) is State.NEEDS_REVIEW
    return key


def newest(stage: Stage) -> str:
    return stage.events.newest(1)[0].fields["verb"]


@pytest.mark.parametrize(
    ("settled", "learnt", "is_alarm"),
    [
        (Verb.OPERATOR_NOT_PAID, Verb.INQUIRY_PAID, True),
        (Verb.OPERATOR_NOT_PAID, Verb.INQUIRY_REVERSED, True),
        (Verb.OPERATOR_NOT_PAID, Verb.INQUIRY_DECLINED, False),
        (Verb.OPERATOR_PAID, Verb.INQUIRY_PAID, False),
        (Verb.OPERATOR_PAID, Verb.INQUIRY_DECLINED, True),
        (Verb.OPERATOR_PAID, Verb.INQUIRY_REVERSED, False),
        (Verb.OPERATOR_REVERSED, Verb.INQUIRY_PAID, False),
        (Verb.OPERATOR_REVERSED, Verb.INQUIRY_REVERSED, False),
    ],
)
def test_an_inquiry_that_comes_home_after_an_operator_has_settled(
    stage: Stage,
    settled: Verb,
    learnt: Verb,
    is_alarm: bool,  # noqa: FBT001 - a table's column
) -> None:
    key = held(stage)
    asked = stage.record(key)
    stage.worker.recorder.move(asked, settled)
    ended = stage.record(key)

    stage.worker.recorder.inquiry_settled(asked, learnt, StatusReport(StatusWord.PAID, status_name="AUTH"))

    does_count = learnt is Verb.INQUIRY_REVERSED and settled is Verb.OPERATOR_PAID  # the bank gave back what is paid
    assert newest(stage) == ("contradiction" if is_alarm else learnt if does_count else settled)
    assert does_count or stage.record(key) == ended


def test_the_alarm_names_the_transfer_and_both_words(stage: Stage) -> None:
    key = held(stage)
    asked = stage.record(key)
    stage.worker.recorder.move(asked, Verb.OPERATOR_NOT_PAID)

    stage.worker.recorder.inquiry_settled(asked, Verb.INQUIRY_PAID, StatusReport(StatusWord.PAID))

    told = stage.events.newest(1)[0].fields
    assert (told["key"], told["bank_said"], told["ledger"]) == (key, "inquiry_paid", "declined")


def test_a_notified_payment_that_is_written_after_an_operators_word_is_an_alarm(stage: Stage) -> None:
    key = held(stage)
    noted = stage.record(key)
    stage.worker.recorder.move(noted, Verb.OPERATOR_NOT_PAID)

    stage.worker.recorder.notified_paid(noted, Verb.NOTIFICATION_PAID)

    assert newest(stage) == "contradiction"


@pytest.mark.parametrize("settled", [Verb.OPERATOR_NOT_PAID, Verb.OPERATOR_PAID])
def test_a_notified_decline_that_is_written_after_an_operators_word_changes_nothing(
    stage: Stage, settled: Verb
) -> None:
    """It proves nothing: so it contradicts no one."""
    key = held(stage)
    noted = stage.record(key)
    stage.worker.recorder.move(noted, settled)
    ended = stage.record(key)

    stage.worker.recorder.notified_decline(noted, "484")

    assert (newest(stage), stage.record(key)) == (settled, ended)


def test_who_has_moved_on_and_not_ended_is_no_contradiction(stage: Stage) -> None:
    """Another worker has given it back, say: it is under another epoch, and will be asked about again."""
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    asked = stage.record(key)
    stage.worker.recorder.move(asked, Verb.REQUEUE, Change(due_at=0))

    stage.worker.recorder.inquiry_settled(asked, Verb.INQUIRY_PAID, StatusReport(StatusWord.PAID))

    assert (stage.state(key), newest(stage)) == (State.QUEUED, "requeue")
