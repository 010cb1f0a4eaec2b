"""What the record says of an answer, and when the bank is asked again: a person, or the next worker, reads it."""

from dataclasses import asdict, replace

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.sandbox import Rule
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import CodeClass, Declined, Evidence, Paid, StatusReport, StatusWord, TransferOutcome
from epay_transfers.worker.preflight import Cause
from tests.journey.scenes import asked, said, says, unreachable
from tests.support.factories import NONCE
from tests.support.redis_state import empty
from tests.support.stage import Stage


def sent(stage: Stage, outcome: TransferOutcome) -> Record:
    says(stage, outcome=outcome)
    key = stage.new()
    stage.journey.execute(key)
    return stage.record(key)


def in_doubt(stage: Stage, word: StatusWord) -> str:
    """Sent, not answered; the bank says this of it."""
    key = stage.new("[drop-before]")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    says(stage, word)
    return key


def test_a_paid_one_keeps_all_that_the_bank_said(stage: Stage) -> None:
    paid = Paid("id", "reference", "int", "440563******5096", "557834******0613", "sender-id", "receiver-id")

    record = asdict(sent(stage, paid))

    said_by_bank = asdict(paid)
    said_by_bank["bank_reference"] = said_by_bank.pop("reference")
    assert record["state"] is State.PAID
    assert {name: record[name] for name in said_by_bank} == said_by_bank
    assert record["reason"] == ""


def test_a_paid_one_keeps_the_masks_that_are_known_where_the_bank_showed_none(stage: Stage) -> None:
    assert sent(stage, Paid()).receiver_card == "552204******6736"


def test_a_declined_one_keeps_its_code_and_why(stage: Stage) -> None:
    record = sent(stage, Declined("484", "Insufficient funds", CodeClass.DECLINED, bank_id="id", reference="ref"))

    assert (record.state, record.code, record.message) == (State.DECLINED, "484", "Insufficient funds")
    assert (record.reason, record.evidence) == ("declined_D", "answered")
    assert (record.bank_id, record.bank_reference) == ("id", "ref")
    assert (record.sender_card, record.receiver_card) == ("", "552204******6736"), "a decline says nothing of cards"
    assert (record.sender_card_id, record.receiver_card_id, record.int_reference) == ("", "", "")


def test_a_paid_one_forgets_why_its_last_try_was_none(stage: Stage) -> None:
    bank = stage.journey.bank
    unreachable(stage)
    key = stage.new()
    stage.journey.execute(key)
    assert stage.record(key).reason == "refused"
    stage.journey.bank = bank

    stage.later(60)

    assert (stage.state(key), stage.record(key).reason) == (State.PAID, "")


def test_a_doubt_keeps_the_code_that_made_it(stage: Stage) -> None:
    key = stage.new("[decline:454]")

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.code, record.reason) == (State.IN_DOUBT, "454", "question_code")


def test_one_that_died_keeps_its_tries_and_the_last_reason(stage: Stage) -> None:
    stage.with_rules(retry=RetryRule(attempts=2))
    unreachable(stage)
    key = stage.new()
    stage.journey.execute(key)
    stage.later(60)

    record = stage.record(key)
    assert (record.state, record.attempts, record.evidence) == (State.DEAD, 2, "not_sent")
    assert (record.reason, record.message) == ("attempts_used_up", "refused")


def test_a_try_begins_its_rings_and_its_questions_anew(stage: Stage) -> None:
    """What was asked about the last try says nothing of the next one."""
    key = stage.new()
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    fields: RecordFields = {"wakeups": 3, "inquiries": 5, "agreeing_reads": 2, "last_read": "not_found"}
    stage.worker.recorder.doubt(record, "vault_unanswered", evidence=Evidence.NOT_SENT, fields=fields)
    stage.clock.advance(6)

    stage.journey.inquire(key)

    record = stage.record(key)
    assert record.state is State.QUEUED, "its card was still there: nothing was sent, and it is queued again"
    assert (record.wakeups, record.inquiries, record.agreeing_reads, record.last_read) == (0, 0, 0, "")
    assert (record.reason, record.attempts) == ("worker_lost", 1)


def test_a_held_one_is_never_queued_again_whatever_lies_in_the_vault(stage: Stage) -> None:
    key = stage.new()
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    stage.worker.recorder.doubt(record, "vault_unanswered", evidence=Evidence.NOT_SENT)
    stage.worker.recorder.send_to_review(stage.record(key), "a person's")
    epoch = stage.record(key).epoch

    asked(stage, key, "inquire")

    assert (stage.state(key), stage.record(key).epoch) == (State.NEEDS_REVIEW, epoch)
    assert stage.sandbox.book.calls["status"] == 1


