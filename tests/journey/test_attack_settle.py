"""Attacks on settling by hand: what pays twice, what hides what the bank says, and whose answer a command hears."""

from dataclasses import replace

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Inboxes, Kind
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.journey.test_decisions import (
    AIGUL,
    AUTH,
    BOLAT,
    CHEN,
    DAY_S,
    GIVEN_BACK,
    NOT_FOUND,
    PAID,
    SILENT,
    Counting,
    alarms,
    answer_to,
    answers_to,
    bank_says,
    decide,
    ended,
    in_review,
    is_contradicted_until_the_bank_agrees,
    put,
    settled_by_hand,
    swept,
)
from tests.support.stage import Stage

PROCESSING = StatusReport(StatusWord.NOT_YET, status_name="NEW")


def without_done(stage: Stage) -> None:
    """A worker reads the inboxes, and dies before it says that it dealt with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inboxes, "done", lambda *_: None)
        stage.worker.inbox.run_once()


def notified_as_paid(stage: Stage, key: str) -> None:
    """The bank's proved notification stands in the record, and no inquiry has come yet."""
    record = stage.record(key)
    change = Change(fields={"notification": f"{record.epoch}:0"})
    assert isinstance(stage.ledger.move(record, Verb.KEEP_NOTIFICATION, change, actor="web"), Moved)


# Money twice.


@pytest.mark.parametrize(
    ("report", "state"), [(PAID, State.PAID), (AUTH, State.IN_DOUBT), (GIVEN_BACK, State.REVERSED)]
)
def test_what_waits_to_be_sent_is_not_sent_once_the_bank_says_that_it_has_it(
    stage: Stage, report: StatusReport, state: State
) -> None:
    """An operator asks about a queued one: the bank has moved or holds the money, so a send is a second payment."""
    key = stage.new()
    sandbox = stage.journey.bank
    bank_says(stage, report)

    put(stage, AIGUL, Kind.ASK, {"key": key})
    stage.journey.bank = sandbox
    stage.journey.execute(key)

    assert stage.state(key) is state
    assert "claim" not in [told.fields["verb"] for told in stage.events.newest(100)]
    assert len(alarms(stage)) == 1


# What the bank has proved, and two undo.


def test_what_the_bank_has_confirmed_is_not_called_unpaid_while_it_is_silent(stage: Stage) -> None:
    """Two said paid, and the bank agreed a day later: from then on it is paid by the bank's word."""
    key = settled_by_hand(stage, Verb.OPERATOR_PAID)
    bank_says(stage, PAID)
    stage.clock.advance(DAY_S)
    swept(stage)
    bank_says(stage, SILENT)
    stage.clock.advance(DAY_S)
    swept(stage)

    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, Verb.CORRECT_NOT_PAID)

    assert stage.state(key) is State.PAID


def test_what_a_correction_calls_paid_keeps_no_code_of_a_decline(stage: Stage) -> None:
    """A producer reads the receipt: paid, and beside it why the bank declined, and when to try again."""
    key = ended(stage, Verb.DECLINE)
    assert stage.record(key).code
    bank_says(stage, SILENT)

    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, Verb.CORRECT_PAID)

    record = stage.record(key)
    assert (record.state, record.code, record.message, record.not_before_at) == (State.PAID, "", "", 0)


# A contradiction that is missed, hidden, or never over.


def test_money_that_the_bank_holds_contradicts_that_it_was_given_back(stage: Stage) -> None:
    """Two said that it was given back, so its producer may pay again: the bank still holds it."""
    key = settled_by_hand(stage, Verb.OPERATOR_REVERSED)
    bank_says(stage, AUTH)
    stage.clock.advance(DAY_S)
    swept(stage)

    assert key in stage.ledger.contradictions()


