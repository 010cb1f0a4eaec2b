"""A ledger that is restored has lost what came after its copy, and a pause with it: the vault gives it back."""

from collections.abc import Callable

import pytest

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Kind, operator
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane
from epay_transfers.worker.preflight import Cause as Unfit
from tests.support.clocks import FakeClock
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


def stale_copies(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, end: Callable[[], None]) -> PauseMirror:
    """Another worker's mirror: it has read the ledger, and copies what it read after `end`."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "another worker")
    copy = mirror._copy

    def late(pause_id: str, text: str) -> None:
        monkeypatch.setattr(mirror, "_copy", copy)
        end()
        copy(pause_id, text)

    monkeypatch.setattr(mirror, "_copy", late)
    return mirror


@pytest.mark.parametrize("whose", ["a worker's", "an operator's", "an operator's that no worker wrote", "unreadable"])
def test_one_that_ends_while_another_worker_copies_it_does_not_come_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """The other worker read the ledger before the end, and wrote its copy after it. The copy goes, too."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    match whose:
        case "a worker's":
            stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
        case "unreadable":
            stage.ledger.client.hset(redis_keys.PAUSES, "odd", "?")
        case _:
            stage.pauses.add(Lane.SEND, ALL, Cause.FRAUD)

    def end() -> None:
        (pause_id,) = {pause.id for pause in stage.pauses.standing()}
        if whose == "an operator's":
            stage.pauses.pause(Lane.SEND, ALL, actor="operator", reason="r", cause=Cause.FRAUD, pause_id=pause_id)
        assert mirror.end(stage.pauses.standing()[0], actor="operator aigul", reason="over")

    other = stale_copies(stage, monkeypatch, end=end)
    other.keep()
    assert len(stage.vault.client.hgetall(redis_keys.KEPT_PAUSES)) == 1
    assert other.lost() == []

    other.keep()

    assert stage.pauses.standing() == []
    assert stage.vault.client.hgetall(redis_keys.KEPT_PAUSES) == {}


def test_one_of_the_same_name_as_an_ended_one_is_kept_and_set_again(stage: Stage) -> None:
    """The same cause, lane and terminal again, one millisecond later: it is another pause."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    mirror.keep()
    mirror.end(stage.pauses.standing()[0], actor="operator aigul", reason="over")
    stage.clock.advance(0.001)
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    mirror.keep()
    ledger_forgets(stage)

    mirror.keep()

    assert [pause.reason for pause in stage.pauses.standing()] == ["r"]


def test_one_whose_end_failed_stands_and_is_kept(stage: Stage) -> None:
    """A reason was added before its end: the end did nothing, and no restore leaves it out."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    (seen,) = stage.pauses.standing()
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="another")
    assert not mirror.end(seen, actor="operator aigul", reason="over")
    mirror.keep()
    ledger_forgets(stage)

    mirror.keep()

    assert [pause.reason for pause in stage.pauses.standing()] == ["r; another"]


def test_the_ledger_remembers_so_many_ended_pauses_and_no_more(stage: Stage) -> None:
    """A thief of an operator's password who adds pauses and ends them fills nothing."""
    for _ in range(3):
        stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
        (pause,) = stage.pauses.standing()
        stage.ledger.client.zadd(redis_keys.ENDED_PAUSES, {f"x{n}": n for n in range(1000)})
        assert stage.pauses.unpause(pause, actor="operator aigul", reason="over")
        assert stage.pauses.has_ended(pause.field_name, pause.written)
        stage.clock.advance(1)

    assert stage.ledger.client.zcard(redis_keys.ENDED_PAUSES) == 1000


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


