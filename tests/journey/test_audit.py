"""The audit sees each way in which ledger, `due`, counters, queue and vault can disagree, and is silent otherwise."""

from collections.abc import Callable, Iterator

import pytest

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.runtime.audit import Audit, Discrepancy
from tests.support.stage import Stage, queue_url


def audited(stage: Stage) -> list[Discrepancy]:
    queue = connect(queue_url(stage.ledger.client), text=False)
    try:
        return Audit(stage.ledger, queue, stage.vault.client).run()
    finally:
        queue.close()


def audit(stage: Stage) -> list[tuple[str, str]]:
    return [(oddity.where, oddity.key) for oddity in audited(stage)]


def test_nothing_is_off_where_nothing_is(stage: Stage) -> None:
    """One queued, one parked, one in doubt, one paid, one declined: all agree."""
    stage.new()
    for description in ("[3ds]", "[drop-after]", "Payout", "[decline:484]"):
        stage.journey.execute(stage.new(description))

    assert audit(stage) == []


def _not_due(stage: Stage, key: str) -> None:
    stage.ledger.client.zrem(redis_keys.DUE, key)


def _not_listed(stage: Stage, key: str) -> None:
    record = stage.record(key)
    stage.ledger.client.zrem(redis_keys.BY_STATE, f"queued:main:{record.state_since}:{key}")


def _no_card(stage: Stage, key: str) -> None:
    stage.vault.drop(key)


def _forgotten(stage: Stage, key: str) -> None:
    stage.ledger.client.delete(redis_keys.record(key))


def _late(stage: Stage, _key: str) -> None:
    stage.clock.advance(120)


def _miscounted(stage: Stage, _key: str) -> None:
    stage.ledger.client.hincrby(redis_keys.COUNTERS, "sum:queued:main:KZT:", 1)


def _foreign_message(stage: Stage, _key: str) -> None:
    stage.broker.client.hset(f"{NAMESPACE}:{NOW}.msgs", "id", "not a message")


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (_not_due, "ledger, due"),
        (_not_listed, "ledger, by_state"),
        (_no_card, "ledger, vault"),
        (_forgotten, "due, ledger"),
        (_forgotten, "vault, ledger"),
        (_late, "due, clock"),
        (_late, "ledger, queue"),
        (_miscounted, "counters, ledger"),
        (_foreign_message, "queue, ledger"),
    ],
)
def test_each_damage_is_seen(stage: Stage, damage: Callable[[Stage, str], None], where: str) -> None:
    """Damage one thing, and the pair that disagrees is named."""
    key = stage.new()

    damage(stage, key)

    assert where in {place for place, _ in audit(stage)}


MONTH_MS = 31 * 86_400_000


def _due_beyond_all_rules(stage: Stage, key: str) -> None:
    stage.ledger.client.zadd(redis_keys.DUE, {key: stage.clock.now_ms() + MONTH_MS + 1})


def _breaker_beyond_all_rules(stage: Stage, _key: str) -> None:
    stage.ledger.client.hset(redis_keys.BREAKERS, "open:bank", str(stage.clock.now_ms() + 7_200_000))


def _rate_beyond_all_rules(stage: Stage, _key: str) -> None:
    stage.ledger.client.hset(redis_keys.RATES, "main", str(stage.clock.now_ms() + MONTH_MS + 1))


def _pause_beyond_all_rules(stage: Stage, _key: str) -> None:
    until_ms = stage.clock.now_ms() + MONTH_MS + 1
    pause_id = stage.pauses.add(Lane.SEND, "main", Cause.OTHER, until_ms)
    (text,) = stage.ledger.client.hvals(redis_keys.ADDED_PAUSES)
    stage.ledger.client.hset(redis_keys.PAUSES, "k7f3", str(text))
    stage.ledger.client.hdel(redis_keys.ADDED_PAUSES, pause_id)


@pytest.mark.parametrize("where", ["due, clock", "ledger, queue"])
def test_what_is_later_by_the_second_look_is_seen_twice(stage: Stage, where: str) -> None:
    """A million transfers are read for minutes: the seconds in its sentence are others by then."""

    class Slow(Audit):
        def _look(self) -> Iterator[Discrepancy]:
            yield from super()._look()
            stage.clock.advance(90)

    key = stage.new()
    stage.broker.client.flushdb()
    stage.clock.advance(120)

    found = Slow(stage.ledger, stage.broker.client, stage.vault.client).run()

    (odd,) = (odd for odd in found if odd.where == where)
    assert odd.key == key
    assert int(odd.says.partition(" for ")[2].partition(" s")[0]) > 200, "as it was seen last"


@pytest.mark.parametrize(
    ("damage", "where", "name", "when"),
    [
        (_due_beyond_all_rules, "due, clock", "", "queued, due in 31.0 days"),
        (_breaker_beyond_all_rules, "breakers, clock", "open:bank", "until in 7200 s"),
        (_rate_beyond_all_rules, "rates, clock", "main", "until in 31.0 days"),
        (_pause_beyond_all_rules, "pauses, clock", "k7f3", "until in 31.0 days"),
    ],
)
def test_a_time_that_no_rule_gives_is_named(
    stage: Stage, damage: Callable[[Stage, str], None], where: str, name: str, when: str
) -> None:
    """It is what a clock that was wrong has left behind."""
    key = stage.new()

    damage(stage, key)

    assert audited(stage) == [Discrepancy(where, name or key, f"{when}: no rule says that")]


def test_what_rules_give_is_not_named(stage: Stage) -> None:
    """A breaker that was opened just now, a rate that is ahead, a pause without an end, the longest deadline."""
    key, now_ms = stage.new(), stage.clock.now_ms()
    stage.ledger.client.zadd(redis_keys.DUE, {key: stage.record(key).deadline_at})
    stage.worker.breakers.trip("bank", "refused")
    stage.ledger.client.hset(redis_keys.BREAKERS, "probes:bank", str(now_ms * 2))
    stage.ledger.client.hset(redis_keys.RATES, "main", str(now_ms + MONTH_MS))
    stage.pauses.pause(Lane.SEND, "main", actor="ops", reason="a test")

    assert audited(stage) == []


def test_a_card_that_outlived_its_transfer_is_seen(stage: Stage) -> None:
    """Paid, and a blob in the vault: it should not be there."""
    key = stage.new()
    stage.journey.execute(key)
    stage.vault.client.delete(redis_keys.card(key))
    stage.vault.put(Purpose.CARD, key, 1, "x" * 100, 60_000)

    assert audit(stage) == [("vault, ledger", key)]


def test_a_lost_queue_is_rung_for_again_by_the_sweeper(stage: Stage) -> None:
    """Every key of Dramatiq's deleted: the sweeper rings for each, and nothing is paid twice."""
    made = [stage.new() for _ in range(5)]
    stage.broker.client.flushdb()

    stage.later(6)

    assert stage.broker.client.llen(f"{NAMESPACE}:{NOW}") == 5
    assert [stage.executions(key) for key in made] == [1] * 5