@pytest.mark.parametrize(("lasts_s", "waits_s"), [(0, 30), (10, 10), (29, 29), (31, 30), (600, 30)])
def test_a_stop_is_looked_at_again_when_it_is_over_or_after_half_a_minute(
    stage: Stage, lasts_s: int, waits_s: int
) -> None:
    """It may be opened before its time; and the rings begin anew, quietly."""
    until_ms = stage.clock.now_ms() + lasts_s * 1000 if lasts_s else 0
    stage.pauses.pause(Lane.SEND, "main", actor="ops", reason="test", until_ms=until_ms)
    stage.pauses.refresh()
    key = stage.new()
    stage.worker.recorder.move(
        stage.record(key), Verb.SCHEDULE_WAKEUP, Change(due_at=stage.clock.now_ms(), silent=True, fields={"wakeups": 2})
    )
    before = stage.record(key)

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.next_attempt_at - stage.clock.now_ms(), record.wakeups) == (waits_s * 1000, 0)
    assert (record.state, record.version, record.attempts) == (State.QUEUED, before.version, 0)


def test_a_stop_holds_nobody_beyond_the_deadline(stage: Stage) -> None:
    stage.pauses.pause(Lane.SEND, "main", actor="ops", reason="test")
    key = stage.new()
    stage.clock.advance(890)

    stage.journey.execute(key)

    assert stage.record(key).next_attempt_at == stage.record(key).deadline_at


@pytest.mark.parametrize("why", ["paused", "unfit"])
def test_nobody_is_asked_while_asking_is_stopped(stage: Stage, why: str) -> None:
    key = in_doubt(stage, StatusWord.PAID)
    if why == "paused":
        stage.pauses.pause(Lane.INQUIRE, "main", actor="ops", reason="test")
        stage.pauses.refresh()
    else:
        stage.worker.preflight.set_fit(Cause.SERVERS, is_fit=False)
    stage.clock.advance(60)

    stage.journey.inquire(key)

    assert stage.state(key) is State.IN_DOUBT


@pytest.mark.parametrize("seconds", [0, 500])
def test_the_bank_says_when_to_come_back(stage: Stage, seconds: int) -> None:
    """`Retry-After` is kept, however short our own wait would be."""
    stage.with_rules(retry=RetryRule(attempts=9, min_backoff_s=2, max_backoff_s=2))
    stage.sandbox.faults.add(Rule("token", "status", http_status=503, times=1, seconds=seconds))
    key = stage.new()

    stage.journey.execute(key)

    assert stage.record(key).next_attempt_at - stage.clock.now_ms() == max(seconds, 1) * 1000


@pytest.mark.parametrize(
    ("word", "state", "reason"),
    [
        (StatusWord.NOT_YET, State.NEEDS_REVIEW, "bank_says_not_yet"),
        (StatusWord.NOT_FOUND, State.NEEDS_REVIEW, "bank_says_not_found"),
        (StatusWord.CHALLENGE_OPEN, State.EXPIRED, "bank_status_challenge_open"),
    ],
)
def test_what_is_not_final_is_believed_at_the_third_time_after_the_horizon(
    stage: Stage, word: StatusWord, state: State, reason: str
) -> None:
    """And the questions are apart, however often somebody rings."""
    key = in_doubt(stage, word)
    stage.clock.advance(3600)

    for reads in (1, 2):
        stage.journey.inquire(key)
        asked(stage, key, "inquire")  # sooner than it has to be: no further read, and the next one keeps its time
        record = stage.record(key)
        assert (record.state, record.agreeing_reads, record.last_read) == (State.IN_DOUBT, reads, word)
        assert (record.next_attempt_at, record.requested_action, record.wakeups) == (
            stage.clock.now_ms() + 150_000,
            "",
            0,
        )
        stage.clock.advance(150)
    stage.journey.inquire(key)

    assert (stage.state(key), stage.record(key).reason) == (state, reason)


def test_a_challenge_whose_answer_was_taken_out_does_not_expire(stage: Stage) -> None:
    """The ledger went back to before the challenge came: the vault knows that a confirm may be on its way."""
    key = in_doubt(stage, StatusWord.CHALLENGE_OPEN)
    epoch = stage.record(key).epoch + 1
    stage.vault.put(Purpose.PARES, key, epoch, "sealed", 60_000)
    stage.vault.take(Purpose.PARES, key, epoch, 1, NONCE)
    stage.clock.advance(3600)

    for _ in range(3):
        stage.journey.inquire(key)
        stage.clock.advance(150)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "vault_remembers")


