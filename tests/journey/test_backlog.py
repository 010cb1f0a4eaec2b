"""A backlog: what waits its turn in the queue is left alone, and what the queue has lost is called for again."""

import json
from collections import Counter
from typing import cast

import pytest
import redis

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.replies import Created
from epay_transfers.worker.sweeper import BATCH
from tests.support.factories import new_transfer
from tests.support.stage import Stage

QUEUE, MESSAGES = f"{NAMESPACE}:{NOW}", f"{NAMESPACE}:{NOW}.msgs"


def enqueue(stage: Stage, count: int, *, seconds: int = 0, name: str = "payout") -> list[Record]:
    """As a producer does, so many seconds long: create, then a wake-up."""
    wakeups, records = Wakeups(stage.broker), []
    for part in range(10):
        new = [new_transfer(f"{name}-{part}-{number}") for number in range(count // 10)]
        made = [each.record for each in stage.ledger.create(new, actor="test") if isinstance(each, Created)]
        assert wakeups.send_all(made) == len(new)
        records += made
        stage.clock.advance(seconds / 10)
    return records


def key_in(message: bytes | None) -> str:
    return str(json.loads(message or b"")["args"][0])


def take(stage: Stage, most: int) -> list[str]:
    """The transfers that workers are called for next; each is done with at once."""
    queue: redis.Redis = stage.broker.client
    ids = [cast("bytes | None", queue.lpop(QUEUE)) for _ in range(most)]
    keys = []
    for message_id in filter(None, ids):
        message = key_in(cast("bytes | None", queue.hget(MESSAGES, message_id)))
        queue.hdel(MESSAGES, message_id)
        keys.append(message)
    records = [record for record in stage.ledger.get_many(keys) if record.state is State.QUEUED]
    stage.ledger.move_many([(record, Verb.CANCEL, Change()) for record in records], actor="worker")
    return keys


def sweep(stage: Stage) -> None:
    while stage.sweeper.run_once() >= BATCH:
        pass


@pytest.mark.parametrize(("count", "seconds"), [(600, 0), (600, 60), pytest.param(10_000, 0, marks=pytest.mark.slow)])
def test_what_waits_its_turn_is_not_moved(stage: Stage, count: int, seconds: int) -> None:
    """Workers need three minutes for the backlog, which came at once or within a minute."""
    moves: Counter[Verb] = Counter()
    enqueue(stage, count, seconds=seconds)
    stage.ledger.on_moved = lambda verb: moves.update([verb])
    heeded: Counter[str] = Counter()

    for _ in range(360):
        stage.clock.advance(0.5)
        sweep(stage)
        heeded.update(take(stage, count // 360 + 1))

    assert len(heeded) == count
    assert moves[Verb.SCHEDULE_WAKEUP] + moves[Verb.LOOK_LATER] <= 0.05 * count


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_queue_that_is_lost_in_a_backlog_fills_again(stage: Stage, seconds: int) -> None:
    """Others come meanwhile, so the queue is not empty for long. Each transfer is called for within two minutes."""
    stage.with_rules(threads=16)
    lost = {record.key for record in enqueue(stage, 300, seconds=seconds)}
    for _ in range(60):
        stage.clock.advance(0.5)
        sweep(stage)
        take(stage, 1)
    stage.broker.client.flushdb()
    waiting = {record.key for record in stage.ledger.get_many(sorted(lost)) if record.state is State.QUEUED}
    enqueue(stage, 10, name="later")

    called: set[str] = set()
    for _ in range(240):
        stage.clock.advance(0.5)
        sweep(stage)
        called.update(take(stage, 4))

    assert waiting <= called


def test_a_message_that_is_lost_alone_is_sent_again_once_the_queue_is_past_it(stage: Stage) -> None:
    records = enqueue(stage, 100, seconds=100)
    queue: redis.Redis = stage.broker.client
    lost = records[20].key
    for message_id in cast("list[bytes]", queue.lrange(QUEUE, 0, -1)):
        if key_in(cast("bytes | None", queue.hget(MESSAGES, message_id))) == lost:
            queue.lrem(QUEUE, 1, message_id.decode())

    called: list[str] = []
    for _ in range(300):
        stage.clock.advance(0.5)
        sweep(stage)
        called += take(stage, 1)

    assert lost in called