@pytest.mark.parametrize("is_lost", [False, True])
def test_one_whose_time_is_over_is_forgotten_by_both(stage: Stage, *, is_lost: bool) -> None:
    """An hour later, and with an event where the ledger still has it."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    until_ms = stage.clock.now_ms() + 1000
    written = stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r", until_ms=until_ms)
    added = stage.pauses.add(Lane.SEND, ALL, Cause.OTHER, until_ms)
    mirror.keep()
    if is_lost:
        ledger_forgets(stage)
    stage.clock.advance(3602)

    mirror.keep()
    mirror.forget()

    assert (stage.pauses.standing(), stage.vault.client.hgetall(redis_keys.KEPT_PAUSES)) == ([], {})
    assert stage.pauses.there() == {}
    ended = [event.fields["pause"] for event in stage.events.newest() if event.fields["verb"] == "unpause"]
    assert sorted(ended) == ([] if is_lost else sorted([added, written]))


def test_what_a_thief_of_an_operators_password_added_is_cleared_and_never_restored_as_written(stage: Stage) -> None:
    """More than are read at once: what one look does not show is no loss of the ledger."""
    over = stage.clock.now_ms() - 4_000_000
    stage.ledger.client.hset(
        redis_keys.ADDED_PAUSES,
        mapping={f"n{n}": f"{over if n % 2 else 0} inquire * - - []" for n in range(1000)},
    )

    stage.worker.maintenance.run_once()
    stage.ledger.client.hset(
        redis_keys.ADDED_PAUSES, mapping={f"a{n}": "0 inquire * - - []" for n in range(1000)}
    )  # these come first now
    for _ in range(2):
        stage.clock.advance(6)
        stage.worker.maintenance.run_once()

    assert stage.ledger.client.hlen(redis_keys.PAUSES) == 0
    assert stage.ledger.client.hlen(redis_keys.ADDED_PAUSES) == 1500


def test_a_clock_that_jumps_for_a_moment_ends_no_pause(stage: Stage) -> None:
    """The worker is unfit meanwhile: it forgets nothing, and the pause holds again once the clock is right."""
    key = stage.new()
    stage.pauses.pause(Lane.SEND, ALL, actor="op", reason="fraud", until_ms=stage.clock.now_ms() + 7_200_000)
    stage.worker.maintenance.run_once()
    stage.worker.preflight.set_fit(Unfit.CLOCK, is_fit=False)
    right, stage.pauses._test_clock = stage.pauses._test_clock, FakeClock(stage.clock.now_ms() + 20_000_000)
    stage.clock.advance(6)
    stage.worker.maintenance.run_once()
    stage.pauses._test_clock = right
    stage.worker.preflight.set_fit(Unfit.CLOCK, is_fit=True)
    stage.clock.advance(6)
    stage.worker.maintenance.run_once()

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED


def test_an_operators_pause_that_no_worker_wrote_down_is_kept_too(stage: Stage) -> None:
    """Its command died before it asked a worker to."""
    pause_id = stage.pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    stage.worker.maintenance.run_once()
    ledger_forgets(stage)

    stage.worker.maintenance.run_once()
    key = stage.new()
    stage.journey.execute(key)

    assert [(pause.id, pause.cause) for pause in stage.pauses.standing()] == [(pause_id, Cause.FRAUD)]
    assert stage.state(key) is State.QUEUED


def test_nothing_is_sent_between_a_failover_and_the_copies(stage: Stage) -> None:
    """A running worker goes by what it saw until it has compared the new server with the vault."""
    stage.pauses.pause(Lane.SEND, ALL, actor="op", reason="fraud", cause=Cause.FRAUD)
    stage.worker.maintenance.run_once()
    ledger_forgets(stage)
    early, late = stage.new(), stage.new()

    stage.journey.execute(early)
    stage.clock.advance(0.5)
    stage.worker.maintenance.run_once()
    stage.journey.execute(late)

    assert (stage.state(early), stage.state(late)) == (State.QUEUED, State.QUEUED)


def test_a_restored_pause_has_no_try_left(stage: Stage) -> None:
    """The copy is some seconds old: its try may have been used since."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="operator aigul", reason="try")
    mirror.keep()
    stage.journey.execute(stage.new("[decline:487]"))
    ledger_forgets(stage)

    mirror.keep()

    assert [pause.tries for pause in stage.pauses.standing()] == [0]


def test_an_older_text_of_the_ledger_gives_no_try_back(stage: Stage) -> None:
    """A ledger that was restored to a moment before the try was used."""
    mirror = PauseMirror(stage.pauses, stage.vault.client, "worker")
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="operator aigul", reason="try")
    (seen,) = stage.pauses.standing()
    stage.journey.execute(stage.new("[decline:487]"))
    mirror.keep()
    stage.ledger.client.hset(redis_keys.PAUSES, seen.field_name, seen.written)

    mirror.keep()

    assert [pause.tries for pause in stage.pauses.standing()] == [0]


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


def test_a_round_of_maintenance_reads_the_pauses_once(stage: Stage) -> None:
    """Each worker does it twice a second. Where one is gone they are read again, once the vault was asked."""

    def hashes_read() -> int:
        before = scans(stage)
        stage.worker.maintenance.run_once()
        return scans(stage) - before

    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r")
    stage.worker.maintenance.run_once()

    assert hashes_read() == 2
    stage.worker.maintenance._mirror.end(stage.pauses.standing()[0], actor="operator", reason="over")
    assert hashes_read() > 2
    assert stage.pauses.holding(Lane.SEND, "main", stage.clock.now_ms()) is None


def scans(stage: Stage) -> int:
    stats: dict[str, dict[str, int]] = stage.ledger.client.info("commandstats")
    return stats.get("cmdstat_hscan", {}).get("calls", 0)
