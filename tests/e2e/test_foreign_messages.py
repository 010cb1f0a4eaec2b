"""What a program with a password of the queue can write there: a real worker sets it aside, and its queue goes on."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from epay_transfers.ledger.queue.broker import BATCH, CONFIRMS, INQUIRIES, NAMESPACE, NOW, QUEUES
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.servers import queue_url
from tests.support.waiting import until

THREADS = 2
KEY = "251124000001"  #: a transfer that the ledger does not have
FAR_MS = 4_102_444_800_000


@pytest.fixture
def queue(platform: Platform) -> Iterator[redis.Redis]:
    client = connect(queue_url(platform.env["REDIS_URL"]), text=False)
    yield client
    client.close()


def message(to: str = NOW, /, **bent: Any) -> tuple[str, str | bytes]:
    """A wake-up, but for what is bent: the id under which it is to lie, and its text."""
    message_id = str(uuid.uuid4())
    actors = {NOW: "execute", CONFIRMS: "confirm", INQUIRIES: "inquire", BATCH: "execute_batch"}
    fields = {
        "queue_name": to,
        "actor_name": actors[to],
        "args": [KEY],
        "kwargs": {},
        "options": {"redis_message_id": message_id},
        "message_id": str(uuid.uuid4()),
        "message_timestamp": 1_795_500_000_000,
    }
    options = {"redis_message_id": message_id} | bent.pop("more_options", {})
    return message_id, json.dumps(fields | {"options": options} | bent)


def lay(queue: redis.Redis, messages: list[tuple[str, str | bytes]], into: str = NOW) -> None:
    """As any program may: the text into the hash, the id into the list."""
    for message_id, text in messages:
        queue.hset(f"{NAMESPACE}:{into}.msgs", message_id, text)
        queue.rpush(f"{NAMESPACE}:{into}", message_id)


def many(**bent: Any) -> list[tuple[str, str | bytes]]:
    """More than a worker has places for, so that they hold up what comes after them if one of them sticks."""
    return [message(**bent) for _ in range(4 * THREADS)]


def raw(*texts: str | bytes) -> list[tuple[str, str | bytes]]:
    return [(str(uuid.uuid4()), text) for text in texts]


FOREIGN: dict[str, Callable[[], list[tuple[str, str | bytes]]]] = {
    "a far eta": lambda: many(more_options={"eta": FAR_MS}),
    "an eta that is no time": lambda: many(more_options={"eta": "soon"}),
    "an eta that is nothing": lambda: many(more_options={"eta": None}),
    "an actor that is a list": lambda: many(actor_name=["execute"]),
    "an actor that is an object": lambda: many(actor_name={"a": 1}),
    "an actor of another queue": lambda: many(actor_name="confirm"),
    "an actor that nobody declared": lambda: many(actor_name="refund"),
    "another message's id": lambda: many(options={"redis_message_id": str(uuid.uuid4())}),
    "an id that is a number": lambda: many(options={"redis_message_id": 7}),
    "no id": lambda: many(options={}),
    "options that are a list": lambda: many(options=[]),
    "a pipeline": lambda: many(more_options={"pipe_target": {"queue_name": NOW, "actor_name": "execute"}}),
    "callbacks": lambda: many(more_options={"on_success": "execute", "on_failure": "execute"}),
    "retries": lambda: many(more_options={"retries": 3, "max_retries": 10**9, "traceback": "card"}),
    "a class to catch": lambda: many(more_options={"throws": "everything"}),
    "another queue": lambda: many(queue_name="elsewhere"),
    "a queue that is a list": lambda: many(queue_name=[NOW]),
    "a message id that is a list": lambda: many(message_id=[1]),
    "a message id that is no UUID": lambda: many(message_id="1"),
    "a time that is no number": lambda: many(message_timestamp="now"),
    "a time without an end": lambda: raw(*(str(text).replace("1795500000000", "1e999") for _, text in many())),
    "a field too many": lambda: many(extra=1),
    "kwargs": lambda: many(kwargs={"key": KEY}),
    "a list of a list": lambda: many(args=[[KEY]]),
    "deep JSON": lambda: raw(*["[" * 1900] * 8),
    "very deep JSON": lambda: raw(*["[" * 10**6] * 8),
    "a huge message": lambda: raw(*["x" * 10**6] * 8),
    "a huge wake-up": lambda: many(kwargs={"key": "x" * 10**5}),
    "no text": lambda: raw(*[b"\xff\xfe"] * 8),
    "null": lambda: raw(*["null", "1", '"x"', "[]", "{}"] * 2),
}


def state(queue: redis.Redis, names: tuple[str, ...] = QUEUES) -> dict[str, int]:
    """What is left of messages, but for the dead letters."""
    left = {f"{name} waits": queue.llen(f"{NAMESPACE}:{name}") for name in names}
    left |= {f"{name} holds": queue.hlen(f"{NAMESPACE}:{name}.msgs") for name in names}
    return {name: number for name, number in left.items() if number} | {
        str(name): 1 for name in queue.keys(f"{NAMESPACE}:__acks__.*")
    }


def goes_on(platform: Platform, monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    """A transfer behind them is sent."""
    transfers = platform.transfers(monkeypatch)
    assert transfers.wait(transfers.enqueue(payout(reference)).key, timeout=60).state is State.PAID
    transfers.close()


def test_what_is_no_wake_up_is_set_aside_and_the_queue_goes_on(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in one queue, each more often than a worker has places: nothing of them sticks or comes back."""
    laid = [one for make in FOREIGN.values() for one in make()]
    lay(queue, laid)
    worker = platform.start_worker(WORKER_THREADS=str(THREADS))

    goes_on(platform, monkeypatch, "payout-1")
    until(lambda: state(queue) == {})

    assert queue.zcard(f"{NAMESPACE}:{NOW}.XQ") == len(laid)
    assert queue.hlen(f"{NAMESPACE}:{NOW}.XQ.msgs") == len(laid)
    assert max(map(len, queue.hvals(f"{NAMESPACE}:{NOW}.XQ.msgs"))) < 5000, "of a huge one, its length is kept"
    assert worker.poll() is None
    assert "Consumer encountered" not in platform.log_text()


