"""What operators decide about an end: the bank is asked in that moment, and where it does not agree, two are needed."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.queue.wakeups import calls
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane
from epay_transfers.producers.outcomes import Outcome
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
    """Into the operator's inbox, a worker reads it, and heeds the sweeper's wake-up; the entry's id."""
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


@pytest.mark.parametrize(
    "report",
    [AUTH, StatusReport(StatusWord.NOT_YET, status_name="AUTH", why="foreign_amount")],
    ids=["AUTH", "another"],
)
def test_an_end_by_hand_against_the_banks_word_stands_as_a_contradiction_at_once(
    stage: Stage, report: StatusReport
) -> None:
    """The bank holds the money: no producer may read for a day that it may be paid another way."""
    key = settled_by_hand(stage, Verb.OPERATOR_NOT_PAID, report)

    assert stage.state(key) is State.DECLINED
    assert stage.ledger.contradictions() == {key: "not_yet AUTH"}
    assert [told["ledger"] for told in alarms(stage)] == ["declined"]


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


def test_a_word_about_an_end_that_is_not_believed_breaks_no_worker(stage: Stage) -> None:
    """The refund names another transfer's id: an alarm, and two are needed."""
    other, key = ended(stage, Verb.PAY), ended(stage, Verb.PAY)
    bank_says(stage, StatusReport(StatusWord.GIVEN_BACK, "REFUND", bank_id=stage.record(other).bank_id))

    told = answer_to(stage, decide(stage, AIGUL, key, Verb.OPERATOR_REVERSED))

    assert (told["second"], stage.state(key)) == ("needed", State.PAID)
    assert "foreign_bank_id" in {event.fields["verb"] for event in stage.events.newest(10)}


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


# What was settled is asked about.


def test_what_was_settled_by_hand_is_asked_about_daily_for_a_week(stage: Stage) -> None:
    """Quietly, while nothing is learnt; then no more."""
    key = settled_by_hand(stage, Verb.OPERATOR_NOT_PAID, NOT_FOUND)
    bank, version = Counting(NOT_FOUND), stage.record(key).version
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge

    for _ in range(10 * 4):
        stage.clock.advance(DAY_S / 4)
        swept(stage)

    assert bank.calls == 7
    assert (stage.record(key).version, stage.record(key).watch_at) == (version, 0)
    assert stage.ledger.client.zcard(redis_keys.WATCHED) == 0
    assert alarms(stage) == []


