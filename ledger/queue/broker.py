"""Dramatiq's Redis broker as both sides build it, and the names of the queues.

A producer's broker only sends. A worker's broker also receives, with a limited number of places for some queues.
"""

import dataclasses
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from random import randint
from typing import Any, cast
from uuid import uuid4

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.consumer import Consumer
from epay_transfers.ledger.queue.message_guard import Guard, NotAWakeup
from epay_transfers.ledger.queue.watch import QueueWatch
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.server_problems import known_problem

_LOG = logging.getLogger(__name__)

NOW = "transfers.now"  #: a client is waiting
BATCH = "transfers.batch"  #: payouts
CONFIRMS = "confirms"
INQUIRIES = "inquiries"
QUEUES = (CONFIRMS, NOW, INQUIRIES, BATCH)

#: The one actor whose messages a queue carries.
ACTORS = {CONFIRMS: "confirm", NOW: "execute", INQUIRIES: "inquire", BATCH: "execute_batch"}

NAMESPACE = "{transfers}"

#: Of each message that a worker fetched and is not through with, by its id: how often it began again without an end.
BEGINNINGS = f"{NAMESPACE}:beginnings"

#: A killed worker's messages return in about a minute; the sweeper does not wait for it.
_HEARTBEAT_MS = 60_000
_MAINTENANCE_PER_MILLION = 50_000
_IDLE_MAINTENANCE_PER_MILLION = 250_000  #: it fetches seldom
_PER_MILLION = 1_000_000

#: Of the workers that died, as many are looked at together.
_MOST_DEAD = 100

#: As many acknowledgements go with one fetch.
_MOST_ENDED = 1000

#: How long (s) a consumer of an idle queue waits at the server. A stop waits for that.
_WAIT_S = 2

#: How the name of a delay queue ends.
_DELAYED = ".DQ"

#: How long a consumer rests at the most, where its queue is empty: a client waits for the first two; a delay queue's.
_REST_MS = {NOW: 200, CONFIRMS: 200, INQUIRIES: 500, BATCH: 500}
_DELAYED_REST_MS = 2_000

_DEAD_LETTERS_MS = 90 * 86_400_000


