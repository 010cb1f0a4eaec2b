"""What the bank said in an answer that is not believed: kept for the operator's question, and used by no decision."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import FINAL, State, Verb
from epay_transfers.ledger.store.change import RecordFields
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.worker.bank import ChallengeRequired, Declined, Evidence, Paid, StatusReport, StatusWord, Unclear
from epay_transfers.worker.bank.outcome import CodeClass, Response
from epay_transfers.worker.bank.parse_response import read_transfer
from epay_transfers.worker.bank.parse_status import read_status
from tests.journey.scenes import Saying, asked, resumed, says
from tests.support.stage import Stage

CARD = "4405639704015096"
ROOT = Path(__file__).parents[2]

SAID = Unclear(
    "foreign_amount", Evidence.ANSWERED, "484", bank_id="b1", reference="204978430339", message="Insufficient funds"
)
NAMELESS = StatusReport(StatusWord.NOT_YET, result_code="100", bank_id="b2", reference="ref2", why="no_status")


def unbelieved(record: Record) -> tuple[str, str, str]:
    return record.unbelieved_bank_id, record.unbelieved_reference, record.unbelieved_message


def believed(record: Record) -> tuple[str, ...]:
    return record.bank_id, record.bank_reference, record.message, record.int_reference


def reports(stage: Stage, *found: StatusReport) -> None:
    stage.journey.bank = Saying(*found, outcome=SAID)  # type: ignore[assignment]  # the edge: all that is asked of it


def doubted(stage: Stage) -> str:
    reports(stage, NAMELESS)
    key = stage.new()
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    return key


def test_a_doubt_keeps_it_under_names_of_its_own(stage: Stage) -> None:
    """The record's `bank_id`, reference and message are only what was believed."""
    record = stage.record(doubted(stage))

    assert unbelieved(record) == ("b1", "204978430339", "Insufficient funds")
    assert believed(record) == ("", "", "", "")
    event = stage.events.newest(1)[0].fields
    assert event["bank_said"] == "not believed: id b1, reference 204978430339"


def test_it_belongs_to_no_other_transfer_for_that(stage: Stage) -> None:
    """An id that is not believed is not the ledger's: the transfer that the bank paid under it is paid."""
    doubted(stage)
    says(stage, outcome=Paid(bank_id="b1"))
    other = stage.new()

    stage.journey.execute(other)

    assert (stage.state(other), stage.record(other).bank_id) == (State.PAID, "b1")


@pytest.mark.parametrize(
    ("word", "state"),
    [(StatusWord.PAID, State.PAID), (StatusWord.NOT_PAID, State.DECLINED), (StatusWord.NOT_YET, None)],
)
def test_the_inquiry_decides_as_if_nothing_had_been_said(stage: Stage, word: StatusWord, state: State | None) -> None:
    """And once it has settled the doubt, what was not believed is gone."""
    key = doubted(stage)
    reports(stage, StatusReport(word, bank_id="b3"))

    stage.later(10)

    record = stage.record(key)
    assert record.state is (state or State.IN_DOUBT)
    if state in FINAL:
        assert unbelieved(record) == ("", "", "")
        assert record.bank_id == "b3"


def test_an_inquiry_without_a_status_name_is_kept_where_nothing_was(stage: Stage) -> None:
    """The bank's words of the transfer call say more, and stay."""
    kept = doubted(stage)
    bare = stage.new("[drop-after]")
    stage.journey.bank = stage.bank
    stage.journey.execute(bare)
    reports(stage, NAMELESS)

    stage.later(10)

    assert unbelieved(stage.record(kept))[0] == "b1"
    assert unbelieved(stage.record(bare)) == ("b2", "ref2", "")
    assert {stage.state(kept), stage.state(bare)} == {State.IN_DOUBT}
    assert stage.events.newest(1)[0].fields["bank_said"] == "not_yet no_status"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (StatusReport(StatusWord.NOT_YET, status_name="VERIFIED"), "not_yet VERIFIED"),
        (StatusReport(StatusWord.NOT_YET, said="Оплачен", why="unknown_status"), "not_yet Оплачен unknown_status"),
        (StatusReport(StatusWord.UNANSWERED, result_code="108", why="unknown_result"),
         "unanswered unknown_result result 108"),
    ],
)  # fmt: skip
def test_the_event_has_the_banks_own_word(stage: Stage, report: StatusReport, said: str) -> None:
    key = doubted(stage)
    reports(stage, report)

    asked(stage, key, "inquire")

    assert stage.state(key) is State.IN_DOUBT
    assert stage.events.newest(1)[0].fields["bank_said"] == said


