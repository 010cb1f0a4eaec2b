"""The audit of the event log: what each way to change it by hand looks like, and that honest work looks like none."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.runtime.audit import Audit, Discrepancy
from tests.support.stage import Stage, queue_url


def audited(stage: Stage) -> list[Discrepancy]:
    queue = connect(queue_url(stage.ledger.client), text=False)
    try:
        return Audit(stage.ledger, queue, stage.vault.client).run()
    finally:
        queue.close()


def said(stage: Stage) -> list[str]:
    return [f"{odd.key}: {odd.says}" for odd in audited(stage)]


def busy(stage: Stage) -> list[str]:
    """A log as a day leaves it: moves of several transfers, a pause, an alarm."""
    keys = [stage.new() for _ in range(3)]
    stage.pauses.pause(Lane.SEND, "kiosk", actor="ops", reason="a test")
    for key in keys[:2]:
        stage.journey.execute(key)
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")
    return keys


def last(stage: Stage) -> int:
    return int(str(stage.ledger.client.hget(redis_keys.COUNTERS, "events")))


def test_an_honest_log_is_no_finding(stage: Stage) -> None:
    busy(stage)

    assert said(stage) == []


def test_a_log_that_a_worker_trimmed_is_no_finding(stage: Stage) -> None:
    """Twice, and to within the events of one transfer: the last event of each move is still compared."""
    for description in ("[3ds]", "Payout", "[decline:484]") * 20:
        stage.journey.execute(stage.new(description))
    stage.clock.advance(10**6)
    for keep_ms in (0, 0):
        assert stage.events.trim(keep_ms, "worker") > 0
        for _ in range(100):
            stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")
        found = [odd for odd in audited(stage) if odd.where.startswith("events") or odd.where.endswith("events")]
        assert found == []


def add(stage: Stage, event: dict[str, str], **more: Any) -> None:
    """An event as a program writes it that runs no script."""
    stage.ledger.client.xadd(redis_keys.EVENTS, cast("Any", event), **more)


def _emptied(stage: Stage, _keys: list[str]) -> None:
    add(stage, {"verb": "x"}, maxlen=0, approximate=False)


def _emptied_and_gone_on(stage: Stage, keys: list[str]) -> None:
    _emptied(stage, keys)
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")


def _shortened(stage: Stage, _keys: list[str]) -> None:
    stage.ledger.client.xtrim(redis_keys.EVENTS, maxlen=3, approximate=False)


def _forged(stage: Stage, _keys: list[str]) -> None:
    add(stage, {"verb": "pay", "actor": "operator aigul"})


def _forged_with_the_next_number(stage: Stage, keys: list[str]) -> None:
    event = {"number": str(last(stage) + 1), "verb": "pay", "actor": "worker", "key": keys[2], "version": "2"}
    add(stage, event | {"state": "paid", "at": "1"})


def _forged_and_gone_on(stage: Stage, keys: list[str]) -> None:
    _forged_with_the_next_number(stage, keys)
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")


def _forged_far_ahead(stage: Stage, _keys: list[str]) -> None:
    add(stage, {"number": "999", "verb": "pay", "actor": "worker"})
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")


def _forged_with_the_counter(stage: Stage, keys: list[str]) -> None:
    """All numbers are right: the transfer's record speaks against it."""
    _forged_with_the_next_number(stage, keys)
    stage.ledger.client.hincrby(redis_keys.COUNTERS, "events", 1)


def _deleted(stage: Stage, _keys: list[str]) -> None:
    stage.ledger.client.delete(redis_keys.EVENTS)


def _deleted_and_gone_on(stage: Stage, keys: list[str]) -> None:
    _deleted(stage, keys)
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")


def _deleted_with_the_counter(stage: Stage, keys: list[str]) -> None:
    """A log that begins anew with number 1: the transfers that moved since are without their events."""
    _deleted(stage, keys)
    stage.ledger.client.hdel(redis_keys.COUNTERS, "events")
    stage.clock.advance(1)
    stage.new()
    stage.clock.advance(1)
    stage.journey.execute(keys[2])


