"""Wake-ups: short messages that call a worker for a transfer. A message is the transfer's key and nothing else.

A wake-up may be lost, doubled or late, so its sender never waits for an answer, and a queue that is away is no error:
the sweeper sends the wake-up again.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import dramatiq
import redis

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue.broker import ACTORS, BATCH, CONFIRMS, INQUIRIES, NAMESPACE, NOW, Broker
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import UNFINISHED, State
from epay_transfers.ledger.store.reader import Reader

_LOG = logging.getLogger(__name__)

#: How many transfers are read in one round trip.
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wakeup:
    queue: str
    actor: str


def wakeup_of(record: Record) -> Wakeup | None:
    """The queue and the actor that a wake-up for this transfer goes to; None if no worker has anything to do."""
    match record.state:
        case State.QUEUED:
            queue = NOW if record.urgency == "now" else BATCH
        case State.RESUMED:
            queue = CONFIRMS
        case State.PARKED | State.IN_DOUBT | State.NEEDS_REVIEW | State.DEAD:
            queue = INQUIRIES
        case _:
            return None
    return Wakeup(queue, ACTORS[queue])


def waiting(ledger: Reader) -> Iterator[Record]:
    """The unfinished transfers that a worker has something to do for: a dead one only where something was requested."""
    for state in sorted(UNFINISHED):
        for record in ledger.all_in_state(state, _PAGE):
            if wakeup_of(record) and not (record.state is State.DEAD and not record.requested_action):
                yield record


class Wakeups:
    """Sends wake-ups."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def send(self, record: Record) -> bool:
        """Call a worker for the transfer. False: no wake-up was sent, and the sweeper will send one."""
        wakeup = wakeup_of(record)
        if wakeup is None:
            return False
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=wakeup.queue, actor_name=wakeup.actor, args=(record.key,), kwargs={}, options={}
        )
        try:
            self._broker.enqueue(message)
        except (redis.RedisError, dramatiq.BrokerError):  # the broker has said that the queue is away
            log_line(
                _LOG.debug,
                "wakeup.not_sent",
                "No wake-up was sent for %(key)s: the queue %(queue)s did not take it, and the sweeper sends one later",
                key=record.key,
                queue=wakeup.queue,
            )
            return False
        return True

    def send_all(self, records: Iterable[Record]) -> int:
        """Returns how many were sent. It stops at the first that could not be sent: the queue is away."""
        sent = 0
        for record in records:
            if not self.send(record):
                break
            sent += 1
        return sent

    def waiting(self, queue: str) -> int:
        """How many messages of the queue wait for a worker. A queue that does not answer counts as full."""
        try:
            return int(str(self._broker.client.llen(f"{NAMESPACE}:{queue}")))
        except redis.RedisError:
            return 1_000_000
