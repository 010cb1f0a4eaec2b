"""A worker and a producer whose queue is away say so once, say how it changes, and go on when it is back."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ConnectionClosed

from epay_transfers.ledger.queue.broker import ACTORS, NOW, QUEUES, Broker
from epay_transfers.ledger.queue.watch import QueueWatch
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.server_problems import Server, ServerReason, problem_of
from epay_transfers.runtime import embedded_servers
from tests.support.logged import names_of
from tests.support.servers import KillableServer
from tests.support.waiting import until

KEY = "251124000001"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KillableServer]:
    """The queue's own."""
    server = KillableServer.start(tmp_path, embedded_servers.LEDGER_OPTIONS)
    yield server
    server.server.stop()


def wakeup() -> dramatiq.Message[Any]:
    return dramatiq.Message(queue_name=NOW, actor_name=ACTORS[NOW], args=(KEY,), kwargs={}, options={})


def whys(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["why"] for record in caplog.records if vars(record).get("event") == "queue.away"]


def test_a_worker_says_once_that_its_queue_is_away_and_once_that_it_is_back(
    server: KillableServer, caplog: pytest.LogCaptureFixture
) -> None:
    """All consumers meet it, again and again; and one that is loading is another sentence. Then a message is heard."""
    caplog.set_level(logging.INFO)
    broker = Broker(connect(server.server.url, "BROKER_URL", text=False), [], dict.fromkeys(QUEUES, 2))
    heard: list[str] = []
    for queue in QUEUES:
        broker.declare_actor(
            dramatiq.Actor(
                heard.append, broker=broker, actor_name=ACTORS[queue], queue_name=queue, priority=0, options={}
            )
        )
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    fetches = count_fetches(broker)
    try:
        broker.enqueue(wakeup())
        until(lambda: heard == [KEY])
        server.kill()
        until(lambda: bool(whys(caplog)))
        seen = len(fetches)
        until(lambda: len(fetches) >= seen + 3 * len(QUEUES) * 2)  # each consumer has met it three times

        assert len(whys(caplog)) <= 2, "each connection is lost, and then refused: both are said once"
        assert any(why.startswith("BROKER_URL: the server at 127.0.0.1:") for why in whys(caplog))
        assert [record.getMessage() for record in caplog.records if record.levelno > logging.ERROR] == []
        assert all(thread.is_alive() for thread in worker.consumers.values())

        server.restart()
        until(lambda: "queue.back" in names_of(caplog.records))
        broker.enqueue(wakeup())
        until(lambda: heard == [KEY, KEY])
    finally:
        worker.stop(timeout=10_000)

    assert names_of(caplog.records).count("queue.back") == 1


def met(reason: ServerReason) -> Exception:
    error = redis.ConnectionError()
    error.__cause__ = problem_of(reason, Server("BROKER_URL", "queue:6379"))
    return error


def test_each_reason_is_said_once_while_the_queue_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Each of a worker's connections is lost by itself, and then refused: so the reasons come by turns."""
    watch = QueueWatch()
    for what in ("fetch now", "fetch batch") * 2:
        watch.failed(what, met(ServerReason.LOST))
        watch.failed(what, met(ServerReason.REFUSED))
    assert len(whys(caplog)) == 2

    for what in ("fetch now", "fetch batch"):
        watch.did(what)
    watch.failed("fetch now", met(ServerReason.LOST))
    assert len(whys(caplog)) == 3, "away once more"


def count_fetches(broker: Broker) -> list[str]:
    """Each time that a consumer asks."""
    asked: list[str] = []
    fetch = broker.do_fetch

    def counted(queue_name: str, prefetch: int, *, is_idle: bool = False) -> list[dramatiq.Message[Any]]:
        asked.append(queue_name)
        return fetch(queue_name, prefetch, is_idle=is_idle)

    broker.do_fetch = counted  # type: ignore[method-assign]  # it is counted, and done
    return asked


def test_a_message_that_can_not_be_set_aside_is_no_line_each_time() -> None:
    """Dramatiq writes one every five seconds for each message; the broker has said once that the queue is away."""
    with connect("redis://127.0.0.1:1/0", "BROKER_URL", text=False) as client:
        Broker(client, [], {NOW: 1}).consume(NOW)
    log = logging.getLogger(f"dramatiq.worker.ConsumerThread({NOW})")
    lines = ["Failed to post_process_message(%s) due to a connection error", "Acknowledging message %r."]

    passed = [bool(log.filter(log.makeRecord("x", logging.WARNING, "x", 1, line, (), None))) for line in lines]

    assert passed == [False, True]


def test_a_worker_stops_though_it_can_not_give_its_messages_back() -> None:
    """They come back by themselves. Dramatiq knows its own error alone."""
    message = wakeup().copy(options={"redis_message_id": "id-1"})
    with connect("redis://127.0.0.1:1/0", "BROKER_URL", text=False) as client:
        consumer = Broker(client, [], {NOW: 1}).consume(NOW)
        with pytest.raises(ConnectionClosed):
            consumer.requeue([dramatiq.MessageProxy(message)])


def test_what_a_server_does_and_what_it_refuses_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """One that sends and does not fetch is not away and back at every turn; the same reason is said once."""
    watch = Broker(connect("redis://127.0.0.1:1/0", "BROKER_URL"), [], {}).watch
    for _ in range(3):
        watch.failed("fetch", OSError())
        watch.did("enqueue")
        watch.failed("ack", OSError())

    assert len(whys(caplog)) == 1
    assert "queue.back" not in names_of(caplog.records)
    watch.did("fetch")
    watch.did("ack")
    assert names_of(caplog.records).count("queue.back") == 1
