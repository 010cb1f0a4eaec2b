"""A vault keeps nothing over a restart: who is claimed without a card is lost, who is queued can have it again."""

from collections.abc import Callable
from typing import Never

import pytest

from ledger.errors import VaultUnavailable
from ledger.states import State
from tests.journey.conftest import Stage


def vault_is_away(stage: Stage, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the claim and the card."""

    def away(*_: object) -> Never:
        raise VaultUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(stage.vault), "burn", away)
        with pytest.raises(VaultUnavailable):
            stage.journey.execute(key)
    stage.vault.client.flushall()


def vault_came_back_unnoticed(stage: Stage, key: str, _: pytest.MonkeyPatch) -> None:
    stage.vault.client.flushall()
    stage.journey.execute(key)


def worker_is_a_new_one(stage: Stage, _key: str, _: pytest.MonkeyPatch) -> None:
    stage.vault.client.flushall()
    stage.build()


@pytest.mark.parametrize("happens", [vault_is_away, vault_came_back_unnoticed, worker_is_a_new_one])
def test_who_was_enqueued_before_the_vault_forgot_can_be_brought_again(
    stage: Stage, happens: Callable[[Stage, str, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is the price of noticing; none, for a worker that was not there."""
    first, second = stage.new(), stage.new()
    stage.clock.advance(1)
    happens(stage, first, monkeypatch)

    stage.journey.execute(second)

    assert stage.state(second) is State.QUEUED
    stage.put(stage.record(second))
    stage.journey.execute(second)
    assert (stage.state(second), stage.executions(second)) == (State.PAID, 1)


def test_nobody_looks_for_a_card_that_was_put_in_since(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost a round trip of every transfer."""
    key = stage.new()

    def nobody(*_: object) -> Never:
        pytest.fail("somebody looked")

    with monkeypatch.context() as patch:
        patch.setattr(type(stage.vault), "look", nobody)
        stage.journey.execute(key)

    assert stage.state(key) is State.PAID
