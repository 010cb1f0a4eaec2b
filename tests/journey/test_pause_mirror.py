"""A ledger that is restored has lost what came after its copy, and a pause with it: the vault gives it back."""

import pytest

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Kind, operator
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane
from tests.support.stage import Stage


def ledger_forgets(stage: Stage) -> None:
    """The whole ledger is as it was before the first pause: so are both hashes."""
    stage.ledger.client.delete(redis_keys.PAUSES, redis_keys.ADDED_PAUSES)


def test_a_fraud_stop_outlives_a_restore(stage: Stage) -> None:
    """An operator's, as a worker wrote it down; and nothing is sent once a worker has looked."""
    pause_id = stage.pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    stage.worker.inbox._inboxes.put(operator("aigul"), Kind.PAUSED, {"pause": pause_id, "why": "fraud"})
    stage.worker.inbox.run_once()
    (was,) = stage.pauses.standing()
    ledger_forgets(stage)

    stage.worker.maintenance.run_once()
    stage.clock.advance(6)
    stage.worker.maintenance.run_once()
    key = stage.new()
    stage.journey.execute(key)

    assert stage.pauses.standing() == [was]
    assert stage.state(key) is State.QUEUED
    told = [event.fields for event in stage.events.newest() if event.fields["verb"] == "pause"][-1]
    assert (told["verb"], told["pause"], told["reason"]) == (
        "pause", pause_id, "the ledger has lost it, and the vault has kept it: fraud",
    )  # fmt: skip


def test_one_that_was_ended_does_not_come_back(stage: Stage) -> None:
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    mirror.keep()

    assert mirror.end(stage.pauses.standing()[0], actor="operator aigul", reason="over")
    mirror.keep()

    assert stage.pauses.standing() == []
    assert stage.vault.client.hgetall(redis_keys.KEPT_PAUSES) == {}


def test_one_whose_worker_died_between_copy_and_pause_stands_and_is_copied_again(stage: Stage) -> None:
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    mirror.keep()
    stage.vault.client.delete(redis_keys.KEPT_PAUSES)  # the first half of its end

    mirror.keep()

    assert len(stage.pauses.standing()) == 1
    ledger_forgets(stage)
    mirror.keep()
    assert len(stage.pauses.standing()) == 1


def test_one_whose_time_is_over_is_forgotten_by_both(stage: Stage) -> None:
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    until_ms = stage.clock.now_ms() + 1000
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r", until_ms=until_ms)
    mirror.keep()
    ledger_forgets(stage)
    stage.clock.advance(2)

    mirror.keep()

    assert (stage.pauses.standing(), stage.vault.client.hgetall(redis_keys.KEPT_PAUSES)) == ([], {})
    assert stage.ledger.client.hgetall(redis_keys.PAUSES) == {}


def test_a_trial_is_copied_as_it_stands(stage: Stage) -> None:
    """A restored pause lets no more through than were left."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="operator aigul", reason="try")
    mirror.keep()
    stage.journey.execute(stage.new("[decline:487]"))
    mirror.keep()
    ledger_forgets(stage)

    mirror.keep()

    assert [pause.tries for pause in stage.pauses.standing()] == [0]


def test_without_the_vault_no_pause_ends(stage: Stage) -> None:
    """Its copy would bring it back. Nothing is sent without the vault anyway."""
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    mirror = PauseMirror(stage.pauses, connect("redis://127.0.0.1:1/0"), "worker")

    with pytest.raises(VaultUnavailable):
        mirror.end(stage.pauses.standing()[0], actor="operator aigul", reason="over")
    assert len(stage.pauses.standing()) == 1
