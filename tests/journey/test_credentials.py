"""The bank refuses the credentials of a terminal: its transfers wait, none burns its tries, and an operator is told."""

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.worker.bank import Bank, Evidence, Order, TokenRefused
from tests.journey.scenes import resumed
from tests.support.stage import Stage

REFUSALS = [
    TokenRefused("http_401", Evidence.ANSWERED, http_status=401),
    TokenRefused("http_403", Evidence.ANSWERED, http_status=403),
    TokenRefused("invalid_client", Evidence.ANSWERED, http_status=400),
]


def test_confirms_ask_for_no_token_either_and_say_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the pause ends, or the bank holds the challenge no longer."""
    keys = [resumed(stage) for _ in range(4)]
    asked: list[str] = []

    def refuse(*_: object, order: Order, **__: object) -> TokenRefused:
        asked.append(order.invoice_id)
        return REFUSALS[2]

    with monkeypatch.context() as patch:
        patch.setattr(Bank, "token", refuse)
        before = stage.ledger.counters()["events"]
        for _ in range(20):
            stage.worker.maintenance.run_once()
            stage.later(31)
        events = stage.ledger.counters()["events"] - before

    assert len(asked) <= 2 * len(keys)  # in the round of the third refusal, no worker has looked yet
    assert events <= 2 * len(keys) + 1
    assert {stage.state(key) for key in keys} == {State.RESUMED}

    (pause,) = stage.pauses.standing()
    assert PauseMirror(stage.pauses, stage.vault.client, "w").end(pause, actor="operator aigul", reason="it is mended")
    stage.worker.maintenance.run_once()
    stage.later(31)
    assert {stage.state(key) for key in keys} == {State.PAID}


@pytest.mark.parametrize("refused", REFUSALS)
def test_transfers_wait_and_the_terminal_is_paused(
    stage: Stage, refused: TokenRefused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried: not one is dead, and not one has used up a try."""
    keys = [stage.new() for _ in range(5)]
    with monkeypatch.context() as patch:
        patch.setattr(Bank, "token", lambda *_, **__: refused)
        for _ in range(6):
            for key in keys:
                stage.journey.execute(key)
            stage.worker.maintenance.run_once()
            stage.clock.advance(31)
    records = [stage.record(key) for key in keys]
    (pause,) = stage.pauses.standing()

    assert {(record.state, record.attempts) for record in records} == {(State.QUEUED, 0)}
    assert (pause.lane, pause.terminal, pause.cause) == (Lane.SEND, "main", Cause.CREDENTIALS)
    assert refused.why in pause.reason

    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    assert mirror.end(pause, actor="operator aigul", reason="the secret is mended")
    stage.worker.maintenance.run_once()
    stage.settle_down()
    assert {stage.state(key) for key in keys} == {State.PAID}


def test_refusals_with_a_token_between_them_pause_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        with monkeypatch.context() as patch:
            patch.setattr(Bank, "token", lambda *_, **__: REFUSALS[0])
            stage.journey.execute(stage.new())
            stage.journey.execute(stage.new())
        stage.journey.execute(stage.new())

    assert stage.pauses.standing() == []


def test_a_confirm_that_gets_no_token_ends_in_doubt_and_not_dead(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank holds the challenge: what became of it the bank alone can say."""
    key = stage.new("[3ds]")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    monkeypatch.setattr(Bank, "token", lambda *_, **__: REFUSALS[0])

    for _ in range(80):
        stage.journey.confirm(key)
        stage.clock.advance(31)

    record = stage.record(key)
    assert (record.state, record.reason, record.attempts) == (State.IN_DOUBT, "token_http_401", 0)


def test_the_dead_say_why_no_token_came(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last try's reason is counted, and not that the tries are used up."""
    key = stage.new()
    refused = TokenRefused("timeout", Evidence.MAYBE_SENT)
    monkeypatch.setattr(Bank, "token", lambda *_, **__: refused)
    for _ in range(8):
        stage.journey.execute(key)
        stage.clock.advance(61)
        stage.worker.breakers.close("bank")

    assert stage.state(key) is State.DEAD
    assert [word for word, _ in stage.ledger.totals().of(State.DEAD).by_reason()] == ["token_timeout"]
