"""The journey of one transfer, against the sandbox: what the ledger says at the end is what the bank's books say."""

from dataclasses import replace

import pytest

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.pauses import ALL, Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.sandbox import Rule
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import Paid
from tests.support.pausing import end_pauses
from tests.support.redis_state import empty
from tests.support.stage import Stage


def test_a_payout_from_a_saved_card_is_paid_once(stage: Stage) -> None:
    """The plain case: paid, with the bank's references, and the card gone from the vault."""
    key = stage.new()

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, stage.executions(key)) == (State.PAID, 1)
    assert record.bank_reference
    assert record.code == "0"


def test_a_second_ring_does_nothing(stage: Stage) -> None:
    """A doubled message finds the transfer where the ledger has it."""
    key = stage.new()

    for _ in range(3):
        stage.run(key)

    assert stage.executions(key) == 1


@pytest.mark.parametrize("form", ["3ds", "3ds-nested", "3ds-status"])
def test_three_d_secure_is_parked_and_confirmed(stage: Stage, form: str) -> None:
    """Each of the three forms of a challenge parks; the confirm pays."""
    key = stage.new(f"[{form}]")
    stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.PARKED, 0)

    stage.answer_challenge(key)
    stage.journey.confirm(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)
    assert stage.ledger.challenge(stage.record(key)) is None


def test_a_wrong_password_declines(stage: Stage) -> None:
    """The bank declines a confirm of a client who failed its page."""
    key = stage.new("[3ds]")
    stage.journey.execute(key)

    stage.answer_challenge(key, password="wrong")
    stage.journey.confirm(key)

    assert (stage.state(key), stage.executions(key)) == (State.DECLINED, 0)


def test_a_decline_is_final_and_says_its_code(stage: Stage) -> None:
    """A code of class D ends the transfer, with the bank's own words."""
    key = stage.new("[decline:484]")

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.code) == (State.DECLINED, "484")


def test_a_code_that_is_not_final_is_asked_about(stage: Stage) -> None:
    """Class Q is doubt; the inquiry finds the truth."""
    key = stage.new("[code:454]")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT

    stage.later(6)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_the_log_says_why_a_transfer_waits(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A bank, or a sandbox, that does not run is what a newcomer meets first."""
    stage.sandbox.faults.add(Rule("token", "status", "before", times=1, http_status=503))
    with caplog.at_level("INFO"):
        stage.journey.execute(stage.new())

    (defer,) = [record for record in caplog.records if record.getMessage() == "transfer.defer"]
    assert vars(defer)["reason"] == "token_http_503"


def test_a_token_that_fails_is_asked_for_again_later(stage: Stage) -> None:
    """Nothing was at stake: back-off by the ledger's `due`, then paid."""
    stage.sandbox.faults.add(Rule("token", "status", "before", times=2, http_status=503))
    key = stage.new()
    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).attempts) == (State.QUEUED, 1)

    stage.later(2)
    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_tries_that_are_used_up_end_in_the_dead_letters(stage: Stage) -> None:
    """Proved not sent, and nobody tries any more: dead, in `due` for a reminder."""
    stage.sandbox.faults.add(Rule("token", "drop", "before"))
    key = stage.new()

    for _ in range(6):
        stage.later(65)

    record = stage.record(key)
    assert (record.state, record.reason, stage.executions(key)) == (State.DEAD, "attempts_used_up", 0)


def test_a_dead_transfer_is_requeued_after_the_bank_was_asked(stage: Stage) -> None:
    """An operator's requeue: the bank says "not found", and the same card pays."""
    stage.with_rules(retry=RetryRule(attempts=1))
    stage.sandbox.faults.add(Rule("token", "status", "before", times=1))
    key = stage.new()
    stage.journey.execute(key)
    assert stage.state(key) is State.DEAD

    asked: RecordFields = {"requested_action": "requeue"}
    stage.ledger.move(stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields=asked), actor="ops")
    stage.settle_down()

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_requeue_is_refused_where_the_bank_says_nothing(stage: Stage) -> None:
    """No answer is no "not found": the transfer stays dead, and the event says why."""
    stage.with_rules(retry=RetryRule(attempts=1))
    stage.sandbox.faults.add(Rule("token", "status", "before", times=1))
    key = stage.new()
    stage.journey.execute(key)
    stage.sandbox.faults.add(Rule("status", "drop", "before"))

    asked: RecordFields = {"requested_action": "requeue"}
    stage.ledger.move(stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields=asked), actor="ops")
    stage.settle_down()

    assert stage.state(key) is State.DEAD
    assert "unanswered" in stage.events.newest(1)[0].fields["why"]