def test_a_decline_that_the_bank_is_still_at_is_asked_about_again(stage: Stage) -> None:
    """The one question meets a word that says neither: the execution shows two hours later."""
    key = ended(stage, Verb.DECLINE)
    bank_says(stage, PROCESSING)
    stage.clock.advance(3_700)
    swept(stage)
    bank_says(stage, PAID)
    for _ in range(3):
        stage.clock.advance(3_700)
        swept(stage)

    assert key in stage.ledger.contradictions()


def test_a_bank_that_is_at_it_for_ever_is_not_asked_for_ever(stage: Stage) -> None:
    key = ended(stage, Verb.DECLINE)
    bank = Counting(PROCESSING)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge

    for _ in range(24 * 10):
        stage.clock.advance(3_600)
        swept(stage)

    assert bank.calls <= 24 * 8 + 1
    assert stage.record(key).watch_at == 0


def test_a_contradiction_of_a_cancelled_one_ends_with_the_banks_word_that_agrees(stage: Stage) -> None:
    """No correction leads from cancelled to not paid: so the bank's word alone can end it, and did not."""
    key = stage.new()
    put(stage, AIGUL, Kind.CANCEL, {"key": key})
    assert stage.state(key) is State.CANCELLED

    is_contradicted_until_the_bank_agrees(stage, key)


def test_an_answer_that_comes_after_a_correction_contradicts_nothing(stage: Stage) -> None:
    """A worker asked before it was corrected, and hears the bank's word after: that word agrees by now."""
    key = settled_by_hand(stage, Verb.OPERATOR_NOT_PAID)
    before = stage.record(key)
    bank_says(stage, PAID)
    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, Verb.CORRECT_PAID)
    assert stage.state(key) is State.PAID
    told = len(alarms(stage))

    stage.worker.journey.questions.answered(before, PAID)

    assert (stage.ledger.contradictions(), len(alarms(stage))) == ({}, told)


def test_what_two_end_against_a_notification_of_the_payment_is_a_contradiction(stage: Stage) -> None:
    """The record forgets the notification as it ends: so nothing said that the bank had notified of a payment."""
    key = in_review(stage)
    notified_as_paid(stage, key)
    bank_says(stage, SILENT)

    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, Verb.OPERATOR_NOT_PAID)

    assert stage.state(key) is State.DECLINED
    assert key in stage.ledger.contradictions()
    assert len(alarms(stage)) == 1


def test_a_question_finds_the_notification_where_the_bank_can_not_be_asked(stage: Stage) -> None:
    """The bank's proved notification is its word there: two settled it as not paid, since the question came first."""
    stage.without_status()
    key = in_review(stage)
    notified_as_paid(stage, key)

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID))

    assert stage.state(key) is State.PAID
    assert (told["verb"], stage.record(key).question_id) == ("notification_paid", "")


# One person.


def test_one_stolen_password_ends_nothing_that_needs_two(stage: Stage) -> None:
    """A thief writes what it likes into its own inbox: names, labels, and the ids of another operator's entries."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    asked = put(stage, BOLAT, Kind.ASK, {"key": key})
    taken_back = decide(stage, BOLAT, key, Verb.OPERATOR_NOT_PAID)
    put(stage, BOLAT, Kind.TAKE_BACK, {"key": key})

    inboxes = Inboxes(stage.ledger.client, stage.clock)
    for entry_id in (asked, taken_back, "", asked, taken_back):
        record = stage.record(key)
        forged = {"by": "bolat", "operator": "bolat", "actor": "operator bolat", "label": "bolat", "sender": BOLAT}
        what = {"key": key, "verb": "operator_not_paid", "proof": "x", "why": "x", "version": str(record.version)}
        seen = {"state": record.state.value, "since": str(record.state_since), "at": str(stage.clock.now_ms())}
        inboxes.put(AIGUL, Kind.SETTLE, what | forged | seen, entry_id)
        stage.worker.inbox.run_once()
        stage.journey.inquire(key)

    assert stage.state(key) is State.NEEDS_REVIEW
    assert {each.by for each in decisions.read(stage.record(key).decisions)} == {"aigul"}


# Decisions lost, taken up late, or done twice.


def test_a_take_back_that_comes_again_takes_no_later_decision_back(stage: Stage) -> None:
    """Its worker died before it said that it was done; meanwhile the operator decided anew."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID)
    Inboxes(stage.ledger.client, stage.clock).put(AIGUL, Kind.TAKE_BACK, {"key": key, "why": "w"})
    without_done(stage)
    assert stage.record(key).decisions == ""
    decide(stage, AIGUL, key, Verb.OPERATOR_PAID)

    stage.clock.advance(60)
    stage.worker.inbox.run_once()

    assert [each.what for each in decisions.read(stage.record(key).decisions)] == ["operator_paid"]