@pytest.mark.parametrize("what", ["a far eta", "an actor that is a list", "another message's id"])
def test_one_kind_alone_does_not_hold_up_a_queue(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The first of them that worked: each was enough by itself, and outlived a restart of the worker."""
    lay(queue, FOREIGN[what]())
    platform.start_worker(WORKER_THREADS=str(THREADS))

    goes_on(platform, monkeypatch, "payout-1")
    until(lambda: state(queue) == {})
    platform.stop()

    assert state(queue) == {}


def test_an_actor_is_not_called_through_another_queue(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that may write into `confirms` alone has no transfer sent: its message is set aside unread."""
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1")).key
    lay(queue, [message(CONFIRMS, actor_name="execute", args=[key])], CONFIRMS)
    platform.start_worker(WORKER_THREADS=str(THREADS))

    until(lambda: queue.zcard(f"{NAMESPACE}:{CONFIRMS}.XQ") == 1)
    assert transfers.wait(key, timeout=60).state is State.PAID, "by its own wake-up"
    until(lambda: state(queue) == {})
    transfers.close()
    assert "a wake-up is for the actor of its queue" in platform.log_text()


def test_delayed_queues_hold_nothing_up(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reads them too, with a worker's places; this project sends nothing there."""
    delayed = f"{CONFIRMS}.DQ"
    laid = [message(CONFIRMS, queue_name=name, more_options=eta)
            for name in (delayed, CONFIRMS) for eta in ({}, {"eta": FAR_MS}, {"eta": 1})]  # fmt: skip
    lay(queue, [*laid, *raw("null")], delayed)
    platform.start_worker(WORKER_THREADS=str(THREADS))

    until(lambda: queue.zcard(f"{NAMESPACE}:{CONFIRMS}.XQ") == 7)
    goes_on(platform, monkeypatch, "payout-1")
    until(lambda: state(queue, (*QUEUES, delayed)) == {})


def test_ids_that_are_doubled_or_have_no_message_stick_nowhere(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id ten times in the list, ids without a message, ids that are none, one message id under many ids."""
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1")).key
    (own,) = queue.lrange(f"{NAMESPACE}:{NOW}", 0, -1)
    queue.rpush(f"{NAMESPACE}:{NOW}", *[own] * 10, *[str(uuid.uuid4()) for _ in range(10)], b"\xff", "", "x" * 10**6)
    same = str(uuid.uuid4())
    lay(queue, [message(args=[key], message_id=same) for _ in range(10)])
    platform.start_worker(WORKER_THREADS=str(THREADS))

    assert transfers.wait(key, timeout=60).state is State.PAID
    until(lambda: state(queue) == {})
    assert [order["executions"] for order in platform.books()["orders"].values()] == [1]
    transfers.close()


@pytest.mark.parametrize("end", ["", ".msgs", ".XQ", ".XQ.msgs"])
def test_a_key_of_another_type_is_deleted(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """It stopped every worker's consumer, and every sender. What was in it the ledger has."""
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1")).key
    lay(queue, raw("null"))
    queue.delete(f"{NAMESPACE}:{NOW}{end}")
    queue.set(f"{NAMESPACE}:{NOW}{end}", "x")
    platform.start_worker(WORKER_THREADS=str(THREADS))

    assert transfers.wait(key, timeout=60).state is State.PAID
    until(lambda: queue.type(f"{NAMESPACE}:{NOW}{end}") != b"string")
    transfers.close()


@pytest.mark.parametrize("kind", ["of another type", "flooded"])
def test_heartbeats_that_are_none_hold_nothing_up(
    platform: Platform, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Each id there costs the library a search among all keys; a key of another type stopped every command."""
    beats = f"{NAMESPACE}:__heartbeats__"
    if kind == "of another type":
        queue.set(beats, "x")
    else:
        queue.zadd(beats, {f"[a-z]*{number}*" + "*?" * 50: 1.0 for number in range(5000)})
    platform.start_worker(WORKER_THREADS=str(THREADS))

    goes_on(platform, monkeypatch, "payout-1")
    until(lambda: queue.zcard(beats) < 5000)
