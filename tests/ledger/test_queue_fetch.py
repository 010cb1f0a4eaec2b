"""A worker's broker on a real server: what it fetches is made anew, and what holds up its queue is taken away."""

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import dramatiq
import pytest
import redis

from epay_transfers.ledger.queue.broker import ACTORS, BEGINNINGS, NAMESPACE, NOW, QUEUES, Broker
from epay_transfers.ledger.queue.message_guard import LONGEST
from epay_transfers.ledger.store.connection import connect
from tests.support.costs import counted
from tests.support.stage import queue_url as url_of
from tests.support.waiting import until

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


def send(broker: Broker, name: str = NOW) -> str:
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=name, actor_name=ACTORS[name], args=(KEY,), kwargs={}, options={}
    )
    return str(broker.enqueue(message).options["redis_message_id"])


def test_what_is_fetched_is_counted_under_the_id_of_its_place(broker: Broker, queue: redis.Redis) -> None:
    """Many messages with one message id would count as one, and take more places than the queue has."""
    ids = [send(broker) for _ in range(3)]
    same = str(uuid.uuid4())
    for name in ids:
        fields = json.loads(queue.hget(f"{NAMESPACE}:{NOW}.msgs", name) or b"")
        queue.hset(f"{NAMESPACE}:{NOW}.msgs", name, json.dumps(fields | {"message_id": same}))

    fetched = broker.do_fetch(NOW, 8)

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


def keys_of(broker: Broker) -> dict[str, str]:
    """The keys of a queue, by the type that each has."""
    queue = f"{NAMESPACE}:{NOW}"
    return {queue: "list", f"{queue}.msgs": "hash", at_work_of(broker): "set", BEATS: "zset", f"{queue}.XQ": "zset",
            f"{queue}.XQ.msgs": "hash", BEGINNINGS: "hash"}  # fmt: skip


@pytest.mark.parametrize("at", range(7))
def test_a_key_of_another_type_is_deleted_and_the_others_stay(broker: Broker, queue: redis.Redis, at: int) -> None:
    """Its type stopped each command of each worker. Of the queue no more is lost than that key."""
    broker._chance = 0  # the library forgets dead letters in time
    first, _ = send(broker), send(broker)
    broker.do_fetch(NOW, 1)
    queue.zadd(f"{NAMESPACE}:{NOW}.XQ", {"dead": 1})
    queue.hset(f"{NAMESPACE}:{NOW}.XQ.msgs", "dead", "x")
    name = list(keys_of(broker))[at]
    queue.delete(name)
    queue.set(name, "x")

    fetched = broker.do_fetch(NOW, 1)

    assert len(fetched) == (name not in {f"{NAMESPACE}:{NOW}", f"{NAMESPACE}:{NOW}.msgs"})
    types = {each: cast("bytes", queue.type(each)).decode() for each in keys_of(broker)}
    assert {each: kind for each, kind in types.items() if kind not in {"none", keys_of(broker)[each]}} == {}
    assert queue.zscore(BEATS, broker.broker_id) is not None, "it lives"
    kept = {f"{NAMESPACE}:{NOW}.XQ", f"{NAMESPACE}:{NOW}.XQ.msgs"} - {name}
    assert all(types[each] != "none" for each in kept)
    if name != at_work_of(broker):
        assert first.encode() in queue.smembers(at_work_of(broker))


def at_work_of(broker: Broker) -> str:
    return f"{NAMESPACE}:__acks__.{broker.broker_id}.{NOW}"


@pytest.mark.parametrize(("longer", "kept"), [(0, None), (1, b"2049 bytes")])
def test_a_message_that_is_too_long_is_replaced_by_its_length(
    broker: Broker, queue: redis.Redis, longer: int, kept: bytes | None
) -> None:
    """As long as it may be, it is a message; else neither this worker nor the dead letters hold it."""
    name = send(broker)
    text = cast("bytes", queue.hget(f"{NAMESPACE}:{NOW}.msgs", name))
    queue.hset(f"{NAMESPACE}:{NOW}.msgs", name, text.decode().ljust(LONGEST + longer))

    assert len(broker.do_fetch(NOW, 8)) == (kept is None)
    assert queue.hget(f"{NAMESPACE}:{NOW}.XQ.msgs", name) == kept


