"""Numbers about the queues: how many messages wait, for how long, and Dramatiq's own dead letters.

This module only reads. A message is only a wake-up: no transfer depends on these numbers, the ledger has them all.
"""

from dataclasses import dataclass

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import QueueUnavailable
from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES
from epay_transfers.ledger.queue.messages import fetched, message_of
from epay_transfers.ledger.store.redis_errors import read_errors_as


@dataclass(frozen=True, slots=True)
class Queue:
    """The state of one queue. `oldest_ms` is the age of the message that waits longest, 0 if none waits."""

    name: str
    waiting: int
    at_work: int
    oldest_ms: int
    dead_letters: int


class Queues:
    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self) -> list[Queue]:
        """All queues, in the order in which workers serve them."""
        pipeline = self._client.pipeline(transaction=False)
        for name in QUEUES:
            pipeline.llen(f"{NAMESPACE}:{name}")
            pipeline.lindex(f"{NAMESPACE}:{name}", 0)
            pipeline.zcard(f"{NAMESPACE}:{name}.XQ")
        with read_errors_as(QueueUnavailable):
            raw = pipeline.execute()
            at_work = fetched(self._client, QUEUES)
            return [self._queue(name, len(at_work[at]), *raw[at * 3 : at * 3 + 3]) for at, name in enumerate(QUEUES)]

    def _queue(self, name: str, at_work: int, waiting: int, oldest: bytes | None, dead: int) -> Queue:
        age_ms = self._age_ms(name, oldest) if oldest else 0
        return Queue(name, waiting, at_work, age_ms, dead)

    def _age_ms(self, name: str, message_id: bytes) -> int:
        sent_ms = message_of(self._client, name, message_id).sent_ms  # 0 of a foreign message: its age is unknown
        return max(0, self._clock.now_ms() - sent_ms) if sent_ms else 0
