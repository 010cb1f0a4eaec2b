"""A vault keeps nothing over a restart: who is claimed without a card is lost, who is queued can have it again."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Never

import pytest

from epay_transfers.ledger.errors import VaultUnavailable, VaultWentBack
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import ALL, Lane
from epay_transfers.ledger.store.replies import Run
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.runtime.health import Finding
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.maintenance import Maintenance
from tests.journey.scenes import unreachable
from tests.support.redis_state import empty
from tests.support.stage import Stage

#: Longer than two clocks may be apart, and a second to spare.
LATER_S = 3.001


def away(*_: object) -> Never:
    raise VaultUnavailable


def is_away_at(stage: Stage, call: str, key: str, patch: pytest.MonkeyPatch) -> None:
    with patch.context() as while_away:
        while_away.setattr(type(stage.vault), call, away)
        with pytest.raises(VaultUnavailable) if call != "take" else nullcontext():
            stage.journey.execute(key)
    empty(stage.vault.client)


def is_away_at_the_take(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    is_away_at(stage, "take", stage.new(), patch)


def is_away_at_a_look(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    is_away_at(stage, "look", rung(stage), patch)


def has_nothing_to_take(stage: Stage, _: pytest.MonkeyPatch) -> None:
    key = stage.new()
    empty(stage.vault.client)
    stage.journey.execute(key)


def has_nothing_at_a_look(stage: Stage, _: pytest.MonkeyPatch) -> None:
    key = rung(stage)
    empty(stage.vault.client)
    stage.journey.execute(key)


def is_away_for_the_sweeper(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    key = stage.new()
    stage.worker.preflight.claim(stage.record(key), Lane.SEND)
    with patch.context() as while_away:
        while_away.setattr(type(stage.vault), "refence", away)
        with pytest.raises(VaultUnavailable):
            stage.journey.sweep(stage.record(key))
    empty(stage.vault.client)


def is_away_at_a_deadline(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    with patch.context() as while_away:
        while_away.setattr(type(stage.vault), "close", away)
        with pytest.raises(VaultUnavailable):
            stage.journey.sweep(replace(stage.record(stage.new()), deadline_at=0))
    empty(stage.vault.client)


def has_nothing_to_give_a_card_back_to(stage: Stage, _: pytest.MonkeyPatch) -> None:
    bank = stage.journey.bank
    unreachable(stage, meanwhile=lambda: empty(stage.vault.client))
    stage.journey.execute(stage.new())
    stage.journey.bank = bank


def is_another_run(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    maintenance = keeping(stage)
    maintenance.run_once()
    empty(stage.vault.client)
    patch.setattr(type(stage.vault), "count", lambda _: Run("another", 1))
    stage.clock.advance(60)
    maintenance.run_once()


def is_empty_for_a_new_worker(stage: Stage, _: pytest.MonkeyPatch) -> None:
    empty(stage.vault.client)
    stage.build()


def forgets_while_a_token_is_fetched(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    fetch: Callable[..., Any] = type(stage.bank).token

    def slowly(*args: Any, **kwargs: Any) -> Any:
        patch.setattr(type(stage.bank), "token", fetch)
        has_nothing_to_take(stage, patch)
        return fetch(*args, **kwargs)

    patch.setattr(type(stage.bank), "token", slowly)


@pytest.mark.parametrize(
    "happens",
    [
        is_away_at_the_take,
        is_away_at_a_look,
        has_nothing_to_take,
        has_nothing_at_a_look,
        is_away_for_the_sweeper,
        is_away_at_a_deadline,
        has_nothing_to_give_a_card_back_to,
        is_another_run,
        is_empty_for_a_new_worker,
        forgets_while_a_token_is_fetched,
    ],
)
def test_who_was_enqueued_before_the_vault_forgot_can_be_brought_again(
    stage: Stage, happens: Callable[[Stage, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever notices is the price, where it had been claimed; all others are as safe as before."""
    stage.clock.advance(LATER_S)
    key = stage.new()
    happens(stage, monkeypatch)

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED
    stage.put(stage.record(key))
    stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_nobody_looks_for_a_card_that_was_put_in_since(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost a round trip of every transfer."""
    stage.clock.advance(LATER_S)
    key = stage.new()

    with monkeypatch.context() as patch:
        patch.setattr(type(stage.vault), "look", away)
        stage.journey.execute(key)

    assert stage.state(key) is State.PAID


def test_a_worker_that_starts_beside_a_queue_looks_for_no_card_that_came_after_the_vaults_start(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first look at the vault tells it since when that has lost nothing."""
    stage.clock.advance(LATER_S)
    key = stage.new()
    stage.clock.advance(LATER_S)
    monkeypatch.setattr(type(stage.vault), "uptime_s", lambda _: 3600)
    stage.build()
    stage.worker.maintenance.run_once()

    with monkeypatch.context() as patch:
        patch.setattr(type(stage.vault), "look", away)
        stage.journey.execute(key)

    assert stage.state(key) is State.PAID


def test_a_worker_that_starts_after_the_vaults_restart_looks_for_what_came_before_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with an older transfer: its card is missing, and it waits for its producer."""
    key = stage.new()
    stage.clock.advance(2 * LATER_S)
    monkeypatch.setattr(type(stage.vault), "uptime_s", lambda _: LATER_S)
    stage.build()
    stage.worker.maintenance.run_once()
    empty(stage.vault.client)

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED


def test_an_old_cards_put_that_came_late_is_no_card(stage: Stage) -> None:
    key = stage.new(cards=None)
    record = stage.record(key)
    stage.put(record)
    stage.worker.recorder.move(record, Verb.REPLACE_CARD, Change(due_at=stage.clock.now_ms(), fields={"wakeups": 1}))

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED


def test_a_producers_clock_may_be_ahead(stage: Stage) -> None:
    """Its transfer looks newer than the vault's restart, and is not."""
    stage.clock.advance(2)
    key = stage.new()
    stage.clock.advance(-2)
    empty(stage.vault.client)
    stage.build()

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED


def test_the_housekeeper_tells_once_that_it_is_another_vault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    maintenance = keeping(stage)
    for run_id in ("one", "one", "two", "two"):
        monkeypatch.setattr(type(stage.vault), "count", lambda _, it=run_id: Run(it, 1))
        maintenance.run_once()
        stage.clock.advance(60)

    assert [event.fields["verb"] for event in stage.events.newest(9)] == ["vault_forgot"]


def test_the_housekeeper_tells_once_that_the_vault_went_back_and_does_all_else(stage: Stage) -> None:
    """The same run, and fewer writes of it than the ledger was told of: the servers are looked at each minute still."""
    run = stage.vault.count()
    stage.ledger.remember_vault(Run(run.id, run.writes + 1))
    looks: list[float] = []
    maintenance = keeping(stage, lambda: looks.append(stage.clock.monotonic()))
    for _ in range(6):
        maintenance.run_once()
        stage.clock.advance(30)

    assert [event.fields["verb"] for event in stage.events.newest(9)] == ["vault_went_back"]
    assert [look - looks[0] for look in looks] == [0, 60, 120]


def test_a_run_of_the_vault_that_went_back_is_trusted_by_no_worker_until_its_server_is_restarted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other callers' writes make its count level, and the worker that saw it go back is gone: the next one knows it."""
    run = stage.vault.count()
    stage.ledger.remember_vault(Run(run.id, run.writes + 1))
    keeping(stage).run_once()
    assert not stage.worker.preflight.is_fit

    key = stage.new(cards=None)
    for n in range(3):  # a producer that knows no count puts its cards
        type(stage.vault)(stage.vault.client).put(Purpose.CARD, f"00010{n}", 1, "sealed", 1000)
    for maintenance in (keeping(stage), keeping(stage, custody=fresh(stage))):
        for _ in range(3):
            maintenance.run_once()
            assert not stage.worker.preflight.is_fit
            stage.clock.advance(30)
    with pytest.raises(VaultWentBack):
        fresh(stage).is_untouched(stage.record(key))

    another = stage.ledger.client  # another server is another run
    monkeypatch.setattr(stage.vault, "_scripts", type(stage.vault)(another)._scripts)
    keeping(stage).run_once()
    assert stage.worker.preflight.is_fit


def test_a_worker_that_starts_trusts_no_run_that_went_back_before_it_asked_the_ledger(stage: Stage) -> None:
    """Its first look at the vault is by what the ledger was told of it."""
    run = stage.vault.count()
    stage.ledger.remember_vault(Run(run.id, run.writes + 1))

    keeping(stage, custody=fresh(stage)).run_once()

    assert not stage.worker.preflight.is_fit
    assert stage.ledger.vault_writes(run.id) == 999_999_999_999_999


@pytest.mark.parametrize("count", ["garbage", "9" * 16, "9" * 400, "inf", "-1"])
def test_a_count_that_is_no_number_of_ours_is_none_for_the_ledger_either(stage: Stage, count: str) -> None:
    """And it is written over by what the next worker knows."""
    run = stage.vault.count()
    stage.ledger.client.hset(redis_keys.COUNTERS, f"vault:{run.id}", count)

    assert stage.ledger.vault_writes(run.id) == 0
    stage.ledger.remember_vault(Run(run.id, 7))
    assert stage.ledger.vault_writes(run.id) == 7


@pytest.mark.parametrize("garbage", [b"garbage", b"", b"\xff", b"X:" + b"9" * 400])
@pytest.mark.parametrize("kind", ["queued", "parked"])
def test_garbage_in_the_vault_keeps_no_transfer_from_its_end(stage: Stage, kind: str, garbage: bytes) -> None:
    """A producer writes it in a card's place, the web tier in a PaRes': the deadline ends the transfer all the same."""
    if kind == "queued":
        stage.pauses.pause(Lane.SEND, ALL, actor="ops", reason="test")
    key = stage.new("[3ds]" if kind == "parked" else "Payout")
    stage.journey.execute(key)
    assert stage.state(key).value == kind
    stage.vault.client.set((redis_keys.pares if kind == "parked" else redis_keys.card)(key), garbage)

    stage.later(901)

    assert stage.state(key) in {State.EXPIRED, State.DECLINED}


def fresh(stage: Stage) -> CardCustody:
    """Of a worker that has just started: it knows nothing of the vault yet."""
    return CardCustody(vault=type(stage.vault)(stage.vault.client), ledger=stage.ledger, clock=stage.clock, park_s=900)


def test_the_same_server_is_the_same_run_and_another_is_not(stage: Stage) -> None:
    assert stage.vault.count().id == stage.vault.count().id
    assert stage.vault.count().id != type(stage.vault)(stage.ledger.client).count().id


def rung(stage: Stage) -> str:
    """The sweeper has rung for it, and for nobody else."""
    key = stage.new()
    stage.worker.recorder.move(
        stage.record(key), Verb.SCHEDULE_WAKEUP, Change(due_at=stage.clock.now_ms(), silent=True, fields={"wakeups": 1})
    )
    return key


def keeping(stage: Stage, looked: Callable[[], object] = object, custody: CardCustody | None = None) -> Maintenance:
    def examine() -> list[Finding]:
        looked()
        return []

    return Maintenance(
        ledger=stage.ledger,
        custody=custody or stage.worker.custody,
        breakers=stage.worker.breakers,
        pauses=stage.pauses,
        mirror=PauseMirror(stage.pauses, stage.vault.client, "worker"),
        events=stage.events,
        preflight=stage.worker.preflight,
        ask_harmless=lambda _: True,
        examine=examine,
        keep_ms=3_600_000,
        clock=stage.clock,
        actor="worker",
    )