def test_a_worker_that_died_gives_its_messages_back(broker: Broker, queue: redis.Redis) -> None:
    dead = Broker(queue, [], {NOW: 8})
    name = send(broker)
    assert len(dead.do_fetch(NOW, 8)) == 1
    queue.zadd(BEATS, {dead.broker_id: 1})
    broker._chance = 1_000_000

    (message,) = broker.do_fetch(NOW, 8)

    assert message.message_id == name
    broker._maintain(NOW)
    assert queue.zscore(BEATS, dead.broker_id) is None


def test_each_beginning_without_an_end_is_counted_whichever_worker_it_was(broker: Broker, queue: redis.Redis) -> None:
    """Each of these workers dies of the message, and its message comes back."""
    name = send(broker)

    counts = []
    for _ in range(4):
        dying = Broker(queue, [], {NOW: 8})
        dying._chance = 0
        (message,) = dying.do_fetch(NOW, 8)
        counts.append(dying.begin(dramatiq.MessageProxy(message)))
        queue.rpush(f"{NAMESPACE}:{NOW}", name)

    assert counts == [1, 2, 3, 4]


def test_a_message_that_ended_leaves_nothing(broker: Broker, queue: redis.Redis) -> None:
    """Neither where it was acknowledged nor where it was set aside, whether it came once or again."""
    names = [send(broker) for _ in range(4)]
    broker.do_fetch(NOW, 2)
    for name in names[:2]:
        queue.rpush(f"{NAMESPACE}:{NOW}", name)
        queue.srem(at_work_of(broker), name)
    fetched = [dramatiq.MessageProxy(message) for message in broker.do_fetch(NOW, 8)]
    assert {broker.begin(message) for message in fetched} == {1, 2}

    consumer = broker.consume(NOW, 8)
    for at, message in enumerate(fetched):
        broker.end(message)
        (consumer.ack if at % 2 else consumer.nack)(message)
    consumer.close()

    assert queue.hgetall(BEGINNINGS) == {}
    assert queue.smembers(at_work_of(broker)) == set()
    assert queue.hkeys(f"{NAMESPACE}:{NOW}.msgs") == []
    assert queue.zcard(f"{NAMESPACE}:{NOW}.XQ") == 2
    assert broker._again == set()


def test_what_ended_is_acknowledged_by_the_next_fetch_in_its_own_trip(broker: Broker, queue: redis.Redis) -> None:
    broker._chance = 0  # what it does besides now and then is another trip
    first, second = send(broker), send(broker)
    consumer = broker.consume(NOW, 1)
    message = next(consumer)
    assert message is not None
    consumer.ack(message)

    with counted({"queue": queue}) as cost:
        later = next(consumer)

    assert later is not None
    assert (message.message_id, later.message_id) == (first, second)
    assert queue.hkeys(f"{NAMESPACE}:{NOW}.msgs") == [second.encode()]
    assert queue.smembers(at_work_of(broker)) == {second.encode()}
    assert cost["queue"].trips == 1


def test_what_could_not_be_acknowledged_is_with_a_later_fetch(broker: Broker, queue: redis.Redis) -> None:
    """The server may have done it, or not: it is said again until the server has answered."""
    send(broker)
    consumer = broker.consume(NOW, 1)
    message = next(consumer)
    assert message is not None
    consumer.ack(message)
    run, broker._scripts.run = broker._scripts.run, unanswered  # type: ignore[method-assign,assignment]  # a server that is away
    with pytest.raises(redis.ConnectionError):
        broker.do_fetch(NOW, 1)
    broker._scripts.run = run  # type: ignore[method-assign]  # as it was

    assert broker.do_fetch(NOW, 1) == []
    assert queue.hkeys(f"{NAMESPACE}:{NOW}.msgs") == []


def test_a_full_server_is_told_what_ended(broker: Broker, queue: redis.Redis) -> None:
    """It makes room; and the fetch after it says that the worker lives."""
    send(broker)
    consumer = broker.consume(NOW, 1)
    message = next(consumer)
    assert message is not None
    queue.zadd(BEATS, {broker.broker_id: 1})
    consumer.ack(message)
    limit = cast("str", queue.config_get("maxmemory")["maxmemory"])
    queue.config_set("maxmemory", "1")
    try:
        broker.end_fetching(NOW)
    finally:
        queue.config_set("maxmemory", limit)

    assert queue.hkeys(f"{NAMESPACE}:{NOW}.msgs") == []