def test_an_order_with_a_challenge_that_the_ledger_forgot_is_not_ended_by_a_letter(stage: Stage) -> None:
    """What the bank says then contradicts its own word: only the vault remembers that there was one."""
    stage.journey.rule = replace(stage.journey.rule, not_found_letter="letter of 3 May 2026, No 17")
    key = in_doubt(stage, StatusWord.NOT_FOUND)
    epoch = stage.record(key).epoch + 1
    stage.vault.put(Purpose.PARES, key, epoch, "sealed", 60_000)
    stage.vault.take(Purpose.PARES, key, epoch, 1, NONCE)
    stage.clock.advance(3600)

    for _ in range(3):
        stage.journey.inquire(key)
        stage.clock.advance(150)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "vault_remembers")


def test_an_inquiry_that_ends_it_keeps_what_the_bank_called_it(stage: Stage) -> None:
    key = in_doubt(stage, StatusWord.NOT_YET)
    report = StatusReport(StatusWord.PAID, status_name="AUTH", bank_id="a9e1", reference="ref", code="0")

    stage.worker.recorder.inquiry_settled(stage.record(key), Verb.INQUIRY_PAID, report)

    record = stage.record(key)
    assert (record.bank_id, record.bank_reference, record.code) == ("a9e1", "ref", "0")
    assert (record.evidence, record.reason) == ("answered", "bank_status_AUTH")


@pytest.mark.parametrize(
    ("word", "asks", "next_s"), [(StatusWord.NOT_YET, [1, 2, 3, 4], 900), (StatusWord.UNANSWERED, [0, 0, 0, 0], 60)]
)
def test_the_ladder_is_climbed_by_answers_and_not_by_silence(
    stage: Stage, word: StatusWord, asks: list[int], next_s: int
) -> None:
    """Silence has a ladder of its own, and a lower one."""
    key, seen = in_doubt(stage, word), []

    for _ in range(4):
        stage.clock.advance((stage.record(key).next_attempt_at - stage.clock.now_ms()) / 1000)
        stage.journey.inquire(key)
        seen.append(stage.record(key).inquiries)

    assert seen == asks
    assert stage.record(key).next_attempt_at == stage.clock.now_ms() + next_s * 1000


def test_an_answer_that_differs_begins_the_count_anew(stage: Stage) -> None:
    key = in_doubt(stage, StatusWord.NOT_FOUND)
    stage.clock.advance(3600)
    counted = []

    for word in (StatusWord.NOT_FOUND, StatusWord.CHALLENGE_OPEN, StatusWord.UNANSWERED, StatusWord.CHALLENGE_OPEN):
        says(stage, word)
        stage.clock.advance(150)
        stage.journey.inquire(key)
        counted.append((stage.record(key).agreeing_reads, stage.record(key).last_read))

    assert counted == [(1, "not_found"), (1, "challenge_open"), (1, "challenge_open"), (2, "challenge_open")]
    assert stage.state(key) is State.IN_DOUBT


def test_a_dead_one_whose_card_did_not_open_is_not_ended_by_a_requeue(stage: Stage) -> None:
    """Only a discard ends it; a requeue finds no card."""
    key = stage.new()
    empty(stage.vault.client)
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    stage.worker.recorder.fail(record, "card_unreadable")

    asked(stage, key, "requeue")

    assert (stage.state(key), said(stage)) == (State.DEAD, "its card is gone: pay it under a new reference")


def test_a_ring_at_the_very_deadline_ends_it(stage: Stage) -> None:
    """It expires, and nothing is sent."""
    key = stage.new()
    stage.clock.advance(900)

    stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).reason) == (State.EXPIRED, "deadline")
    assert [event.fields["verb"] for event in stage.events.newest(1)] == [Verb.EXPIRE]


def test_a_dead_transfer_says_when_it_is_looked_at_next(stage: Stage) -> None:
    """The sweeper looks at it once a day: that time stands in the record, not in `due` alone."""
    key = stage.new()
    stage.worker.recorder.fail(stage.record(key), "attempts_used_up", verb=Verb.FAIL_QUEUED)
    stage.later(86_401)

    assert stage.record(key).next_attempt_at > stage.clock.now_ms()
