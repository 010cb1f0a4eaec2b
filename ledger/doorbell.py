"""The doorbell: Dramatiq on Redis, where a message is a transfer's key and nothing else.

A ring may be lost, doubled or late. So who rings never waits for an answer, and a queue that is away is no error: the
sweeper rings again. Both sides build their broker here.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from ledger.record import Record
from ledger.states import State

_LOG = logging.getLogger(__name__)

NOW = "transfers.now"  #: a client is waiting
BATCH = "transfers.batch"  #: payouts
CONFIRMS = "confirms"
INQUIRIES = "inquiries"
QUEUES = (CONFIRMS, NOW, INQUIRIES, BATCH)

NAMESPACE = "{transfers}"

#: A killed worker's messages return in about a minute; the sweeper does not wait for it.
_HEARTBEAT_MS = 60_000
_MAINTENANCE_PER_MILLION = 50_000
_DEAD_LETTERS_MS = 90 * 86_400_000


@dataclass(frozen=True, slots=True)
class Bell:
    queue: str
    actor: str


def bell_of(record: Record) -> Bell | None:
    """Which bell calls a worker for this transfer; none, where no worker is to come."""
    match record.state:
        case State.QUEUED:
            return Bell(NOW, "execute") if record.urgency == "now" else Bell(BATCH, "execute_batch")
        case State.RESUMED:
            return Bell(CONFIRMS, "confirm")
        case State.PARKED | State.IN_DOUBT | State.HELD | State.DEAD:
            return Bell(INQUIRIES, "inquire")
        case _:
            return None


class Broker(RedisBroker):
    """Dramatiq's Redis broker, of which a queue can be given fewer places than there are threads."""

    def __init__(self, client: redis.Redis, middleware: list[dramatiq.Middleware], places: Mapping[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed
            client=client,
            middleware=middleware,
            namespace=NAMESPACE,
            heartbeat_timeout=_HEARTBEAT_MS,
            maintenance_chance=_MAINTENANCE_PER_MILLION,
            dead_message_ttl=_DEAD_LETTERS_MS,
        )
        self._places = places

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        """What a consumer holds unacknowledged is what its queue has at work: so a prefetch is a number of places."""
        return super().consume(queue_name, min(prefetch, self._places.get(queue_name, prefetch)), timeout)


class Doorbell:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def ring(self, record: Record) -> bool:
        """Call a worker for the transfer. False: no bell rang, and the sweeper will."""
        bell = bell_of(record)
        if bell is None:
            return False
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=bell.queue, actor_name=bell.actor, args=(record.key,), kwargs={}, options={}
        )
        try:
            self._broker.enqueue(message)
        except (redis.RedisError, dramatiq.BrokerError):
            _LOG.warning("doorbell.silent", extra={"queue": bell.queue, "key": record.key})
            return False
        return True

    def ring_all(self, records: Iterable[Record]) -> int:
        """How many rang. It stops at the first that could not: the queue is away."""
        rung = 0
        for record in records:
            if not self.ring(record):
                break
            rung += 1
        return rung

    def waiting(self, queue: str) -> int:
        """How many messages of the queue wait or are at work. A queue that is away counts as full."""
        try:
            return int(str(self._broker.client.hlen(f"{NAMESPACE}:{queue}.msgs")))
        except redis.RedisError:
            return 1_000_000