@pytest.mark.parametrize("body", [{"result": {"code": "100"}}, {"result": {"code": "4405639704015096"}}])
def test_no_card_that_the_bank_sends_as_a_word_is_kept_or_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture, body: dict[str, Any]
) -> None:
    """Through the parser, into the record, its events and the log, until it is a person's case."""
    caplog.set_level(0)
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    order = stage.worker.preflight.order(stage.record(key))
    said = {"invoiceID": order.invoice_id} | dict.fromkeys(("id", "reference", "statusName"), CARD)
    answer = Response(200, body=json.dumps(body | {"transaction": {"p2p": said}}).encode())
    reports(stage, read_status(order, answer))
    asked(stage, key, "inquire")
    for _ in range(6):
        stage.later(3700 * 6)

    kept = [repr(stage.record(key)), *(repr(event.fields) for event in stage.events.newest(1000))]
    logged = [repr(vars(line)) for line in caplog.records]
    assert [line for line in (*kept, *logged) if CARD in line] == []
    assert any("*" * 16 in line for line in kept)


def test_nor_is_one_of_an_answer_that_is_believed(stage: Stage) -> None:
    key = stage.new()
    order = stage.worker.preflight.order(stage.record(key))
    body = {"code": 484, "invoiceId": order.invoice_id, "id": CARD, "reference": CARD, "message": CARD}
    says(stage, outcome=read_transfer(order, Response(400, body=json.dumps(body).encode())))

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.bank_id, record.bank_reference) == (State.DECLINED, "", "*" * 16)
    assert CARD not in repr(record)


def test_review_keeps_it_for_the_operator(stage: Stage) -> None:
    key = doubted(stage)
    for _ in range(6):
        stage.later(3700)

    record = stage.record(key)
    assert (record.state, unbelieved(record)[0]) == (State.NEEDS_REVIEW, "b1")
    told = [event.fields for event in stage.events.of(record).events if event.fields["verb"] == Verb.SEND_TO_REVIEW]
    assert [event["bank_said"] for event in told] == ["not_yet no_status"]


@pytest.mark.parametrize(
    "outcome",
    [
        Paid(bank_id="a9e1", reference="ref"),
        Declined("484", "declined", CodeClass.DECLINED, bank_id="a9e1", reference="ref"),
        ChallengeRequired("cGFSZXE=", "1-A", "https://acs.example/", "a9e1"),
    ],
)
def test_an_id_of_another_transfer_is_not_believed(stage: Stage, outcome: Any) -> None:
    says(stage, outcome=Paid(bank_id="a9e1"))
    stage.journey.execute(stage.new())
    says(stage, outcome=outcome)
    key = stage.new()

    stage.journey.execute(key)

    record = stage.record(key)
    message = "declined" if isinstance(outcome, Declined) else ""
    reference = "" if isinstance(outcome, ChallengeRequired) else "ref"
    assert record.state is State.IN_DOUBT
    assert unbelieved(record) == ("a9e1", reference, message)
    assert believed(record) == ("", "", "", "")


def test_an_answer_after_the_lease_still_tells_what_the_bank_said(stage: Stage) -> None:
    """A sweeper recorded the doubt first, without the answer."""
    key = stage.new()

    class Late(Saying):
        def transfer(self, *_: Any, **__: Any) -> Unclear:
            stage.clock.advance(100)
            stage.journey.sweep(stage.record(key))
            assert stage.state(key) is State.IN_DOUBT
            return SAID

    stage.journey.bank = Late()  # type: ignore[assignment]  # the edge: all that is asked of it
    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, unbelieved(record)) == (State.IN_DOUBT, ("b1", "204978430339", "Insufficient funds"))


def test_a_doubt_by_another_answer_takes_the_late_one_too(stage: Stage) -> None:
    """How far the request got is known by then; what the bank said is not."""
    record = stage.record(stage.new())
    claim = stage.worker.preflight.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    recorder = stage.worker.recorder
    recorder.doubt(record, "contradiction", evidence=Evidence.ANSWERED)

    said: RecordFields = {"unbelieved_bank_id": "b1"}
    recorder.doubt(record, SAID.why, evidence=Evidence.ANSWERED, nonce=claim.claim_nonce, said=said)

    assert unbelieved(stage.record(record.key)) == ("b1", "", "")


