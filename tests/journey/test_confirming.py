"""The confirm: what keeps it from being sent, and what becomes of it where it goes wrong. A PaRes goes out once."""

from dataclasses import replace
from typing import Any

import pytest

from epay_transfers.ledger.record import kept_as
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content
from epay_transfers.sandbox import Rule
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.preflight import Cause
from tests.journey.scenes import resumed, unreachable
from tests.support.pausing import end_pauses
from tests.support.redis_state import empty
from tests.support.stage import Stage


def calls(stage: Stage) -> int:
    return stage.sandbox.book.calls["confirm"]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_paused_lane_holds_a_confirm_back_and_burns_no_try(stage: Stage, is_known: bool) -> None:  # noqa: FBT001 - a table's column
    """Whether the worker has read the lanes meanwhile, or hears of it from the claim."""
    key = resumed(stage)
    stage.pauses.pause(Lane.CONFIRM, "main", actor="ops", reason="test")
    if is_known:
        stage.pauses.refresh()
    tokens = stage.sandbox.book.calls["token"]

    stage.journey.confirm(key)

    record = stage.record(key)
    assert (record.state, record.attempts, record.next_attempt_at) == (State.RESUMED, 0, stage.clock.now_ms() + 30_000)
    assert (calls(stage), stage.sandbox.book.calls["token"] - tokens) == (0, 0 if is_known else 1)

    end_pauses(stage.pauses, Lane.CONFIRM, "main")
    stage.pauses.refresh()
    stage.later(31)
    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_worker_whose_servers_are_unfit_confirms_nothing(stage: Stage) -> None:
    key = resumed(stage)
    stage.worker.preflight.set_fit(Cause.SERVERS, is_fit=False)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).version, calls(stage)) == (State.RESUMED, 4, 0)


@pytest.mark.parametrize("at", ["execute", "confirm"])
def test_an_open_breaker_costs_neither_a_token_nor_a_try(stage: Stage, at: str) -> None:
    """Once a worker has read that it is open; and what waited for it is paid when it is closed."""
    key = stage.new() if at == "execute" else resumed(stage)
    for _ in range(9):
        stage.worker.breakers.failed("bank", "refused")
    stage.worker.breakers.refresh()
    tokens = stage.sandbox.book.calls["token"]

    getattr(stage.journey, at)(key)

    record = stage.record(key)
    assert (record.attempts, record.next_attempt_at) == (0, stage.clock.now_ms() + 5_000)
    assert stage.sandbox.book.calls["token"] == tokens

    stage.worker.breakers.close("bank")
    stage.worker.breakers.refresh()
    stage.later(6)
    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_an_early_ring_confirms_nothing(stage: Stage) -> None:
    key = resumed(stage)
    stage.sandbox.faults.add(Rule("token", "status", http_status=503, times=1))
    stage.journey.confirm(key)
    assert stage.record(key).next_attempt_at > stage.clock.now_ms()

    stage.journey.confirm(key)

    assert (stage.state(key), calls(stage)) == (State.RESUMED, 0)


def test_a_confirm_that_needs_no_token_asks_for_none(stage: Stage) -> None:
    stage.with_rules(preflight=replace(stage.rules.preflight, confirm_needs_token=False))
    key = resumed(stage)
    tokens = stage.sandbox.book.calls["token"]
    unreachable(stage)

    stage.journey.confirm(key)

    assert stage.sandbox.book.calls["token"] == tokens


def test_a_pares_that_the_vault_has_lost_is_doubt(stage: Stage) -> None:
    """It may have been sent by somebody of whom the ledger has forgotten: nothing there is never a proof."""
    key = resumed(stage)
    empty(stage.vault.client)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason, calls(stage)) == (State.IN_DOUBT, "vault_nothing", 0)


def test_a_pares_that_does_not_open_is_doubt_and_is_not_sent(stage: Stage) -> None:
    key = resumed(stage)
    record = stage.record(key)
    empty(stage.vault.client)
    stage.vault.put(Purpose.PARES, key, record.epoch, "1.00000000.torn", 900_000, tag="d")

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason, calls(stage)) == (State.IN_DOUBT, "pares_unreadable", 0)


def test_a_challenge_that_is_gone_is_doubt_and_its_pares_is_not_sent(stage: Stage, ledger_client: Any) -> None:
    key = resumed(stage)
    (name,) = ledger_client.keys("*challenge*")
    ledger_client.delete(name)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason, calls(stage)) == (State.IN_DOUBT, "pares_unreadable", 0)


@pytest.mark.parametrize("needs_token", [True, False])
def test_details_that_a_hand_has_damaged_end_the_try_before_anything_is_taken(
    stage: Stage, ledger_client: Any, *, needs_token: bool
) -> None:
    """The request can't be built: so no claim is made, and the PaRes stays where it is."""
    stage.with_rules(preflight=replace(stage.rules.preflight, confirm_needs_token=needs_token))
    key = resumed(stage)
    ledger_client.hset(redis_keys.record(key), kept_as("order_details"), "{torn")

    with pytest.raises(ValueError, match="Expecting"):
        stage.journey.confirm(key)

    record = stage.record(key)
    assert (record.state, calls(stage)) == (State.RESUMED, 0)
    assert stage.vault.look(Purpose.PARES, key, record.epoch) is Content.BLOB


def test_what_breaks_after_the_pares_was_taken_is_doubt(stage: Stage) -> None:
    def breaks() -> None:
        raise RuntimeError("a bug")

    key = resumed(stage)
    unreachable(stage, breaks)

    with pytest.raises(RuntimeError, match="a bug"):
        stage.journey.confirm(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.IN_DOUBT, "worker_error", "maybe_sent")
    assert stage.vault.look(Purpose.PARES, key) is Content.TOMBSTONE


def test_a_confirm_is_tried_beyond_the_intents_deadline(stage: Stage) -> None:
    """The deadline is for sending: who has answered the challenge is waited for, but for `PARK_TTL` at the most."""
    stage.with_rules(retry=RetryRule(attempts=10_000, min_backoff_s=100, max_backoff_s=100))
    key = resumed(stage)
    record = stage.record(key)
    assert record.deadline_at == record.parked_until
    unreachable(stage)

    stage.clock.advance(901)
    stage.journey.confirm(key)
    assert (stage.state(key), stage.record(key).attempts) == (State.RESUMED, 1)

    stage.clock.advance(899)
    stage.journey.confirm(key)
    record = stage.record(key)
    assert (record.state, record.reason, record.attempts) == (State.IN_DOUBT, "confirm_attempts_used_up", 2)


def test_a_pares_that_was_given_back_is_known_by_its_tag(stage: Stage) -> None:
    """So the same PaRes, brought again by the client's browser, is a duplicate and no conflict."""
    key = resumed(stage)
    unreachable(stage)
    stage.journey.confirm(key)
    record = stage.record(key)

    again = stage.vault.put(Purpose.PARES, key, record.epoch, "1.00000000.other", 900_000, tag="d")

    assert (record.state, again) == (State.RESUMED, "SAME")
