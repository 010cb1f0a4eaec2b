"""A consumer of one queue that outlives the queue's server: it waits and asks again, and says so once a process.

Dramatiq's own ends at each error, is made anew after three seconds, and writes a critical line each time.
"""

import logging
import threading
from collections.abc import Iterable
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed

#: Seconds between two questions to a server that can't be used.
_REST_S = 1.0

#: How Dramatiq's line about a message that it could not acknowledge begins. It comes every five seconds, for each.
_NOT_ACKNOWLEDGED = "Failed to post_process_message"


class Consumer(_RedisConsumer):
    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]  # dramatiq's is not typed
        logging.getLogger(f"dramatiq.worker.ConsumerThread({queue_name})").addFilter(_was_said)

    def __next__(self) -> dramatiq.MessageProxy | None:
        """The next message; None where there is none now, or where the server can't be asked."""
        try:
            message: dramatiq.MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]  # as above
        except (ConnectionClosed, redis.RedisError):  # the broker has said it
            threading.Event().wait(_REST_S)
            return None
        return message

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """Dramatiq's passes on the client's error, which would end a stop: these come back when the worker is gone."""
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]  # as above
        except redis.RedisError:
            raise ConnectionClosed("the queue's server can't be used") from None  # type: ignore[no-untyped-call]


def _was_said(record: logging.LogRecord) -> bool:
    """Leaves out what the watch has said once."""
    return not str(record.msg).startswith(_NOT_ACKNOWLEDGED)