def test_a_confirm_that_is_not_believed_keeps_the_challenges_id_as_the_banks(stage: Stage) -> None:
    key = resumed(stage)
    parked_id = stage.record(key).bank_id
    bank = stage.journey.bank
    stage.journey.bank = Confirming(bank, replace(SAID, bank_id="other"))  # type: ignore[assignment]  # the edge

    stage.journey.confirm(key)

    record = stage.record(key)
    assert (record.state, record.bank_id) == (State.IN_DOUBT, parked_id)
    assert unbelieved(record)[0] == "other"


class Confirming:
    def __init__(self, bank: Any, outcome: Unclear) -> None:
        self._bank, self._outcome = bank, outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bank, name)

    def confirm(self, *_: Any, **__: Any) -> Unclear:
        return self._outcome


def test_no_code_reads_it_but_what_keeps_it_and_what_shows_it() -> None:
    """So no decision rests on it: neither a script nor a rule knows its names."""
    rooms = ("ledger", "ops", "producers", "runtime", "worker")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".lua"}]

    knowing = {str(path.relative_to(ROOT)) for path in files if "unbelieved_" in path.read_text()}

    assert len(files) > 100
    assert knowing == {
        "ledger/record.py",
        "ledger/store/change.py",
        "ops/commands/status.py",
        "ops/descriptions.py",
        "worker/recorder.py",
        "worker/said_by_bank.py",
    }


#: Each form of an answer that the sandbox can give, and what becomes of the transfer by it alone.
CHALLENGES = ["[3ds]", "[3ds-nested]", "[3ds-status]", "[3ds-id-inside]", "[3ds-lower]", "[3ds-upper]"]
CONFIRMS = ["redirect", "body", "url", "string", "html", "cp1251"]


@pytest.mark.parametrize("words", CHALLENGES)
def test_every_spelling_of_a_challenge_is_confirmed(stage: Stage, words: str) -> None:
    key = stage.new(words)
    stage.journey.execute(key)
    assert stage.state(key) is State.PARKED
    stage.answer_challenge(key)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


@pytest.mark.parametrize("form", CONFIRMS)
def test_every_form_of_a_confirms_answer_is_read(stage: Stage, form: str) -> None:
    key = stage.new(f"Перевод [3ds][confirm-answer:{form}]")
    stage.journey.execute(key)
    stage.answer_challenge(key)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


@pytest.mark.parametrize("form", CONFIRMS)
def test_every_form_of_a_confirms_decline_is_read(stage: Stage, form: str) -> None:
    key = stage.new(f"Перевод [3ds][confirm-answer:{form}]")
    stage.journey.execute(key)
    stage.answer_challenge(key, "wrong")

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).code, stage.executions(key)) == (State.DECLINED, "468", 0)


def test_a_page_of_another_host_is_in_doubt_and_the_inquiry_settles_it(stage: Stage) -> None:
    key = stage.new("[3ds][confirm-answer:foreign]")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    stage.journey.confirm(key)
    doubted_for = stage.record(key).reason

    stage.later(10)

    assert (doubted_for, stage.state(key), stage.executions(key)) == ("foreign_address", State.PAID, 1)


@pytest.mark.parametrize(
    ("links", "state", "reason"),
    [
        (("https://shop.example/ok", "https://shop.example/no"), State.PAID, ""),
        (("https://shop.example/end", "https://shop.example/end"), State.IN_DOUBT, "failure_link"),
    ],
)
def test_a_redirect_to_the_orders_own_link_counts_where_it_differs_from_that_of_failure(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, links: tuple[str, str], state: State, reason: str
) -> None:
    order_of = stage.worker.preflight.order
    back, failure = links
    monkeypatch.setattr(
        stage.worker.preflight,
        "order",
        lambda record: replace(order_of(record), back_link=back, failure_back_link=failure),
    )
    key = stage.new("[3ds][confirm-answer:back-link]")
    stage.journey.execute(key)
    stage.answer_challenge(key)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason) == (state, reason)


@pytest.mark.parametrize("words", ["[flat]", "[flat][state:CHARGE]", "[state:CHARGE]"])
def test_a_flat_status_settles_a_doubt(stage: Stage, words: str) -> None:
    key = stage.new(f"[drop-after]{words}")
    stage.journey.execute(key)

    stage.later(10)

    assert stage.state(key) is State.PAID


@pytest.mark.parametrize(
    "words", ["[no-status]", "[flat][no-status]", "[state:VERIFIED]", "[state:DONE]", "[flat][state:Paid]"]
)
def test_a_status_that_is_no_word_of_payment_settles_nothing(stage: Stage, words: str) -> None:
    key = stage.new(f"[drop-after]{words}")
    stage.journey.execute(key)

    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.IN_DOUBT, 1)
