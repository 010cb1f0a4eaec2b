"""Nothing is enqueued but a ring: through the brokers that producers and workers really build, into a real queue."""

import uuid
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import redis

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW, QUEUES, Broker
from epay_transfers.ledger.queue.message_guard import NotAWakeup
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.worker.quarantine import Quarantine
from tests.security.canaries import PAN, RECEIVER_PAN, Search
from tests.support.servers import queue_url

KEY = "251124000001"


@pytest.fixture
def queue(ledger_server: EmbeddedServer, ledger_client: redis.Redis) -> Iterator[redis.Redis]:
    client = connect(queue_url(ledger_server.url))
    yield client
    client.close()


@pytest.fixture(params=["producer", "worker"])
def broker(request: pytest.FixtureRequest, queue: redis.Redis) -> Broker:
    """As each room builds its own."""
    return Broker(queue, [], {}) if request.param == "producer" else Broker(queue, [Quarantine()], {NOW: 1})


def message(*args: Any, kwargs: dict[str, Any] | None = None, **bent: Any) -> dramatiq.Message[Any]:
    fields: dict[str, Any] = {"queue_name": NOW, "actor_name": "execute", "options": {}} | bent
    return dramatiq.Message(args=args, kwargs=kwargs or {}, **fields)


def everything(queue: redis.Redis) -> str:
    return "\n".join(str(queue.hgetall(f"{NAMESPACE}:{name}.msgs")) for name in QUEUES)


@pytest.mark.parametrize("key", [KEY, f"kiosk:{KEY}", "000001", PAN])
def test_a_transfers_key_goes_in(broker: Broker, queue: redis.Redis, key: str) -> None:
    """Also one that looks like a card number: an invoice id may have fifteen digits."""
    broker.enqueue(message(key))

    assert queue.hlen(f"{NAMESPACE}:{NOW}.msgs") == 1
    assert key in everything(queue)


@pytest.mark.parametrize(
    "refused",
    [
        message(RECEIVER_PAN),
        message("5522 0427 0506 6736"),
        message(),
        message(KEY, KEY),
        message(int(KEY)),
        message([KEY]),
        message({"key": KEY}),
        message(KEY, kwargs={"cvc": "4169"}),
        message(KEY, options={"traceback": f"card {PAN}"}),
        message(KEY, options={"retries": 1}),
        message(KEY, options={"trace": str(uuid.uuid4())}),
        message(KEY, options={"pipe_target": {"args": [PAN]}}),
        message(KEY, message_id=PAN),
        message(KEY, queue_name=f"transfers.{RECEIVER_PAN}"),
        message(KEY, actor_name=f"pay {RECEIVER_PAN}"),
    ],
    ids=lambda refused: str(refused.asdict())[:60],
)
def test_anything_else_is_refused_and_nothing_of_it_is_stored(
    broker: Broker, queue: redis.Redis, refused: dramatiq.Message[Any]
) -> None:
    """The error leaves the hook (only one of its kind does), and says nothing of what was refused."""
    with pytest.raises(NotAWakeup) as caught:
        broker.enqueue(refused)

    assert queue.dbsize() == 0
    assert Search().hits(repr(caught.value)) == {}


def test_a_delayed_ring_is_refused(broker: Broker, queue: redis.Redis) -> None:
    with pytest.raises(NotAWakeup, match="never delayed"):
        broker.enqueue(message(KEY), delay=1000)
    assert queue.dbsize() == 0


def test_a_retry_with_its_traceback_is_refused(broker: Broker, queue: redis.Redis) -> None:
    """What the library's own middleware would do with a failed message: again, with the exception's words beside it."""
    retries: Any = dramatiq.middleware.Retries()
    broker.add_middleware(retries)
    actor: Any = dramatiq.actor(actor_name="execute", queue_name=NOW, broker=broker)(print)
    failed = dramatiq.MessageProxy(actor.message(KEY))
    try:
        raise ValueError(f"no card like {PAN}")  # noqa: TRY301 - it is to be caught here
    except ValueError as error:
        failed.stuff_exception(error)
        with pytest.raises(NotAWakeup):
            retries.after_process_message(broker, failed, exception=error)

    assert Search().hits(everything(queue)) == {}


def test_the_doorbell_rings_through_it(queue: redis.Redis, broker: Broker) -> None:
    """The ring that is really made is one that the guard lets in, with an id of its own."""
    broker.enqueue(message(KEY))

    (text,) = queue.hvals(f"{NAMESPACE}:{NOW}.msgs")
    made = dramatiq.Message.decode(str(text).encode())
    assert set(made.options) == {"redis_message_id"}
    assert str(uuid.UUID(made.options["redis_message_id"])) == made.options["redis_message_id"]
