"""What operators decide about an end: the bank is asked in that moment, and where it does not agree, two are needed."""

from collections.abc import Mapping

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.journey import scenes
from tests.support.stage import Stage

AIGUL, BOLAT, CHEN = (operator(name) for name in ("aigul", "bolat", "chen"))
DAY_S = 86_400

SILENT, NOT_FOUND = StatusReport(StatusWord.UNANSWERED, why="timeout"), StatusReport(StatusWord.NOT_FOUND)
AUTH = StatusReport(StatusWord.NOT_YET, status_name="AUTH")
PAID = StatusReport(StatusWord.PAID, status_name="CHARGE")
NOT_PAID = StatusReport(StatusWord.NOT_PAID, status_name="FAILED")
GIVEN_BACK = StatusReport(StatusWord.GIVEN_BACK, status_name="REFUND")

#: What does not settle a transfer: the bank is silent, has no such order, or says what is no end.
UNSETTLING = [SILENT, NOT_FOUND, AUTH, StatusReport(StatusWord.CHALLENGE_OPEN)]


def bank_says(stage: Stage, report: StatusReport) -> None:
    stage.journey.bank = scenes.Saying(report)  # type: ignore[assignment]  # the edge: what the journey asks of it is there


def put(stage: Stage, sender: str, kind: Kind, fields: Mapping[str, str]) -> str:
    """Into the operator's inbox, a worker reads it, and the wake-up that it sends is heeded; the entry's id."""
    entry_id = Inboxes(stage.ledger.client, stage.clock).put(sender, kind, {"why": "a test", **fields})
    stage.worker.inbox.run_once()
    if key := fields.get("key"):
        stage.journey.inquire(key)
    return entry_id


def decide(stage: Stage, sender: str, key: str, verb: Verb, **more: str) -> str:
    """As the operator sees it now."""
    fields = {"key": key, "verb": verb.value, "proof": "a letter", "version": str(stage.record(key).version)}
    return put(stage, sender, Kind.SETTLE, fields | more)


def answers_to(stage: Stage, entry_id: str) -> list[dict[str, str]]:
    return [told.fields for told in stage.events.newest(100) if entry_id in told.fields.get("request", "").split()]


def answer_to(stage: Stage, entry_id: str) -> dict[str, str]:
    return answers_to(stage, entry_id)[-1]


def in_review(stage: Stage) -> str:
    key = stage.new("[drop-after] Payout")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    change = Change(look_again_in=DAY_S * 1000, fields={"reason": "bank_says_not_found"})
    stage.worker.recorder.move(stage.record(key), Verb.SEND_TO_REVIEW, change)
    return key


def ended(stage: Stage, verb: Verb) -> str:
    """By the bank's own word to a worker."""
    key = stage.new("Payout" if verb is Verb.PAY else "[decline:484] Payout")
    stage.journey.execute(key)
    assert stage.state(key).final
    return key


def settled_by_hand(stage: Stage, verb: Verb, report: StatusReport = SILENT) -> str:
    key = in_review(stage)
    bank_says(stage, report)
    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, verb)
    return key


def alarms(stage: Stage) -> list[dict[str, str]]:
    return [told.fields for told in stage.events.newest(200) if told.fields.get("verb") == "contradiction"]


# Settling.


@pytest.mark.parametrize("verb", [Verb.OPERATOR_PAID, Verb.OPERATOR_NOT_PAID, Verb.OPERATOR_REVERSED])
@pytest.mark.parametrize(
    ("report", "settled", "state"),
    [
        (PAID, Verb.INQUIRY_PAID, State.PAID),
        (NOT_PAID, Verb.INQUIRY_DECLINED, State.DECLINED),
        (GIVEN_BACK, Verb.INQUIRY_REVERSED, State.REVERSED),
    ],
)
def test_the_banks_own_word_settles_whatever_the_operator_said(
    stage: Stage, verb: Verb, report: StatusReport, settled: Verb, state: State
) -> None:
    """The operator is told what the bank said, and the record keeps both."""
    key = in_review(stage)
    bank_says(stage, report)

    told = answer_to(stage, decide(stage, AIGUL, key, verb))

    assert (stage.state(key), told["verb"], told["bank_said"]) == (
        state,
        settled,
        f"{report.word} {report.status_name}",
    )
    (kept,) = decisions.read(stage.record(key).decisions)
    assert (kept.what, kept.by, kept.why, kept.proof) == (verb, "aigul", "a test", "a letter")
    assert stage.record(key).reason == f"bank_status_{report.status_name}"
    assert stage.record(key).question_id == ""


