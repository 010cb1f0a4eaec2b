"""A worker's broker on a real server: what it fetches is made anew, and what holds up its queue is taken away."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import redis

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW, Broker
from epay_transfers.ledger.store.connection import connect
from tests.support.stage import queue_url as url_of

KEY = "251124000001"
BEATS = f"{NAMESPACE}:__heartbeats__"


@pytest.fixture
def queue(ledger_client: redis.Redis) -> Iterator[redis.Redis]:
    client = connect(url_of(ledger_client), text=False)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def broker(queue: redis.Redis) -> Broker:
    return Broker(queue, [], {NOW: 8})


def send(broker: Broker) -> str:
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=NOW, actor_name="execute", args=(KEY,), kwargs={}, options={}
    )
    return str(broker.enqueue(message).options["redis_message_id"])


def test_what_is_fetched_is_counted_under_the_id_of_its_place(broker: Broker, queue: redis.Redis) -> None:
    """Many messages with one message id would count as one, and take more places than the queue has."""
    ids = [send(broker) for _ in range(3)]
    same = str(uuid.uuid4())
    for name in ids:
        fields = json.loads(queue.hget(f"{NAMESPACE}:{NOW}.msgs", name) or b"")
        queue.hset(f"{NAMESPACE}:{NOW}.msgs", name, json.dumps(fields | {"message_id": same}))

    fetched = [dramatiq.Message.decode(data) for data in broker.do_fetch(NOW, 8)]

    assert [message.message_id for message in fetched] == ids
    assert [message.options for message in fetched] == [{"redis_message_id": name} for name in ids]
    assert {message.args for message in fetched} == {(KEY,)}


def test_no_more_is_fetched_than_there_are_places(broker: Broker) -> None:
    for _ in range(5):
        send(broker)

    assert [len(broker.do_fetch(NOW, 2)) for _ in range(3)] == [2, 2, 1]


def test_an_id_that_is_at_work_already_is_dropped(broker: Broker, queue: redis.Redis) -> None:
    name = send(broker)
    queue.rpush(f"{NAMESPACE}:{NOW}", name, name)

    assert len(broker.do_fetch(NOW, 1)) == 1
    assert broker.do_fetch(NOW, 8) == []
    assert queue.llen(f"{NAMESPACE}:{NOW}") == 0


def test_a_worker_that_died_gives_its_messages_back(broker: Broker, queue: redis.Redis) -> None:
    dead = Broker(queue, [], {NOW: 8})
    name = send(broker)
    assert len(dead.do_fetch(NOW, 8)) == 1
    queue.zadd(BEATS, {dead.broker_id: 1})
    broker._chance = 1_000_000

    (data,) = broker.do_fetch(NOW, 8)

    assert dramatiq.Message.decode(data).message_id == name
    broker._maintain(NOW)
    assert queue.zscore(BEATS, dead.broker_id) is None


@pytest.mark.parametrize("count", [1, 99, 100, 350])
def test_heartbeats_without_messages_are_removed_before_the_library_looks_at_them(
    broker: Broker, queue: redis.Redis, count: int
) -> None:
    """A hundred at a time; a worker that died, and has messages, is not lost among them."""
    dead = Broker(queue, [], {NOW: 8})
    send(broker)
    dead.do_fetch(NOW, 8)
    queue.zadd(
        BEATS,
        {dead.broker_id: 2} | {f"*{number}\udcff?".encode(errors="surrogateescape"): 1 for number in range(count)},
    )

    for _ in range(count // 100 + 2):
        broker._maintain(NOW)

    assert queue.zcard(BEATS) == 1, "its own"
    assert len(broker.do_fetch(NOW, 8)) == 1


def test_a_producers_broker_maintains_nothing(queue: redis.Redis) -> None:
    """It has no leave for it."""
    producer = Broker(queue, [], {})
    queue.zadd(BEATS, {"one that died": 1})
    for _ in range(200):
        send(producer)

    assert queue.zscore(BEATS, "one that died") == 1
    assert (producer._chance, producer.maintenance_chance) == (0, 0)
