"""Dramatiq's Redis broker as both sides build it, and the names of the queues.

A producer's broker only sends. A worker's broker also receives, with a limited number of places for some queues.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from epay_transfers.ledger.queue.message_guard import Guard

_LOG = logging.getLogger(__name__)

NOW = "transfers.now"  #: a client is waiting
BATCH = "transfers.batch"  #: payouts
CONFIRMS = "confirms"
INQUIRIES = "inquiries"
QUEUES = (CONFIRMS, NOW, INQUIRIES, BATCH)

NAMESPACE = "{transfers}"

#: How often each message has begun without an end, by its id.
BEGINNINGS = f"{NAMESPACE}:beginnings"

#: A killed worker's messages return in about a minute; the sweeper does not wait for it.
_HEARTBEAT_MS = 60_000
_MAINTENANCE_PER_MILLION = 50_000
_DEAD_LETTERS_MS = 90 * 86_400_000


class Broker(RedisBroker):
    """Dramatiq's Redis broker, with a limit for a queue: fewer places than the worker has threads.

    A broker without places only sends: maintenance of the queues, and the permission for it, belong to workers.
    """

    def __init__(self, client: redis.Redis, middleware: list[dramatiq.Middleware], places: Mapping[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed
            client=client,
            middleware=[Guard(), *middleware],
            namespace=NAMESPACE,
            heartbeat_timeout=_HEARTBEAT_MS,
            maintenance_chance=_MAINTENANCE_PER_MILLION if places else 0,
            dead_message_ttl=_DEAD_LETTERS_MS,
        )
        self._places = places

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        """A consumer's unacknowledged messages are those at work, so its prefetch is the queue's number of places."""
        return super().consume(queue_name, min(prefetch, self._places.get(queue_name, prefetch)), timeout)

    def _dispatch(self, command: str) -> Callable[..., Any]:
        """Dramatiq repeats an acknowledgement after a lost connection; this does it after a timeout, too."""
        send = super()._dispatch(command)  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed

        def careful(queue_name: str, *args: Any) -> Any:
            try:
                return send(queue_name, *args)
            except redis.TimeoutError:
                raise redis.ConnectionError("the queue's server took too long") from None

        return careful

    def do_fetch(self, queue_name: str, prefetch: int) -> list[bytes]:
        """Fetch messages, and set aside what is none: it would stop the consumer with all that it fetched."""
        fetched: list[bytes] = self._dispatch("fetch")(queue_name, prefetch)
        garbled = [data for data in fetched if not _is_message(data, queue_name)]
        for data in garbled:
            self._set_aside(queue_name, data)
        return [data for data in fetched if data not in garbled]

    def _set_aside(self, queue_name: str, data: bytes) -> None:
        """Move it to the dead letters. Its id can't be read from it, but is among those that this process fetched."""
        _LOG.error("message.quarantined", extra={"queue": queue_name, "why": "garbled", "bytes": len(data)})
        held = list(self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"))
        for message_id, kept in zip(held, self.client.hmget(f"{self.namespace}:{queue_name}.msgs", held), strict=True):
            if kept == data:
                self._dispatch("nack")(queue_name, message_id)

    def begin(self, message: dramatiq.MessageProxy) -> int:
        """How often this message has begun without an end: a message that kills its worker never ends."""
        try:
            return int(self.client.hincrby(BEGINNINGS, message.options.get("redis_message_id", ""), 1))
        except redis.RedisError:
            return 1

    def end(self, message: dramatiq.MessageProxy) -> None:
        with suppress(redis.RedisError):
            self.client.hdel(BEGINNINGS, message.options.get("redis_message_id", ""))


def _is_message(data: bytes, queue_name: str) -> bool:
    """Can Dramatiq decode it, and acknowledge it on the queue that it came from?"""
    try:
        message: dramatiq.Message[Any] = dramatiq.Message.decode(data)
    except dramatiq.DecodeError:
        return False
    fields: Any = message.asdict()
    is_named = isinstance(fields["message_id"], str) and isinstance(fields["options"], dict)
    return is_named and message.queue_name == queue_name and isinstance(message.options.get("redis_message_id"), str)