def _one_deleted(stage: Stage, _keys: list[str]) -> None:
    entries = stage.events.newest(100)
    stage.ledger.client.xdel(redis_keys.EVENTS, entries[3].id)


def _last_deleted(stage: Stage, _keys: list[str]) -> None:
    stage.ledger.client.xdel(redis_keys.EVENTS, stage.events.newest(1)[0].id)


def _counter_set_back(stage: Stage, _keys: list[str]) -> None:
    stage.ledger.client.hincrby(redis_keys.COUNTERS, "events", -2)


def _announced_by_no_worker(stage: Stage, keys: list[str]) -> None:
    _shortened(stage, keys)
    event = {"number": str(last(stage) + 1), "verb": "trimmed", "actor": "backend", "up_to": str(last(stage) - 3)}
    add(stage, event)
    stage.ledger.client.hincrby(redis_keys.COUNTERS, "events", 1)


def _announced_too_far(stage: Stage, _keys: list[str]) -> None:
    event = {"number": str(last(stage) + 1), "verb": "trimmed", "actor": "worker", "up_to": str(last(stage))}
    add(stage, event)
    stage.ledger.client.hincrby(redis_keys.COUNTERS, "events", 1)


def _no_log(stage: Stage, keys: list[str]) -> None:
    _deleted(stage, keys)
    stage.ledger.client.set(redis_keys.EVENTS, "x")


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (_emptied, ["are gone, and no event `trimmed`", "entries added"]),
        (_emptied_and_gone_on, ["are gone, and no event `trimmed`", "entries added"]),
        (_shortened, ["are gone, and no event `trimmed`"]),
        (_forged, ["has no number", "entries added"]),
        (_forged_with_the_next_number, ["the ledger's counter says", "entries added", "but its last event says paid"]),
        (_forged_and_gone_on, ["an event was forged", "entries added", "but its last event says paid"]),
        (_forged_far_ahead, ["are missing", "an event was forged", "entries added"]),
        (_forged_with_the_counter, ["but its last event says paid"]),
        (_deleted, ["are gone, and no event `trimmed`", "entries added"]),
        (_deleted_and_gone_on, ["are gone, and no event `trimmed`", "entries added"]),
        (_deleted_with_the_counter, ["no event tells how it came to that"]),
        (_one_deleted, ["the events 4 to 4 are missing"]),
        (_last_deleted, ["are missing"]),
        (_counter_set_back, ["the ledger's counter says", "entries added"]),
        (_announced_by_no_worker, ["are gone, and no event `trimmed`"]),
        (_announced_too_far, ["stands"]),
        (_no_log, ["the ledger's events"]),
    ],
)
def test_each_attack_is_a_finding(stage: Stage, attack: Callable[[Stage, list[str]], None], words: list[str]) -> None:
    """What a program with a password could do to the log by hand, and the sentence that names it."""
    keys = busy(stage)

    attack(stage, keys)

    found = "\n".join(said(stage))
    for word in words:
        assert word in found


def test_a_ledger_that_was_restored_has_a_log_that_fits_in_itself(stage: Stage) -> None:
    """Log and counter go back together: the audit sees nothing in them. The follower does, and the vault's mark."""
    client = stage.ledger.client
    busy(stage)
    copies = [(str(name), client.dump(str(name)) or b"") for name in client.keys("*")]
    stage.events.alarm(Alarm.CLOCK_RIGHT, actor="worker")

    client.flushdb()
    for name, dump in copies:
        client.restore(name, 0, dump)

    assert [line for line in said(stage) if line.startswith("events")] == []


def test_a_forged_event_that_is_taken_out_again_is_no_finding_any_more(stage: Stage) -> None:
    """As docs/events.md says it: the entry is deleted, and the server's number of entries is corrected."""
    client = stage.ledger.client
    keys = busy(stage)
    _forged(stage, keys)
    client.xdel(redis_keys.EVENTS, stage.events.newest(1)[0].id)
    assert said(stage) != []

    last_id, counted = stage.events.state().last_id, str(last(stage))
    words = ("XSETID", redis_keys.EVENTS, last_id, "ENTRIESADDED", counted, "MAXDELETEDID", "0-0")
    client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py has no types for it

    assert said(stage) == []
