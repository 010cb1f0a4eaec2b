"""Wake-ups: short messages that call a worker for a transfer. A message is the transfer's key and nothing else.

A wake-up may be lost, doubled or late. So its sender waits for no worker, and a queue that is away is no error:
the sweeper sends the wake-up again.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import dramatiq
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import (
    ACTORS,
    BATCH,
    CONFIRMS,
    INQUIRIES,
    NAMESPACE,
    NOW,
    QUEUES,
    Broker,
    new_message,
)
from epay_transfers.ledger.queue.message_guard import NotAWakeup
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import UNFINISHED, State
from epay_transfers.ledger.store.reader import Reader
from epay_transfers.ledger.store.redis_errors import redis_errors_as

_LOG = logging.getLogger(__name__)

#: How many transfers are read in one round trip.
_PAGE = 500

_STATES = frozenset(State)


@dataclass(frozen=True, slots=True)
class Wakeup:
    queue: str
    actor: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a record tells whether a wake-up is due: a tenth of what it costs to read it whole."""

    key: str
    state: State
    urgency: str
    requested_action: str
    next_attempt_at: int


_FIELDS = tuple(each.name for each in dataclasses.fields(Waiting))


def wakeup_of(record: Record | Waiting) -> Wakeup | None:
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
            if _lacking(record, called, now_ms):
                yield record


def count_without_wakeup(ledger: Reader, queue: redis.Redis, progress: Callable[[int, int], None]) -> Counter[str]:
    """How many these are, by the queue of their wake-ups. `progress`: so many were looked at, of so many."""
    called, now_ms = calls(queue), ledger.now_ms()
    of = sum(ledger.lists.count(state, name) for state in UNFINISHED for name in ledger.lists.terminals(state))
    counts: Counter[str] = Counter()
    keys = (listed.at.key for listed in ledger.lists.all(UNFINISHED, chunk=_PAGE))
    done = 0
    while page := list(islice(keys, _PAGE)):
        lacking = (_lacking(each, called, now_ms) for each in _waiting(ledger, page))
        counts.update(wakeup.queue for wakeup in lacking if wakeup)
        done += len(page)
        progress(done, of)
    return counts


def _lacking(record: Record | Waiting, called: set[tuple[str, str]], now_ms: int) -> Wakeup | None:
    """The wake-up that is due for it, and that no message in the queue is."""
    is_due = record.requested_action or (record.state is not State.DEAD and record.next_attempt_at <= now_ms)
    wakeup = wakeup_of(record)
    return wakeup if wakeup and is_due and (wakeup.queue, record.key) not in called else None


def _waiting(ledger: Reader, keys: Sequence[str]) -> Iterator[Record | Waiting]:
    """One that does not look as it must is read whole, which says what is wrong with it."""
    doubtful = [key for key in keys if not is_key(key)]
    keys = [key for key in keys if is_key(key)]
    for key, fields in zip(keys, ledger.fields(keys, _FIELDS), strict=True):
        own, state, urgency, action, at = (text or "" for text in fields or [""] * 5)
        if own == key and state in _STATES and (not at or at.isdecimal()):
            yield Waiting(key, State(state), urgency, action, int(at or 0))
        else:
            doubtful.append(key)
    yield from ledger.get_many(doubtful)


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


#: The broker has said that the queue is away.
_NOT_SENT = (redis.RedisError, dramatiq.BrokerError)


def _message(record: Record, wakeup: Wakeup) -> dramatiq.Message[Any]:
    return new_message(wakeup.queue, wakeup.actor, record.key)


def _log_not_sent(record: Record, wakeup: Wakeup) -> None:
    log_line(
        _LOG.debug,
        "wakeup.not_sent",
        "No wake-up was sent for %(key)s: the queue %(queue)s did not take it, and the sweeper sends one later",
        key=record.key,
        queue=wakeup.queue,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a queue that is not empty."""

    wakeup: message_guard.Wakeup
    waiting: int  #: how many messages wait there


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

    def send_all(self, records: Iterable[Record]) -> int:
        """Many wake-ups, in few round trips. Returns how many the queue took, at the least.

        It stops where it could not send: the queue is away.
        """
        called = [(record, wakeup) for record in records if (wakeup := wakeup_of(record))]
        for start in range(0, len(called), _PAGE):
            page = called[start : start + _PAGE]
            try:
                self._broker.enqueue_all([_message(record, wakeup) for record, wakeup in page])
            except _NOT_SENT:
                _log_not_sent(*page[0])
                return start
        return len(called)

    def _send(self, record: Record, wakeup: Wakeup | None) -> bool:
        if wakeup is None:
            return False
        try:
            self._broker.enqueue_all([_message(record, wakeup)])
        except _NOT_SENT:
            _log_not_sent(record, wakeup)
            return False
        return True

    def lacking(self, ledger: Reader) -> list[Record]:
        """See `without_wakeup`."""
        return list(without_wakeup(ledger, self._broker.client))

    def heads(self, queues: Sequence[str]) -> dict[str, Head]:
        """By queue, the wake-up that a worker gets next; none where a queue is empty or away, or begins otherwise."""
        client = self._broker.client
        found: dict[str, Head] = {}
        try:
            pipeline = client.pipeline(transaction=False)
            for name in queues:
                pipeline.lindex(f"{NAMESPACE}:{name}", 0)
                pipeline.llen(f"{NAMESPACE}:{name}")
            told = pipeline.execute()
            first = {name: at for name, at in zip(queues, told[::2], strict=True) if at is not None}
            waiting = dict(zip(queues, told[1::2], strict=True))
            for name, message_id in first.items():
                pipeline.hget(f"{NAMESPACE}:{name}.msgs", message_id)
            for (name, message_id), data in zip(first.items(), pipeline.execute(), strict=True):
                with suppress(NotAWakeup):
                    lies_under = message_id.decode(errors="replace")
                    wakeup = message_guard.received(data or b"", name, lies_under, ACTORS)
                    found[name] = Head(wakeup, waiting[name])
        except redis.RedisError:
            return {}
        return found

    def waiting(self, queue: str) -> int:
        """How many messages of the queue wait for a worker. A queue that does not answer counts as full."""
        try:
            return int(str(self._broker.client.llen(f"{NAMESPACE}:{queue}")))
        except redis.RedisError:
            return 1_000_000