class Broker(RedisBroker):
    """Dramatiq's Redis broker, with a limit for a queue: fewer places than the worker has threads.

    A broker without places only sends: maintenance of the queues, and the permission for it, belong to workers.
    """

    def __init__(self, client: redis.Redis, middleware: list[dramatiq.Middleware], places: Mapping[str, int]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed
            client=client,
            middleware=[Guard(ACTORS), *middleware],
            namespace=NAMESPACE,
            heartbeat_timeout=_HEARTBEAT_MS,
            maintenance_chance=0,
            dead_message_ttl=_DEAD_LETTERS_MS,
        )
        self.watch = QueueWatch()
        self.on_fetch: Callable[[str], None] = _unheard  #: is told the queue, each time that the server answered
        self._places = places
        self._scripts = Scripts(client, ("queue_fetch", "queue_send"))
        self._ended: defaultdict[str, list[str]] = defaultdict(list)  #: by queue: what is to be acknowledged
        self._again: set[str] = set()  #: the ids of those at work that were fetched before
        self._chance = _MAINTENANCE_PER_MILLION if places else 0
        self._idle_chance = _IDLE_MAINTENANCE_PER_MILLION if places else 0

    @property
    def consumer_class(self) -> type[Consumer]:
        return Consumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        """A consumer's unacknowledged messages are those at work, so its prefetch is the queue's number of places.

        No wake-up is delayed: what another program writes into a delay queue is looked for now and then only.
        """
        rest_ms = _REST_MS.get(queue_name, _DELAYED_REST_MS)
        return super().consume(queue_name, min(prefetch, self._places.get(queue_name, prefetch)), min(timeout, rest_ms))

    def enqueue_all(self, messages: Sequence[dramatiq.Message[Any]]) -> None:
        """Many messages of `new_message`, in one round trip for each queue."""
        by_queue: dict[str, list[str]] = {}
        for message in messages:
            self.emit_before("enqueue", message, None)
            by_queue.setdefault(message.queue_name, []).extend((message.message_id, message.encode().decode()))
        for queue, ids_and_texts in by_queue.items():
            with self._watched("enqueue"):
                self._send(queue, *ids_and_texts)
        for message in messages:
            self.emit_after("enqueue", message, None)

    def _dispatch(self, command: str) -> Callable[..., Any]:
        """An acknowledgement waits for the next fetch, in whose trip it goes: `end_fetching` sends the last ones."""
        send = super()._dispatch(command)  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed

        def careful(queue_name: str, *args: Any) -> Any:
            if command == "ack":
                return self._ended[queue_name].extend(args)
            with self._watched(command):
                if command == "enqueue":
                    message_id, message = args
                    return self._send(queue_name, message_id, message.decode())
                reply = send(queue_name, *args)
                if command == "nack":
                    self.client.hdel(BEGINNINGS, *args)
                return reply

        return careful

    def do_fetch(self, queue_name: str, prefetch: int, *, is_idle: bool = False) -> list[dramatiq.Message[Any]]:
        """Fetch messages, and set aside what is no wake-up: it could hold up or stop its consumer, and all behind it.

        Each message is made anew from what was checked, under the id of its place. So a consumer counts each as one,
        and can acknowledge it.
        """
        if randint(1, _PER_MILLION) <= (self._idle_chance if is_idle else self._chance):  # noqa: S311 - only how often is a matter of chance
            self._maintain(queue_name)
        flat = self._fetch(queue_name, prefetch)
        self.on_fetch(queue_name)
        fetched: list[dramatiq.Message[Any]] = []
        for message_id, data, again in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            try:
                wakeup = message_guard.received(data, queue_name, message_id.decode(errors="replace"), ACTORS)
            except NotAWakeup as error:
                log_line(
                    _LOG.error,
                    "message.quarantined",
                    "A message of %(bytes)s bytes in the queue %(queue)s is no wake-up, and was set aside: %(why)s",
                    queue=queue_name,
                    why=str(error),
                    bytes=len(data),
                )
                self._dispatch("nack")(queue_name, message_id)
            else:
                if again:
                    self._again.add(wakeup.message_id)
                fetched.append(_message(wakeup))
        return fetched

    def wait(self, queue_name: str) -> bool:
        """Wait for a message at the server, for a few seconds at the most. Is there one to fetch, or something to say?

        The server moves the first message to the first place, where it is already: so this changes nothing, and returns
        as soon as one comes. No message of ours is in a delay queue: it is fetched from now and then, without a look.
        """
        if self._ended[queue_name]:
            return True
        if queue_name.endswith(_DELAYED):
            threading.Event().wait(_WAIT_S)
            return False
        queue = f"{self.namespace}:{queue_name}"
        found: object = b""
        with self._watched("wait"), suppress(redis.ResponseError):  # what a server refuses, the fetch says or mends
            found = self.client.blmove(queue, queue, _WAIT_S, "LEFT", "LEFT")
        self.on_fetch(queue_name)
        return found is not None

    def end_fetching(self, queue_name: str) -> None:
        """Acknowledge what ended since the last fetch. What can't be comes again, and is an old wake-up then."""
        if self._ended[queue_name]:
            self._fetch(queue_name, 0)

    def _fetch(self, queue_name: str, most: int) -> list[bytes]:
        """One trip: what has ended is acknowledged, and as many messages come with their ids.

        What if the reply is lost? The same is acknowledged once more; and the messages are this worker's, though it
        does not know of them, until another takes it for dead. The sweeper sends another wake-up before.
        """
        queue = f"{self.namespace}:{queue_name}"
        dead = f"{self.namespace}:{queue_name.removesuffix(_DELAYED)}.XQ"  # as Dramatiq names it
        names = (
            queue,
            f"{queue}.msgs",
            f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}",
            self._heartbeats,
            dead,
            f"{dead}.msgs",
            BEGINNINGS,
        )
        ended = self._ended[queue_name][:_MOST_ENDED]
        args: list[str | int] = [current_millis(), self.broker_id, most, message_guard.LONGEST, *ended]
        with self._watched("fetch"):
            flat = cast("list[bytes]", self._scripts.run("queue_fetch", names, args))
        del self._ended[queue_name][: len(ended)]  # another thread adds at the end only
        return flat

    def _send(self, queue_name: str, *ids_and_messages: str) -> None:
        queue = f"{self.namespace}:{queue_name}"
        self._scripts.run("queue_send", (queue, f"{queue}.msgs"), ids_and_messages)

    def _maintain(self, queue_name: str) -> None:
        """Dramatiq gives back the messages of workers that died, after a look at each id among the heartbeats.

        Another program can write any number of ids there, so those that have no message at work are removed first, a
        few at a time; while there are more, Dramatiq does not look.
        """
        with self._watched("maintain"):
            before_ms = current_millis() - _HEARTBEAT_MS
            died = cast(
                "list[bytes]",
                self.client.zrangebyscore(self._heartbeats, "-inf", before_ms, start=0, num=_MOST_DEAD),
            )
            pipeline = self.client.pipeline(transaction=False)
            for worker in died:
                at_work = f"{self.namespace}:__acks__.{worker.decode(errors='replace')}"
                names = [f"{at_work}.{each}{end}" for each in QUEUES for end in ("", _DELAYED)]
                pipeline.exists(*names)
            none_at_work = [worker for worker, held in zip(died, pipeline.execute(), strict=True) if not held]
            if none_at_work:
                self.client.zrem(self._heartbeats, *none_at_work)
        if len(died) < _MOST_DEAD:
            self.maintenance_chance = _PER_MILLION
            try:
                self._dispatch("requeue")(queue_name)  # of nothing
            finally:
                self.maintenance_chance = 0

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """Dramatiq repeats what it does after a lost connection alone; a timeout is made one here."""
        lost: redis.ConnectionError | None = None
        try:
            yield
        except redis.RedisError as error:
            self.watch.failed(what, error)
            if not isinstance(error, redis.ConnectionError | redis.TimeoutError):
                raise
            lost = redis.ConnectionError("the queue's server can't be used")
            lost.__cause__ = known_problem(error)
        if lost:
            raise lost
        self.watch.did(what)

    @property
    def _heartbeats(self) -> str:
        return f"{self.namespace}:__heartbeats__"

    def begin(self, message: dramatiq.MessageProxy) -> int:
        """How often this message has begun without an end: a message that kills its worker never ends.

        Only one that was fetched before is counted, by a round trip: the first time is the first.
        """
        message_id = message.options.get("redis_message_id", "")
        if message_id not in self._again:
            return 1
        try:
            return 1 + int(self.client.hincrby(BEGINNINGS, message_id, 1))
        except redis.RedisError:
            return 1

    def end(self, message: dramatiq.MessageProxy) -> None:
        """Its acknowledgement ends the count."""
        self._again.discard(message.options.get("redis_message_id", ""))


def _unheard(_queue_name: str) -> None:
    """No part of this process asks."""


def new_message(queue: str, actor: str, key: str) -> dramatiq.Message[Any]:
    """A wake-up for a transfer, for `enqueue_all`. The library would make two ids, and a copy for the second."""
    return _message(message_guard.Wakeup(queue, actor, key, str(uuid4()), current_millis()))


class _Message(dramatiq.Message[Any]):
    """Asked for its fields twice on its way: for the check, and for its text."""

    def asdict(self) -> dict[str, Any]:
        return dict(zip(_FIELDS, _values(self), strict=True))


_FIELDS = tuple(each.name for each in dataclasses.fields(dramatiq.Message))
_values = attrgetter(*_FIELDS)


def _message(wakeup: message_guard.Wakeup) -> _Message:
    return _Message(
        queue_name=wakeup.queue,
        actor_name=wakeup.actor,
        args=(wakeup.key,),
        kwargs={},
        options={"redis_message_id": wakeup.message_id},
        message_id=wakeup.message_id,
        message_timestamp=wakeup.sent_ms,
    )