@pytest.mark.parametrize(
    "fault", ["drop-after", "reset-after", "500-after", "garbage-after", "html", "truncate", "hang-after:30"]
)
def test_an_answer_that_was_lost_is_found_by_asking(stage: Stage, fault: str) -> None:
    """The bank executed and did not answer: never sent again, and the inquiry says paid."""
    if fault.startswith("hang"):
        stage.impatient()
    key = stage.new(f"[{fault}]")
    stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.IN_DOUBT, 1)

    stage.later(6)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


@pytest.mark.parametrize("fault", ["drop-before", "500-before", "garbage-before"])
def test_not_found_is_believed_only_after_the_horizon(stage: Stage, fault: str) -> None:
    """The request left, the bank has nothing: a day of asking, then a person; never sent again by itself."""
    key = stage.new(f"[{fault}]")
    stage.journey.execute(key)

    for _ in range(10):
        stage.later(300)
        assert stage.state(key) is State.IN_DOUBT
    for _ in range(5):
        stage.later(3600)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.NEEDS_REVIEW, "bank_says_not_found")
    assert stage.executions(key) == 0


def by_letter(stage: Stage, key: str) -> None:
    """The bank has said in writing that "not found" is final, and is asked until the row of reads is complete."""
    stage.journey.rule = replace(stage.journey.rule, not_found_letter="letter of 3 May 2026, No 17")
    for _ in range(20):
        stage.later(900)


def test_by_the_banks_letter_not_found_is_final_after_the_horizon(stage: Stage) -> None:
    """It is declined, the event names the letter, and the bank is asked daily for a week whether that is so."""
    key = stage.new("[drop-before]")
    stage.journey.execute(key)
    stage.later(3_000)
    assert stage.state(key) is State.IN_DOUBT

    by_letter(stage, key)

    record = stage.record(key)
    assert (record.state, record.reason, record.watches) == (State.DECLINED, "not_found_is_final", 7)
    told = next(event.fields for event in stage.events.newest(50) if event.fields.get("state") == "declined")
    assert (told["proof"], told["bank_said"]) == ("letter of 3 May 2026, No 17", "not_found")


@pytest.mark.parametrize("answer", ["[wrong-amount][false-not-found:1000]", "[500-before]"])
def test_what_the_bank_has_answered_does_not_end_by_not_found(stage: Stage, answer: str) -> None:
    """An answer for another amount named the order; an HTTP 500 may hide one that was executed. A person looks."""
    key = stage.new(answer)
    stage.journey.execute(key)
    assert stage.record(key).evidence == "answered"

    by_letter(stage, key)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def test_an_answer_for_another_amount_is_doubt(stage: Stage) -> None:
    """A success that names another amount is not a success."""
    key = stage.new("[wrong-amount]")

    stage.journey.execute(key)

    assert stage.state(key) is State.IN_DOUBT


def test_without_a_status_address_doubt_is_an_operators(stage: Stage) -> None:
    """Nobody can be asked: held at once, with its reason."""
    stage.without_status()
    key = stage.new("[drop-after]")
    stage.journey.execute(key)

    stage.later(1)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "no_status_address")


def test_a_worker_that_died_before_the_card_was_taken_is_proved_unsent(stage: Stage) -> None:
    """Claimed, and dead: the card still lies in the vault, so it is queued again, once."""
    key = stage.new()
    stage.worker.preflight.claim(stage.record(key), Lane.SEND)

    stage.later(61)
    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)
    assert stage.record(key).attempts == 1


def test_a_worker_that_died_with_the_card_leaves_doubt(stage: Stage) -> None:
    """Claimed, taken, and dead: nobody knows, so the bank is asked, and the card is not there to send again."""
    key = stage.new()
    record = stage.record(key)
    claim = stage.worker.preflight.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    stage.vault.take(Purpose.CARD, key, record.epoch, claim.sequence, claim.claim_nonce)

    stage.later(61)
    assert stage.state(key) is State.IN_DOUBT
    for _ in range(12):
        stage.later(3600)

    assert (stage.state(key), stage.executions(key)) == (State.NEEDS_REVIEW, 0)


def test_a_deadline_that_passes_ends_it_unsent(stage: Stage) -> None:
    """Expired, and its card is gone from the vault."""
    stage.pauses.pause(Lane.SEND, ALL, actor="ops", reason="test")
    key = stage.new()
    stage.journey.execute(key)

    stage.later(901)

    assert (stage.state(key), stage.executions(key)) == (State.EXPIRED, 0)
    stage.journey.execute(key)
    assert stage.executions(key) == 0


