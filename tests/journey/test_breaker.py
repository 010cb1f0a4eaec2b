"""What the breaker of a bank's host hears of the answers: silence counts, a bank that answers as one does not."""

from dataclasses import replace

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Phase
from epay_transfers.ledger.store.circuit_breakers import FAILURES
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Wait
from epay_transfers.worker.bank import (
    ChallengeRequired,
    CodeClass,
    Declined,
    Evidence,
    NotSent,
    Paid,
    Token,
    TokenRefused,
    TransferOutcome,
    Unclear,
)
from tests.support.stage import Stage

HOSTS = {Phase.SEND: "send.bank", Phase.CONFIRM: "confirm.bank"}

SILENCE = NotSent("refused")
NO_WORD = Unclear("not_json", Evidence.ANSWERED, http_status=499)
ANSWERS = [
    Paid(),
    Declined("484", "no funds", CodeClass.DECLINED),
    ChallengeRequired("PaReq", "MD", "https://bank.example/acs", "id"),
]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    hosts = {Lane.SEND: HOSTS[Phase.SEND], Lane.CONFIRM: HOSTS[Phase.CONFIRM]}
    stage.with_rules(preflight=replace(stage.rules.preflight, token_host="token.bank", hosts=hosts))
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


@pytest.mark.parametrize(
    ("lane", "confirm_needs_token", "waits"),
    [
        (Lane.SEND, True, True),
        (Lane.SEND, False, True),
        (Lane.CONFIRM, True, True),
        (Lane.CONFIRM, False, False),
    ],
)
def test_an_open_breaker_of_the_tokens_host_keeps_back_whoever_needs_a_token(
    stage: Stage,
    lane: Lane,
    confirm_needs_token: bool,  # noqa: FBT001 - a table's column
    waits: bool,  # noqa: FBT001 - a table's column
) -> None:
    stage.with_rules(preflight=replace(stage.rules.preflight, confirm_needs_token=confirm_needs_token))
    stage.worker.breakers.trip("token.bank", "refused")

    assert stage.worker.preflight.why_not_now(record_of(stage), lane) == (Wait(5_000, "breaker") if waits else None)


@pytest.mark.parametrize(
    ("refused", "opens"),
    [
        (TokenRefused("refused", Evidence.NOT_SENT), True),
        (TokenRefused("timeout", Evidence.MAYBE_SENT), True),
        (TokenRefused("http_500", Evidence.ANSWERED, http_status=500), True),
        (TokenRefused("http_401", Evidence.ANSWERED, http_status=401), False),
        (TokenRefused("http_499", Evidence.ANSWERED, http_status=499), False),
    ],
)
def test_the_tokens_host_has_a_breaker_of_its_own(
    stage: Stage,
    refused: TokenRefused,
    opens: bool,  # noqa: FBT001 - a table's column
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that is refused is an answer; and one that is given ends the row."""
    few = [refused] * (FAILURES - 1)
    given = Token(Secret("t"), 60)
    ask_for_tokens(stage, monkeypatch, *few, given, *few)
    assert stage.worker.breakers.refresh() == set()

    ask_for_tokens(stage, monkeypatch, refused)

    assert stage.worker.breakers.refresh() == ({"token.bank"} if opens else set())
    if opens:
        assert stage.events.newest(2)[0].fields["reason"] == refused.why


def ask_for_tokens(stage: Stage, patch: pytest.MonkeyPatch, *tokens: Token | TokenRefused) -> None:
    preflight = stage.worker.preflight
    for token in tokens:
        patch.setattr(type(stage.bank), "token", lambda *_, said=token, **__: said)
        preflight.token(record_of(stage), preflight.order(record_of(stage)))


def hear(stage: Stage, phase: Phase, *outcomes: TransferOutcome) -> None:
    for outcome in outcomes:
        stage.worker.preflight.heard(replace(record_of(stage), phase=phase), outcome)


def record_of(stage: Stage) -> Record:
    return stage.record(stage.new())