@pytest.mark.parametrize("later", [Verb.OPERATOR_PAID, None])
def test_a_decision_of_a_plan_that_comes_again_undoes_no_later_one(stage: Stage, later: Verb | None) -> None:
    """An entry of a plan names no version: its operator changed the decision, or took it back, before it came again."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    record = stage.record(key)
    Inboxes(stage.ledger.client, stage.clock).put(
        AIGUL,
        Kind.SETTLE,
        {"key": key, "verb": "operator_not_paid", "proof": "p", "why": "w"}
        | {"state": record.state.value, "since": str(record.state_since)},
    )
    without_done(stage)
    stage.journey.inquire(key)
    if later:
        decide(stage, AIGUL, key, later)
    else:
        put(stage, AIGUL, Kind.TAKE_BACK, {"key": key})

    stage.clock.advance(60)
    stage.worker.inbox.run_once()

    kept = [each.what for each in decisions.read(stage.record(key).decisions)]
    assert kept == ([later.value] if later else [])


def test_an_old_decision_does_not_count_and_blocks_no_newer_one(stage: Stage) -> None:
    """Its operator may have left, and may have known less: a second one is needed who decides now."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID)
    stage.clock.advance(4 * DAY_S)

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.OPERATOR_NOT_PAID))
    assert (stage.state(key), told["second"], told["by"]) == (State.NEEDS_REVIEW, "needed", "bolat")

    stage.clock.advance(4 * DAY_S)
    told = answer_to(stage, decide(stage, CHEN, key, Verb.OPERATOR_PAID))
    assert (told["verb"], told["second"]) == ("answer", "needed")


def test_a_worker_that_slept_calls_no_decision_refused_that_another_kept(stage: Stage) -> None:
    """Its lease of the entry was over: the operator would read that nothing was changed."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    inboxes = Inboxes(stage.ledger.client, stage.clock)
    fields = {"key": key, "verb": "operator_paid", "proof": "p", "version": str(stage.record(key).version), "why": "w"}
    entry_id = inboxes.put(AIGUL, Kind.SETTLE, fields)
    (entry,) = inboxes.take(10)
    stale = stage.record(key)
    stage.worker.inbox._decide(entry, stale)  # the other worker, which took it after the lease

    stage.worker.inbox._decide(replace(entry, is_again=False), stale)  # and this one wakes up

    assert [told["verb"] for told in answers_to(stage, entry_id)] == ["decide"]


# Whose answer it is.


def test_the_answer_to_ones_question_is_none_to_anothers_request(stage: Stage) -> None:
    """A requeue waits, and another operator asks the bank: the first command heard the answer, with status 0."""
    key = in_review(stage)
    bank_says(stage, NOT_FOUND)
    inboxes = Inboxes(stage.ledger.client, stage.clock)
    requested = inboxes.put(AIGUL, Kind.REQUEST, {"key": key, "what": "inquire", "why": "w"})
    stage.worker.inbox.run_once()

    put(stage, BOLAT, Kind.ASK, {"key": key})

    assert "answer" not in [told["verb"] for told in answers_to(stage, requested)]
    stage.journey.inquire(key)
    assert answer_to(stage, requested)["verb"] == "inquiry_inconclusive"
