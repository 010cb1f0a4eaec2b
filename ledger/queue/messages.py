"""The messages of a queue, a page at a time: those that wait, those that workers fetched, and Dramatiq's dead letters.

This module only reads. A message is believed no more here than by a worker: of one that is no wake-up nothing is told
but why it is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import redis

from epay_transfers.ledger.errors import QueueUnavailable
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import ACTORS, NAMESPACE
from epay_transfers.ledger.store.redis_errors import read_errors_as

#: So many workers are looked at: those that were heard last.
MOST_WORKERS = 500

_TOO_LONG = b" " * (message_guard.LONGEST + 1)


class Where(StrEnum):
    """Where a message of a queue is."""

    WAITING = "waiting"
    AT_WORK = "at_work"
    DEAD_LETTERS = "dead_letters"


@dataclass(frozen=True, slots=True)
class Message:
    key: str = ""  #: of the transfer that it calls a worker for; empty where it is no wake-up
    sent_ms: int = 0
    why_not: str = ""  #: why it is no wake-up


@dataclass(frozen=True, slots=True)
class Messages:
    """A page of them, in the queue's order. `of`: so many there are."""

    page: Sequence[Message]
    of: int


def read(client: redis.Redis, queue: str, where: Where, *, start: int, limit: int) -> Messages:
    """From the place `start` on, the first is 0; by a client that answers in bytes. Raises `QueueUnavailable`."""
    name = f"{NAMESPACE}:{queue}"
    with read_errors_as(QueueUnavailable):
        match where:
            case Where.WAITING:
                of = client.llen(name)
                ids = cast("list[bytes]", client.lrange(name, start, start + limit - 1))
            case Where.AT_WORK:
                (at_work,) = fetched(client, [queue])
                of, ids = len(at_work), at_work[start : start + limit]
            case Where.DEAD_LETTERS:
                name = f"{name}.XQ"
                of = client.zcard(name)
                ids = cast("list[bytes]", client.zrange(name, start, start + limit - 1))
        texts = _texts(client, f"{name}.msgs", ids)
    return Messages([_message(queue, *each) for each in zip(ids, texts, strict=True)], of)


def message_of(client: redis.Redis, queue: str, message_id: bytes) -> Message:
    """One that waits."""
    (text,) = _texts(client, f"{NAMESPACE}:{queue}.msgs", [message_id])
    return _message(queue, message_id, text)


def fetched(client: redis.Redis, queues: Sequence[str]) -> list[list[bytes]]:
    """By queue, the ids that workers have fetched and not acknowledged, as Dramatiq keeps them.

    Of the workers that were heard last: any program with a password of the queue can write any number of others there.
    """
    workers = cast("list[bytes]", client.zrange(f"{NAMESPACE}:__heartbeats__", -MOST_WORKERS, -1))
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        for worker in workers:
            pipeline.smembers(f"{NAMESPACE}:__acks__.".encode() + worker + f".{queue}".encode())
    told = pipeline.execute()
    step = len(workers)
    return [sorted(set().union(*told[at * step : (at + 1) * step])) for at in range(len(queues))]


def _texts(client: redis.Redis, name: str, ids: Sequence[bytes]) -> list[bytes | None]:
    """Of one that is too long to be a wake-up, a text that is none: it is not read."""
    pipeline = client.pipeline(transaction=False)
    for message_id in ids:
        pipeline.hstrlen(name, message_id)
    short = [id_ for id_, length in zip(ids, pipeline.execute(), strict=True) if length <= message_guard.LONGEST]
    found = dict(zip(short, cast("list[bytes | None]", client.hmget(name, short)), strict=True)) if short else {}
    return [found.get(message_id, _TOO_LONG) for message_id in ids]


def _message(queue: str, message_id: bytes, text: bytes | None) -> Message:
    if text is None:
        return Message(why_not="its text is gone from the queue")
    try:
        wakeup = message_guard.received(text, queue, message_id.decode(errors="replace"), ACTORS)
    except message_guard.NotAWakeup as error:
        return Message(why_not=str(error))
    return Message(wakeup.key, wakeup.sent_ms)