def test_a_challenge_that_nobody_answers_expires_after_the_bank_was_asked(stage: Stage) -> None:
    """Parked past its time: the bank says that the challenge is open or failed, and no money moves."""
    key = stage.new("[3ds]")
    stage.journey.execute(key)

    stage.later(901)

    assert stage.state(key) in {State.EXPIRED, State.DECLINED}
    assert stage.sandbox.book.calls["status"] == 1


def test_a_confirm_whose_answer_was_lost_is_asked_about(stage: Stage) -> None:
    """A confirm is never sent again."""
    key = stage.new("[3ds][confirm-drop-after]")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    stage.journey.confirm(key)
    assert (stage.state(key), stage.executions(key)) == (State.IN_DOUBT, 1)

    stage.later(6)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_paused_lane_burns_no_attempt(stage: Stage) -> None:
    """Paused, waited for, opened, paid."""
    stage.pauses.pause(Lane.SEND, "main", actor="ops", reason="test")
    key = stage.new()
    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).attempts) == (State.QUEUED, 0)

    end_pauses(stage.pauses, Lane.SEND, "main")
    stage.later(31)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_three_set_up_codes_in_a_row_stop_the_terminal(stage: Stage) -> None:
    """Class C is declined, tells ops, and three in a row stop the send lane."""
    for _ in range(3):
        stage.journey.execute(stage.new("[decline:464]"))

    assert [(stop.lane, stop.terminal) for stop in stage.pauses.standing()] == [(Lane.SEND, "main")]


def test_a_transfer_whose_card_never_came_is_not_sent_and_expires(stage: Stage) -> None:
    """The producer died between the ledger and the vault: the sweeper's ring looks first, and claims nothing."""
    key = stage.new(cards=None)

    for _ in range(5):
        stage.later(60)
        assert stage.state(key) is State.QUEUED
    stage.later(901)

    assert (stage.state(key), stage.executions(key)) == (State.EXPIRED, 0)


def test_a_vault_that_forgot_is_doubt_and_then_a_lost_card(stage: Stage) -> None:
    """Nothing there is never a proof: the bank is asked until the horizon, and then the card is known to be lost."""
    stage.clock.advance(4)  # put in since the worker began: so no worker looks for it before it is claimed
    key = stage.new()
    empty(stage.vault.client)
    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "vault_nothing")

    for _ in range(12):
        stage.later(3600)

    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_lost")


def test_a_late_answer_counts(stage: Stage) -> None:
    """The lease was over, doubt was recorded, and then the worker came home with the bank's yes."""
    key = stage.new()
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    empty(stage.vault.client)
    stage.later(61)
    assert stage.state(key) is State.IN_DOUBT

    stage.worker.recorder.final_answer(record, Verb.PAY, {"code": Paid().code})

    assert stage.state(key) is State.PAID


def test_a_dead_transfer_whose_card_did_not_open_can_be_discarded(stage: Stage) -> None:
    """Its tombstone is of the worker that could not open it: nothing was sent, and a discard ends it."""
    key = stage.new(cards=None)
    record = stage.record(key)
    stage.vault.put(Purpose.CARD, key, record.epoch, "1.00000000.torn", 900_000)
    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_unreadable")

    asked: RecordFields = {"requested_action": "discard"}
    stage.worker.recorder.move(stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields=asked))
    stage.settle_down()

    assert (stage.state(key), stage.executions(key)) == (State.CANCELLED, 0)


def test_what_a_worker_knows_it_sent_is_never_called_a_lost_card(stage: Stage) -> None:
    """The bank answered 5xx, the vault forgot, and the bank says "not found" for long: a person's case, not `dead`."""
    key = stage.new("[500-before]")
    stage.journey.execute(key)
    empty(stage.vault.client)

    for _ in range(12):
        stage.later(3600)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def test_a_ledger_that_went_back_stops_all_sending(stage: Stage) -> None:
    """Its sequence is lower than a reply said before: the next claim is refused, and the lanes say why."""
    first, second = stage.new(), stage.new()
    stage.journey.execute(first)
    stage.ledger.client.hset("transfers:{t}:counters", "sequence", "1")

    stage.worker.recorder.move(
        stage.record(second), Verb.SCHEDULE_WAKEUP, Change(due_at=stage.clock.now_ms(), silent=True)
    )
    stage.journey.execute(second)

    assert (stage.state(second), stage.executions(second)) == (State.QUEUED, 0)
    assert {stop.lane for stop in stage.pauses.standing()} == {Lane.SEND, Lane.CONFIRM}