@pytest.mark.parametrize(
    ("settled", "report", "is_alarm"),
    [
        (Verb.OPERATOR_NOT_PAID, PAID, True),
        (Verb.OPERATOR_NOT_PAID, AUTH, True),
        (Verb.OPERATOR_NOT_PAID, GIVEN_BACK, True),
        (Verb.OPERATOR_NOT_PAID, NOT_PAID, False),
        (Verb.OPERATOR_PAID, NOT_PAID, True),
        (Verb.OPERATOR_PAID, PAID, False),
        (Verb.OPERATOR_PAID, AUTH, False),
        (Verb.OPERATOR_REVERSED, PAID, True),
        (Verb.OPERATOR_REVERSED, GIVEN_BACK, False),
        (Verb.OPERATOR_REVERSED, NOT_FOUND, False),
    ],
)
def test_a_contradiction_is_one_alarm_and_stands(
    stage: Stage,
    settled: Verb,
    report: StatusReport,
    is_alarm: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The bank says the opposite of what two people said: once, however often it is asked."""
    key = settled_by_hand(stage, settled)
    state = stage.state(key)
    bank_says(stage, report)

    for _ in range(3):
        stage.clock.advance(DAY_S)
        swept(stage)

    assert len(alarms(stage)) == is_alarm
    assert (key in stage.ledger.contradictions()) == is_alarm
    assert stage.state(key) is state


def test_what_two_called_paid_and_the_bank_gave_back_is_reversed_by_its_word(stage: Stage) -> None:
    key = settled_by_hand(stage, Verb.OPERATOR_PAID)
    bank_says(stage, GIVEN_BACK)

    stage.clock.advance(DAY_S)
    swept(stage)

    assert (stage.state(key), alarms(stage)) == (State.REVERSED, [])


@pytest.mark.parametrize("report", [PAID, AUTH, NOT_PAID, NOT_FOUND])
def test_a_decline_is_asked_about_once_an_hour_later(stage: Stage, report: StatusReport) -> None:
    """A gateway that doubles a request may hide behind the second one's decline that the first was executed."""
    key = ended(stage, Verb.DECLINE)
    bank = Counting(report)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge
    stage.clock.advance(3_500)
    swept(stage)
    assert bank.calls == 0

    for _ in range(50):
        stage.clock.advance(3_600)
        swept(stage)

    assert bank.calls == 1
    assert len(alarms(stage)) == (report in {PAID, AUTH})
    assert stage.state(key) is State.DECLINED


@pytest.mark.parametrize("asked_by", ["the ladder", "an operator"])
def test_a_decline_that_an_inquiry_heard_is_asked_about_once_more_too(stage: Stage, asked_by: str) -> None:
    """Its status may tell of the gateway's second request, as its answer does; so the bank is asked once more."""
    key = in_review(stage)
    bank_says(stage, NOT_PAID)
    if asked_by == "an operator":
        put(stage, AIGUL, Kind.ASK, {"key": key})
    else:
        stage.clock.advance(DAY_S + 1)
        stage.journey.inquire(key)
    assert stage.state(key) is State.DECLINED
    bank = Counting(PAID)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge

    for _ in range(50):
        stage.clock.advance(3_600)
        swept(stage)

    assert (bank.calls, len(alarms(stage)), stage.state(key)) == (1, 1, State.DECLINED)


def test_a_silent_bank_is_asked_again_about_a_decline_but_not_for_ever(stage: Stage) -> None:
    key = ended(stage, Verb.DECLINE)
    bank = Counting(SILENT)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge

    for _ in range(24 * 10):
        stage.clock.advance(3_600)
        swept(stage)

    assert 24 * 7 < bank.calls <= 24 * 8 + 1
    assert stage.record(key).watch_at == 0


def test_a_correction_ends_a_contradiction_and_a_later_one_is_told_again(stage: Stage) -> None:
    key = settled_by_hand(stage, Verb.OPERATOR_NOT_PAID)
    bank_says(stage, PAID)
    stage.clock.advance(DAY_S)
    swept(stage)
    assert key in stage.ledger.contradictions()

    for sender in (AIGUL, CHEN):
        decide(stage, sender, key, Verb.CORRECT_PAID)
    assert (stage.state(key), stage.ledger.contradictions()) == (State.PAID, {})

    bank_says(stage, NOT_PAID)
    stage.clock.advance(DAY_S)
    swept(stage)
    assert (len(alarms(stage)), len(stage.ledger.contradictions())) == (2, 1)


def test_a_bank_that_agrees_again_ends_a_contradiction(stage: Stage) -> None:
    is_contradicted_until_the_bank_agrees(stage, settled_by_hand(stage, Verb.OPERATOR_NOT_PAID))


def is_contradicted_until_the_bank_agrees(stage: Stage, key: str) -> None:
    """The bank holds the money of what ended unpaid; then it says that it is not paid."""
    bank_says(stage, AUTH)
    put(stage, AIGUL, Kind.ASK, {"key": key})
    assert key in stage.ledger.contradictions()

    bank_says(stage, NOT_PAID)
    put(stage, AIGUL, Kind.ASK, {"key": key})

    assert stage.ledger.contradictions() == {}


def test_all_workers_together_ask_about_few_a_second(stage: Stage) -> None:
    """A thousand declines of one hour are no thousand questions in one second of the next."""
    for _ in range(30):
        ended(stage, Verb.DECLINE)
    stage.clock.advance(3_700)

    found = [len(stage.ledger.watched(20)) for _ in range(5)]
    stage.clock.advance(1)
    later = [len(stage.ledger.watched(20)) for _ in range(5)]

    assert (sum(found), sum(later)) == (5, 5)


def asked_about(stage: Stage, sender: str, keys: Sequence[str]) -> None:
    """No worker has heeded a wake-up for them yet."""
    for key in keys:
        Inboxes(stage.ledger.client, stage.clock).put(sender, Kind.ASK, {"why": "a test", "key": key})
    while stage.worker.inbox.run_once():
        pass


def test_one_operators_many_questions_keep_no_other_waiting(stage: Stage) -> None:
    """A thief of one password asks about a hundred transfers: another operator's questions come in a second or two."""
    asked_about(stage, operator("thief"), [stage.new() for _ in range(100)])
    honest = [stage.new() for _ in range(3)]
    for _ in range(10):  # what the thief may ask at once after a rest is asked
        stage.ledger.watched(20)
        stage.clock.advance(1)

    asked_about(stage, AIGUL, honest)
    found: list[str] = []
    for _ in range(2):
        stage.clock.advance(1)
        found += [record.key for record in stage.ledger.watched(20)]

    assert {key for key in found if key in honest} == {*honest}


def test_one_operator_alone_gets_half_of_what_is_asked_and_a_dozen_at_once(stage: Stage) -> None:
    """All workers ask five a second: one operator's many get two or three of them."""
    asked_about(stage, AIGUL, [stage.new() for _ in range(60)])

    found = []
    for _ in range(10):
        stage.clock.advance(1)
        found.append(len(stage.ledger.watched(20)))

    assert sum(found) == 13 + 25
    assert found[-4:] == [2, 3, 2, 3] or found[-4:] == [3, 2, 3, 2]


def test_what_no_worker_can_ask_about_keeps_no_new_question_waiting(stage: Stage) -> None:
    """Many that come again, each minute, since no worker has answered them: they get a fifth of what is asked."""
    never = [stage.new() for _ in range(400)]
    stage.ledger.client.zadd(redis_keys.WATCHED, dict.fromkeys(never, 1))
    called = 0
    for _ in range(400):
        called += len(stage.ledger.watched(20))
        stage.clock.advance(1)

    assert 400 <= called < 400 + 400
    asked_about(stage, AIGUL, [fresh := stage.new()])
    stage.clock.advance(1)
    assert fresh in [record.key for record in stage.ledger.watched(20)]


# Asking.


@pytest.mark.parametrize("what", ["queued", "parked", "in_doubt", "needs_review", "paid", "declined"])
def test_the_bank_is_asked_now_and_its_word_is_answered(stage: Stage, what: str) -> None:
    """It changes nothing but what an inquiry may change."""
    ways: dict[str, Callable[[Stage], str]] = {
        "queued": Stage.new,
        "parked": scenes.parked,
        "in_doubt": in_doubt,
        "needs_review": in_review,
        "paid": lambda stage: ended(stage, Verb.PAY),
        "declined": lambda stage: ended(stage, Verb.DECLINE),
    }
    key = ways[what](stage)
    due = stage.ledger.client.zscore(redis_keys.DUE, key)
    bank_says(stage, NOT_FOUND)

    told = answer_to(stage, put(stage, AIGUL, Kind.ASK, {"key": key}))

    assert (told["verb"], told["bank_said"], told["state"]) == ("answer", "not_found", what)
    assert stage.ledger.client.zscore(redis_keys.DUE, key) == due
    assert stage.record(key).question_id == ""


@pytest.mark.parametrize("what", ["parked", "in_doubt", "needs_review"])
def test_a_final_word_that_it_brings_settles(stage: Stage, what: str) -> None:
    key = {"parked": scenes.parked, "in_doubt": in_doubt, "needs_review": in_review}[what](stage)
    bank_says(stage, PAID)

    told = answer_to(stage, put(stage, AIGUL, Kind.ASK, {"key": key}))

    assert (told["verb"], stage.state(key)) == ("inquiry_paid", State.PAID)


@pytest.mark.parametrize("waiting", ["queued", "resumed"])
def test_what_the_bank_has_paid_is_an_alarm_and_is_not_sent(stage: Stage, waiting: str) -> None:
    """A ledger that went back calls it queued. The bank's word settles it, and the question is answered by that."""
    key = stage.new() if waiting == "queued" else scenes.resumed(stage)
    bank_says(stage, PAID)

    entry_id = put(stage, AIGUL, Kind.ASK, {"key": key})

    assert (stage.state(key), len(alarms(stage))) == (State.PAID, 1)
    assert [told["verb"] for told in answers_to(stage, entry_id)][-1] == "inquiry_paid"
    assert {"found_taken", "doubt"} & {told.fields.get("verb") for told in stage.events.newest(20)}
    stage.journey.execute(key)
    assert stage.executions(key) == 0


def test_a_question_is_refused_while_another_stands(stage: Stage) -> None:
    """Each operator hears the own answer."""
    key = in_review(stage)
    bank_says(stage, NOT_FOUND)
    inboxes = Inboxes(stage.ledger.client, stage.clock)
    first = inboxes.put(AIGUL, Kind.ASK, {"key": key, "why": "w"})
    second = inboxes.put(BOLAT, Kind.ASK, {"key": key, "why": "w"})
    stage.worker.inbox.run_once()
    stage.journey.inquire(key)

    assert answer_to(stage, first)["verb"] == "answer"
    assert [told["verb"] for told in answers_to(stage, second)] == ["request_refused"]


def test_a_paused_inquiry_leaves_the_question_standing(stage: Stage) -> None:
    key = in_review(stage)
    bank_says(stage, NOT_FOUND)
    stage.pauses.pause(Lane.INQUIRE, ALL, actor="op", reason="the bank asked")
    stage.pauses.refresh()

    entry_id = put(stage, AIGUL, Kind.ASK, {"key": key})

    assert (stage.record(key).question_id, answer_to(stage, entry_id)["verb"]) == (entry_id, "ask")


# Correcting.


@pytest.mark.parametrize("report", [*UNSETTLING[:3], PAID])
def test_a_correction_needs_two_whatever_the_bank_says(stage: Stage, report: StatusReport) -> None:
    """A decline that hid an execution: the bank proves it, or the statement does."""
    key = ended(stage, Verb.DECLINE)
    bank_says(stage, report)

    first = answer_to(stage, decide(stage, AIGUL, key, Verb.CORRECT_PAID))
    assert (first["second"], stage.state(key)) == ("needed", State.DECLINED)
    decide(stage, AIGUL, key, Verb.CORRECT_PAID)
    assert stage.state(key) is State.DECLINED

    told = answer_to(stage, decide(stage, BOLAT, key, Verb.CORRECT_PAID))
    assert (told["verb"], told["actor"], stage.state(key)) == (
        "correct_paid", "operators aigul and bolat", State.PAID,
    )  # fmt: skip
    assert stage.record(key).watches == 7


@pytest.mark.parametrize(
    ("end", "verb", "report"),
    [
        (Verb.PAY, Verb.CORRECT_NOT_PAID, PAID),
        (Verb.PAY, Verb.CORRECT_NOT_PAID, StatusReport(StatusWord.PAID, status_name="AUTH")),
        (Verb.PAY, Verb.CORRECT_NOT_PAID, SILENT),
        (Verb.PAY, Verb.CORRECT_NOT_PAID, NOT_FOUND),
        (Verb.DECLINE, Verb.CORRECT_PAID, NOT_PAID),
        (Verb.DECLINE, Verb.CORRECT_PAID, GIVEN_BACK),
        (Verb.DECLINE, Verb.CORRECT_REVERSED, PAID),
    ],
)
def test_no_correction_undoes_what_the_bank_proves(stage: Stage, end: Verb, verb: Verb, report: StatusReport) -> None:
    key = ended(stage, end)
    state = stage.state(key)
    bank_says(stage, report)

    for sender in (AIGUL, BOLAT, CHEN):
        told = answer_to(stage, decide(stage, sender, key, verb))
        assert told["refused"]

    assert (stage.state(key), stage.record(key).decisions) == (state, "")


def test_what_two_called_paid_two_call_not_paid_where_the_bank_is_silent(stage: Stage) -> None:
    """It is paid by no word of the bank's."""
    key = settled_by_hand(stage, Verb.OPERATOR_PAID)

    for sender in (AIGUL, CHEN):
        decide(stage, sender, key, Verb.CORRECT_NOT_PAID)

    assert stage.state(key) is State.DECLINED


def test_a_producer_is_told_of_a_correction(stage: Stage) -> None:
    """By the feed of outcomes, with a higher version."""
    key = ended(stage, Verb.DECLINE)
    before = stage.record(key).version
    bank_says(stage, SILENT)
    for sender in (AIGUL, BOLAT):
        decide(stage, sender, key, Verb.CORRECT_PAID)

    outcome = Outcome.of(stage.events.newest(1)[0], lambda: None)

    assert outcome is not None
    assert (outcome.key, outcome.state, outcome.final, outcome.reason) == (
        key, State.PAID, True, "corrected_by_operators",
    )  # fmt: skip
    assert outcome.version > before


@pytest.mark.parametrize("verb", [Verb.OPERATOR_PAID, Verb.CORRECT_PAID])
def test_what_dies_between_the_two_steps_of_a_decision_is_done_by_the_next_worker(stage: Stage, verb: Verb) -> None:
    """The bank was asked, and the worker died before it wrote: the question stands, and the bank is asked once more."""
    key = in_review(stage) if verb is Verb.OPERATOR_PAID else ended(stage, Verb.DECLINE)
    bank_says(stage, SILENT)
    decide(stage, AIGUL, key, verb)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.worker.recorder), "move", died)
        with pytest.raises(ConnectionError):
            decide(stage, BOLAT, key, verb)
    assert stage.state(key) is not State.PAID

    stage.clock.advance(120)
    swept(stage)

    assert stage.state(key) is State.PAID


