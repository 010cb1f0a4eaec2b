"""What the breaker of a bank's host hears of the answers: silence counts, a bank that answers as one does not."""

from dataclasses import replace

import pytest

from ledger.breakers import FAILURES
from ledger.lanes import ALL, Lane
from ledger.record import Record
from ledger.replies import Behind
from ledger.states import Phase, State
from tests.journey.conftest import Stage
from worker.bank import Challenge, CodeClass, Declined, Evidence, NotSent, Paid, TransferOutcome, Unclear

HOSTS = {Phase.SEND: "send.bank", Phase.CONFIRM: "confirm.bank"}

SILENCE = NotSent("refused")
NO_WORD = Unclear("not_json", Evidence.ANSWERED, http_status=499)
ANSWERS = [
    Paid(),
    Declined("484", "no funds", CodeClass.DECLINED),
    Challenge("PaReq", "MD", "https://bank.example/acs", "id"),
]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    hosts = {Lane.SEND: HOSTS[Phase.SEND], Lane.CONFIRM: HOSTS[Phase.CONFIRM]}
    stage.with_rules(gate=replace(stage.rules.gate, token_host="token.bank", hosts=hosts))
    return stage


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    "outcome",
    [
        SILENCE,
        Unclear("timeout", Evidence.MAYBE_SENT),
        Unclear("cut", Evidence.MAYBE_SENT, http_status=200),
        Unclear("http_500", Evidence.ANSWERED, http_status=500),
    ],
)
def test_failures_in_a_row_open_the_breaker_of_the_host_that_was_called(
    stage: Stage, outcome: Unclear | NotSent, phase: Phase
) -> None:
    hear(stage, phase, *[outcome] * (FAILURES - 1))
    assert stage.worker.breakers.refresh() == set()

    hear(stage, phase, outcome)

    assert stage.worker.breakers.refresh() == {HOSTS[phase]}
    assert stage.events.newest(1)[0].fields["reason"] == outcome.why


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_the_banks_ends_the_row(stage: Stage, answer: TransferOutcome, phase: Phase) -> None:
    few = [SILENCE] * (FAILURES - 1)

    hear(stage, phase, *few, answer, *few)

    assert stage.worker.breakers.refresh() == set()


@pytest.mark.parametrize("phase", Phase)
def test_an_answer_that_nobody_understands_neither_counts_nor_ends_the_row(stage: Stage, phase: Phase) -> None:
    hear(stage, phase, *[NO_WORD] * FAILURES, *[SILENCE] * (FAILURES - 1), NO_WORD)
    assert stage.worker.breakers.refresh() == set()

    hear(stage, phase, SILENCE)

    assert stage.worker.breakers.refresh() == {HOSTS[phase]}


def test_what_one_host_does_not_answer_is_not_held_against_another(stage: Stage) -> None:
    hear(stage, Phase.SEND, *[SILENCE] * (FAILURES - 1))
    hear(stage, Phase.CONFIRM, *[SILENCE] * (FAILURES - 1))

    assert stage.worker.breakers.refresh() == set()


def test_the_breaker_hears_what_the_bank_answered_to_a_transfer(stage: Stage) -> None:
    for _ in range(FAILURES):
        stage.journey.execute(stage.new("[500-after]"))

    assert stage.worker.breakers.refresh() == {HOSTS[Phase.SEND]}


def test_a_ledger_that_went_back_stops_all_and_the_transfer_waits_its_half_minute(stage: Stage) -> None:
    record = record_of(stage)

    stage.worker.gate.postpone(record, Behind(7))

    after = stage.record(record.key)
    assert (after.state, after.next - stage.clock.now_ms()) == (State.QUEUED, 30_000)
    assert stage.lanes.stop_of(Lane.SEND, ALL)
    assert stage.lanes.stop_of(Lane.CONFIRM, ALL)


def hear(stage: Stage, phase: Phase, *outcomes: TransferOutcome) -> None:
    for outcome in outcomes:
        stage.worker.gate.heard(replace(record_of(stage), phase=phase), outcome)


def record_of(stage: Stage) -> Record:
    return stage.record(stage.new())
