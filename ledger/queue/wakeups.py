"""Wake-ups: short messages that call a worker for a transfer. A message is the transfer's key and nothing else.

A wake-up may be lost, doubled or late, so its sender never waits for an answer, and a queue that is away is no error:
the sweeper sends the wake-up again.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dramatiq
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import ACTORS, BATCH, CONFIRMS, INQUIRIES, NAMESPACE, NOW, QUEUES, Broker
from epay_transfers.ledger.queue.message_guard import NotAWakeup
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import UNFINISHED, State
from epay_transfers.ledger.store.reader import Reader
from epay_transfers.ledger.store.redis_errors import redis_errors_as

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


def without_wakeup(ledger: Reader, queue: redis.Redis) -> Iterator[Record]:
    """The transfers that a worker has something to do for now, and that no message in the queue calls it for.

    A parked, held or dead one has its time, unless something was requested: the sweeper sends its wake-up.
    """
    called, now_ms = calls(queue), ledger.now_ms()
    for state in sorted(UNFINISHED):
        for record in ledger.all_in_state(state, _PAGE):
            is_due = record.requested_action or (record.state is not State.DEAD and record.next_attempt_at <= now_ms)
            wakeup = wakeup_of(record)
            if wakeup and is_due and (wakeup.queue, record.key) not in called:
                yield record


def calls(queue: redis.Redis) -> set[tuple[str, str]]:
    """By queue, the keys of the transfers that a message there names. What is no wake-up counts as none.

    A message that waits in another queue than its transfer's next one is of before, and calls for nothing.
    """
    found: set[tuple[str, str]] = set()
    with redis_errors_as(LedgerUnavailable):
        for name in QUEUES:
            for message_id, data in queue.hscan_iter(f"{NAMESPACE}:{name}.msgs", count=_PAGE):
                lies_under = message_id.decode(errors="replace") if isinstance(message_id, bytes) else message_id
                with suppress(NotAWakeup):
                    found.add((name, message_guard.received(data, name, lies_under, ACTORS).key))
    return found


class Wakeups:
    """Sends wake-ups."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def send(self, record: Record) -> bool:
        """Call a worker for the transfer. False: no wake-up was sent, and the sweeper will send one."""
        return self._send(record, wakeup_of(record))

    def send_inquiry(self, record: Record) -> bool:
        """Call a worker to ask the bank about it, whatever state it is in."""
        return self._send(record, Wakeup(INQUIRIES, ACTORS[INQUIRIES]))

    def _send(self, record: Record, wakeup: Wakeup | None) -> bool:
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

    def lacking(self, ledger: Reader) -> list[Record]:
        """See `without_wakeup`."""
        return list(without_wakeup(ledger, self._broker.client))

    def heads(self, queues: Sequence[str]) -> dict[str, message_guard.Wakeup]:
        """By queue, the wake-up that a worker gets next; none where a queue is empty or away, or begins otherwise."""
        client, found = self._broker.client, {}
        try:
            pipeline = client.pipeline(transaction=False)
            for name in queues:
                pipeline.lindex(f"{NAMESPACE}:{name}", 0)
            first = {name: at for name, at in zip(queues, pipeline.execute(), strict=True) if at is not None}
            for name, message_id in first.items():
                pipeline.hget(f"{NAMESPACE}:{name}.msgs", message_id)
            for (name, message_id), data in zip(first.items(), pipeline.execute(), strict=True):
                with suppress(NotAWakeup):
                    lies_under = message_id.decode(errors="replace")
                    found[name] = message_guard.received(data or b"", name, lies_under, ACTORS)
        except redis.RedisError:
            return {}
        return found

    def waiting(self, queue: str) -> int:
        """How many messages of the queue wait for a worker. A queue that does not answer counts as full."""
        try:
            return int(str(self._broker.client.llen(f"{NAMESPACE}:{queue}")))
        except redis.RedisError:
            return 1_000_000