def test_what_a_dead_worker_had_comes_back_to_an_idle_worker_too(broker: Broker, queue: redis.Redis) -> None:
    dead = Broker(queue, [], {NOW: 8})
    send(broker)
    dead.do_fetch(NOW, 8)
    queue.zadd(BEATS, {dead.broker_id: 1})
    broker._chance, broker._idle_chance = 0, 1_000_000

    assert broker.do_fetch(NOW, 8) == []
    assert len(broker.do_fetch(NOW, 8, is_idle=True)) == 1


def unanswered(*_: object) -> list[str]:
    raise redis.TimeoutError


def test_a_consumer_fetches_as_soon_as_a_place_is_free(broker: Broker) -> None:
    """It waits for the end of a message, and not for a time: here it would be an hour."""
    send(broker), send(broker)
    consumer = broker.consume(NOW, 1)
    cast("Any", consumer).timeout = 3_600_000
    message = next(consumer)
    assert message is not None
    threading.Timer(0.05, consumer.ack, (message,)).start()

    assert next(consumer) is not None


def test_a_stop_acknowledges_what_ended_last(broker: Broker, queue: redis.Redis) -> None:
    send(broker)
    consumer = broker.consume(NOW, 1)
    message = next(consumer)
    assert message is not None
    consumer.ack(message)

    consumer.close()

    assert queue.hkeys(f"{NAMESPACE}:{NOW}.msgs") == []


def idle(broker: Broker, name: str) -> dramatiq.Consumer:
    """A consumer whose queue was empty for long, and that need not fetch for long."""
    broker.declare_queue(name)
    consumer = broker.consume(name, 1)
    cast("Any", consumer).misses, cast("Any", consumer)._wait_until = 8, float("inf")
    return consumer


@pytest.mark.parametrize("name", QUEUES)
def test_an_idle_consumer_waits_at_the_server_and_asks_no_more(
    broker: Broker, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("epay_transfers.ledger.queue.broker._WAIT_S", 0.05)
    consumer = idle(broker, name)

    with counted({"queue": queue}) as cost:
        assert [next(consumer) for _ in range(3)] == [None] * 3

    assert (cost["queue"].trips, cost["queue"].commands) == (3, 3)


def test_what_waits_in_a_delay_queue_is_not_asked_for_between_fetches(
    broker: Broker, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epay_transfers.ledger.queue.broker._WAIT_S", 0.01)
    consumer = idle(broker, f"{NOW}.DQ")

    with counted({"queue": queue}) as cost:
        assert next(consumer) is None

    assert cost["queue"].trips == 0


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_that_comes_to_an_idle_worker_is_fetched_at_once(
    broker: Broker, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would wait for an hour. The messages keep their order."""
    monkeypatch.setattr("epay_transfers.ledger.queue.broker._WAIT_S", 3600)
    consumer = idle(broker, name)
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(next, consumer)
        until(lambda: queue.info("clients")["blocked_clients"] == 1)
        ids = [send(broker, name) for _ in range(2)]
        message = fetched.result()

    assert message is not None
    assert message.options["redis_message_id"] == ids[0]
    assert queue.lrange(f"{NAMESPACE}:{name}", 0, -1) == [ids[1].encode()]


def test_a_message_that_ended_meanwhile_is_acknowledged_before_the_next_wait(broker: Broker) -> None:
    broker._ended[NOW].append("an id")

    assert broker.wait(NOW)


@pytest.mark.parametrize("refused", ["another type", "no leave"])
def test_where_the_server_refuses_the_wait_a_consumer_fetches(
    broker: Broker, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    if refused == "another type":
        queue.set(f"{NAMESPACE}:{NOW}", "a thief's")
    else:
        monkeypatch.setattr(broker.client, "blmove", no_leave)

    assert broker.wait(NOW)


def no_leave(*_: object) -> None:
    raise redis.exceptions.NoPermissionError


@pytest.mark.parametrize("count", [1, 99, 100, 350])
def test_heartbeats_without_messages_are_removed_before_the_library_looks_at_them(
    broker: Broker, queue: redis.Redis, count: int
) -> None:
    """A hundred at a time; a worker that died, and has messages, is not lost among them."""
    dead = Broker(queue, [], {NOW: 8})
    send(broker)
    dead.do_fetch(NOW, 8)
    foreign: dict[bytes, int] = {b"*%d\xff?" % number: 1 for number in range(count)}
    queue.zadd(BEATS, cast("Any", foreign))
    queue.zadd(BEATS, {dead.broker_id: 2})

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