@pytest.mark.parametrize("report", UNSETTLING)
def test_one_operator_settles_nothing_where_the_bank_does_not_agree(stage: Stage, report: StatusReport) -> None:
    """`settle --not-paid` against the bank's own AUTH was paid twice once, under a new reference."""
    key = in_review(stage)
    bank_says(stage, report)

    first = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID))
    again = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID))

    for told in (first, again):
        assert (told["verb"], told["second"], told["decided"], told["by"]) == ("answer", "needed", "not_paid", "aigul")
        assert told["bank_said"].startswith(report.word)
    assert stage.state(key) is State.NEEDS_REVIEW
    assert len(decisions.read(stage.record(key).decisions)) == 1


@pytest.mark.parametrize("report", UNSETTLING)
@pytest.mark.parametrize(
    ("verb", "state"),
    [
        (Verb.OPERATOR_PAID, State.PAID),
        (Verb.OPERATOR_NOT_PAID, State.DECLINED),
        (Verb.OPERATOR_REVERSED, State.REVERSED),
    ],
)
def test_two_operators_settle_it_after_one_more_question_to_the_bank(
    stage: Stage, verb: Verb, state: State, report: StatusReport
) -> None:
    """Both names are in the event, and who, why and with what proof stay in the record."""
    key = in_review(stage)
    bank_says(stage, report)
    decide(stage, AIGUL, key, verb)

    told = answer_to(stage, decide(stage, BOLAT, key, verb, why="I have seen it too", proof="line 17"))

    assert (stage.state(key), told["verb"]) == (state, verb)
    assert told["actor"] == "operators aigul and bolat"
    assert (told["why"], told["proof"]) == ("a test / I have seen it too", "a letter / line 17")
    assert told["bank_said"].startswith(report.word)
    kept = decisions.read(stage.record(key).decisions)
    assert [(each.by, each.proof) for each in kept] == [("aigul", "a letter"), ("bolat", "line 17")]
    assert stage.record(key).reason == "settled_by_operator"


def test_the_bank_that_finds_its_voice_before_the_second_decides_it(stage: Stage) -> None:
    """Two people may err: the bank is asked again, and its word settles."""
    key = in_review(stage)
    bank_says(stage, NOT_FOUND)
    decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID)
    bank_says(stage, PAID)

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.OPERATOR_NOT_PAID))

    assert (stage.state(key), told["verb"]) == (State.PAID, "inquiry_paid")


def test_a_decision_that_disagrees_with_one_that_stands_is_refused_and_names_it(stage: Stage) -> None:
    key = in_review(stage)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID, why="the bank told me")
    before = stage.record(key)

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.OPERATOR_PAID))

    assert told["verb"] == "request_refused"
    assert "aigul decided not_paid" in told["why"]
    assert "the bank told me" in told["why"]
    assert stage.record(key) == before


def test_its_own_operator_takes_a_decision_back_and_no_other_does(stage: Stage) -> None:
    key = in_review(stage)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, Verb.OPERATOR_NOT_PAID)

    refused = answer_to(stage, put(stage, BOLAT, Kind.TAKE_BACK, {"key": key}))
    assert (refused["verb"], len(decisions.read(stage.record(key).decisions))) == ("request_refused", 1)

    told = answer_to(stage, put(stage, AIGUL, Kind.TAKE_BACK, {"key": key}))
    assert (told["verb"], told["actor"], stage.record(key).decisions) == ("take_back", "operator aigul", "")

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.OPERATOR_PAID))
    assert (told["second"], stage.state(key)) == ("needed", State.NEEDS_REVIEW)