# The vault's mark.


def test_a_ledger_that_is_restored_to_before_a_settlement_is_noticed(stage: Stage) -> None:
    """The vault knows the sequence of the move that an operator was told of."""
    key = settled_by_hand(stage, Verb.OPERATOR_PAID)

    assert stage.vault.high_water() == stage.ledger.sequence()
    assert stage.state(key) is State.PAID


def test_a_discard_and_a_pause_raise_the_mark_too(stage: Stage) -> None:
    key = stage.new()
    put(stage, AIGUL, Kind.CANCEL, {"key": key})
    assert stage.vault.high_water() == stage.ledger.sequence()

    pause_id = stage.pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    put(stage, AIGUL, Kind.PAUSED, {"pause": pause_id})
    assert stage.vault.high_water() == stage.ledger.sequence()

    put(stage, BOLAT, Kind.UNPAUSE, {"pause": pause_id, "seen": "0"})
    assert stage.vault.high_water() == stage.ledger.sequence()


def test_the_mark_of_an_operators_move_stops_no_send(stage: Stage) -> None:
    """It is no claim's own number: a claim that takes its card after it finds no ledger that has forgotten."""
    key, other = stage.new(), stage.new()
    put(stage, AIGUL, Kind.CANCEL, {"key": other})

    stage.journey.execute(key)

    assert (stage.state(key), stage.pauses.standing()) == (State.PAID, [])


# What these tests do besides.


class Counting:
    """A bank that always says this, and counts the questions."""

    has_status = True

    def __init__(self, report: StatusReport) -> None:
        self._report = report
        self.calls = 0

    def status(self, *_: object, **__: object) -> StatusReport:
        self.calls += 1
        return self._report


def died(*_: object, **__: object) -> None:
    raise ConnectionError


def in_doubt(stage: Stage) -> str:
    key = stage.new("[drop-after] Payout")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    return key


def swept(stage: Stage) -> None:
    """The sweeper calls for what is watched, and a worker heeds each wake-up once."""
    queue = stage.worker.broker.client
    queue.flushdb()
    stage.sweeper.run_once()
    for _, key in calls(queue):
        stage.journey.inquire(key)
