"""A consumer of one queue: it asks seldom, for as many messages as have a place, and outlives the queue's server.

Dramatiq's own asks for each place that becomes free, and sleeps while there is none, though one may become free soon.
And it ends at each error, is made anew after three seconds, and writes a critical line each time.
"""

import logging
import threading
from collections.abc import Iterable
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.common import compute_backoff
from dramatiq.errors import ConnectionClosed

from epay_transfers.ledger.clock import SystemClock

#: Seconds between two questions to a server that can't be used.
_REST_S = 1.0

#: Seconds between two fetches that bring something. Meanwhile places become free, and one fetch fills them all: it is
#: what a durable server does for a transfer most often, and a place is free for long compared with this.
_PACE_S = 0.02

#: After so many fetches that brought nothing a queue is idle, and its consumer waits at the server for a message. Each
#: so often (s) it fetches all the same: that the worker lives, and what a dead one had at work.
_FEW, _WAITS_S = 4, 5.0

#: How Dramatiq's line about a message that it could not set aside begins. It comes every five seconds, for each.
_NOT_SET_ASIDE = "Failed to post_process_message"


class Consumer(_RedisConsumer):
    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]  # dramatiq's is not typed
        self._clock = SystemClock()
        self._not_before = 0.0  #: the next fetch, by the clock's `monotonic`
        self._wait_until = 0.0
        self._has_ended = threading.Event()  #: a message: its place is free
        logging.getLogger(f"dramatiq.worker.ConsumerThread({queue_name})").addFilter(_was_said)

    def __next__(self) -> dramatiq.MessageProxy | None:
        """The next message; None where there is none now, or where the server can't be asked."""
        try:
            if not self.message_cache and not self._fetch():
                return None
        except (ConnectionClosed, redis.RedisError):  # the broker has said it
            threading.Event().wait(_REST_S)
            return None
        message = self.message_cache.pop(0)
        self.queued_message_ids.add(message.message_id)
        return dramatiq.MessageProxy(message)

    def _fetch(self) -> bool:
        """Is there a message now? Where there is none, or no place for one, this rests."""
        rest_s = self.timeout / 1000
        self._has_ended.clear()
        if self.outstanding_message_count >= self.prefetch and not self._has_ended.wait(rest_s):
            return False
        now, is_idle = self._clock.monotonic(), self.misses > _FEW
        if is_idle and now < self._wait_until and not self.broker.wait(self.queue_name):
            return False
        threading.Event().wait(self._not_before - now)
        self._wait_until = now + _WAITS_S
        places = self.prefetch - self.outstanding_message_count
        self.message_cache = self.broker.do_fetch(self.queue_name, places, is_idle=is_idle)
        if self.message_cache:
            self.misses = 0
            self._not_before = self._clock.monotonic() + _PACE_S
            return True
        self.misses, rest_ms = compute_backoff(self.misses, max_backoff=self.timeout)
        threading.Event().wait(rest_ms / 1000)
        return False

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """The broker says it to the server with the next fetch."""
        super().ack(message)  # type: ignore[no-untyped-call]  # as above
        self._has_ended.set()

    def nack(self, message: dramatiq.MessageProxy) -> None:
        super().nack(message)  # type: ignore[no-untyped-call]  # as above
        self._has_ended.set()

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """Dramatiq's passes on the client's error, which would end a stop: these come back when the worker is gone."""
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]  # as above
        except redis.RedisError:
            raise ConnectionClosed("the queue's server can't be used") from None  # type: ignore[no-untyped-call]

    def close(self) -> None:
        try:
            self.broker.end_fetching(self.queue_name)
        except redis.RedisError:
            raise ConnectionClosed("the queue's server can't be used") from None  # type: ignore[no-untyped-call]


def _was_said(record: logging.LogRecord) -> bool:
    """Leaves out what the watch has said once."""
    return not str(record.msg).startswith(_NOT_SET_ASIDE)