def test_a_decision_stands_no_more_once_the_transfer_has_moved_on(stage: Stage) -> None:
    """What was decided about one doubt is none of another: here the bank's word came first."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, Verb.OPERATOR_REVERSED)
    stage.worker.recorder.inquiry_settled(stage.record(key), Verb.INQUIRY_PAID, PAID)

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.OPERATOR_REVERSED))

    assert (told["second"], told["by"], stage.state(key)) == ("needed", "bolat", State.PAID)


def test_a_worker_that_dies_after_it_kept_the_decision_loses_nothing(stage: Stage) -> None:
    """The question stands in the record: the sweeper calls a worker, though the wake-up was lost."""
    key = in_review(stage)
    bank_says(stage, SILENT)
    inboxes = Inboxes(stage.ledger.client, stage.clock)
    fields = {"key": key, "verb": "operator_paid", "proof": "p", "version": str(stage.record(key).version), "why": "w"}
    entry_id = inboxes.put(AIGUL, Kind.SETTLE, fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inboxes, "done", lambda *_: None)
        stage.worker.inbox.run_once()
    stage.worker.broker.client.flushdb()
    stage.clock.advance(60)
    stage.worker.inbox.run_once()  # the entry comes again, and says nothing new
    assert [told["verb"] for told in answers_to(stage, entry_id)] == ["decide"]

    stage.sweeper.run_once()
    assert stage.worker.broker.client.llen("{transfers}:inquiries") == 1
    stage.journey.inquire(key)

    assert answer_to(stage, entry_id)["second"] == "needed"
    assert stage.ledger.client.zcard(redis_keys.WATCHED) == 0


def test_a_bank_that_can_not_be_asked_needs_two(stage: Stage) -> None:
    stage.without_status()
    key = in_review(stage)

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_PAID))
    assert (told["second"], told["bank_said"]) == ("needed", "unanswered no_status_address")
    decide(stage, BOLAT, key, Verb.OPERATOR_PAID)

    assert stage.state(key) is State.PAID


def test_a_word_of_the_bank_that_is_not_believed_needs_two(stage: Stage) -> None:
    """It names another transfer's id: that settles nothing, and the operator hears so."""
    other, key = ended(stage, Verb.PAY), in_review(stage)
    bank_says(stage, StatusReport(StatusWord.PAID, status_name="CHARGE", bank_id=stage.record(other).bank_id))

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_PAID))

    assert (told["verb"], told["second"], stage.state(key)) == ("answer", "needed", State.NEEDS_REVIEW)


# A paid one that was given back.


def test_the_banks_refund_alone_says_that_a_paid_one_was_given_back(stage: Stage) -> None:
    key = ended(stage, Verb.PAY)
    bank_says(stage, GIVEN_BACK)

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_REVERSED))

    assert (stage.state(key), told["verb"]) == (State.REVERSED, "inquiry_reversed")


@pytest.mark.parametrize("report", [SILENT, NOT_FOUND, AUTH, StatusReport(StatusWord.PAID, status_name="AUTH")])
def test_without_it_one_operator_does_not_say_that_a_paid_one_moved_no_money(
    stage: Stage, report: StatusReport
) -> None:
    """One did, with the evidence `x`: its producer may pay again."""
    key = ended(stage, Verb.PAY)
    bank_says(stage, report)

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_REVERSED, proof="x"))
    assert (told["second"], stage.state(key)) == ("needed", State.PAID)
    decide(stage, AIGUL, key, Verb.OPERATOR_REVERSED, proof="x")
    assert stage.state(key) is State.PAID

    decide(stage, BOLAT, key, Verb.OPERATOR_REVERSED)
    assert stage.state(key) is State.REVERSED


@pytest.mark.parametrize("report", [PAID, NOT_PAID])
def test_two_do_not_say_so_against_what_the_bank_proves(stage: Stage, report: StatusReport) -> None:
    key = ended(stage, Verb.PAY)
    bank_says(stage, report)

    for sender in (AIGUL, BOLAT):
        told = answer_to(stage, decide(stage, sender, key, Verb.OPERATOR_REVERSED))
        assert (told["verb"], told["refused"]) == ("answer", "reversed")
        assert f"the bank says {report.word}" in told["why"]

    assert (stage.state(key), stage.record(key).decisions) == (State.PAID, "")
