"""One check of messages for both ways: what may not go in does not come out, and the other way round."""

import json
import uuid
from typing import Any

import dramatiq
import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import ACTORS, CONFIRMS, NOW, QUEUES, Broker
from epay_transfers.ledger.queue.message_guard import LONGEST, Guard, NotAWakeup, Wakeup, checked, received
from epay_transfers.ledger.queue.wakeups import wakeup_of
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.worker.activity import Activity
from epay_transfers.worker.actors import declare

KEY = "251124000001"
ID = str(uuid.UUID(int=7))
SENT_MS = 1_795_500_000_000
DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]


def fields(**bent: Any) -> dict[str, Any]:
    whole = {
        "queue_name": NOW,
        "actor_name": "execute",
        "args": [KEY],
        "kwargs": {},
        "options": {"redis_message_id": ID},
        "message_id": str(uuid.UUID(int=8)),
        "message_timestamp": SENT_MS,
    }
    return whole | bent


def test_a_wake_up_passes_both_ways() -> None:
    """What is left of it is all that a worker goes by."""
    expected = Wakeup(NOW, "execute", KEY, ID, SENT_MS)

    Guard(ACTORS).before_enqueue(dramatiq.get_broker(), dramatiq.Message(**fields()), None)
    assert checked(fields(), ACTORS) == expected
    assert received(json.dumps(fields()), NOW, ID, ACTORS) == expected
    assert received(json.dumps(fields()).encode(), NOW, ID, ACTORS) == expected


BENT: list[dict[str, Any]] = [
    {"queue_name": "elsewhere"},
    {"queue_name": CONFIRMS},
    {"queue_name": f"{NOW}.DQ"},
    {"queue_name": None},
    {"queue_name": [NOW]},
    {"actor_name": "confirm"},
    {"actor_name": "execute_batch"},
    {"actor_name": ["execute"]},
    {"actor_name": {}},
    {"actor_name": None},
    {"args": []},
    {"args": [KEY, KEY]},
    {"args": [int(KEY)]},
    {"args": [[KEY]]},
    {"args": ["12345"]},
    {"args": DEEP},
    {"kwargs": {"key": KEY}},
    {"kwargs": []},
    {"kwargs": None},
    {"options": {}},
    {"options": []},
    {"options": {"redis_message_id": ID, "eta": 4_102_444_800_000}},
    {"options": {"redis_message_id": ID, "eta": None}},
    {"options": {"redis_message_id": ID, "retries": 1}},
    {"options": {"redis_message_id": ID, "on_success": "execute"}},
    {"options": {"redis_message_id": ID, "pipe_target": {}}},
    {"options": {"eta": 1}},
    {"options": {"redis_message_id": 7}},
    {"options": {"redis_message_id": ID.upper() + " "}},
    {"options": {"redis_message_id": [ID]}},
    {"message_id": "1"},
    {"message_id": 1},
    {"message_id": [ID]},
    {"message_timestamp": "now"},
    {"message_timestamp": True},
    {"message_timestamp": -1},
    {"message_timestamp": 10**15},
    {"message_timestamp": 1.5},
    {"message_timestamp": None},
]


@pytest.mark.parametrize("bent", BENT, ids=lambda bent: str(bent)[:60])
def test_what_is_bent_passes_neither_way(bent: dict[str, Any]) -> None:
    with pytest.raises(NotAWakeup):
        checked(fields(**bent), ACTORS)
    with pytest.raises(NotAWakeup):
        received(json.dumps(fields(**bent)), str(bent.get("queue_name", NOW)), ID, ACTORS)


@pytest.mark.parametrize("name", sorted(fields()))
def test_a_field_less_or_more_passes_neither_way(name: str) -> None:
    less = {each: value for each, value in fields().items() if each != name}

    for bent in (less, fields(more=1)):
        with pytest.raises(NotAWakeup):
            checked(bent, ACTORS)
        with pytest.raises(NotAWakeup):
            received(json.dumps(bent), NOW, ID, ACTORS)


@pytest.mark.parametrize(
    "data",
    ["", "null", "7", "[]", '"x"', "{", "[" * 1900, "\ud800", b"\xff\xfe", b"", json.dumps(fields()) + " " * LONGEST],
    ids=repr,
)
def test_what_is_no_message_does_not_come_out(data: bytes | str) -> None:
    """Nor stops its consumer: it is refused by the one error that is caught."""
    with pytest.raises(NotAWakeup):
        received(data, NOW, ID, ACTORS)


def test_a_message_is_in_its_own_place() -> None:
    """Under the id that it names, in the queue that it names."""
    with pytest.raises(NotAWakeup, match="the queue that it is in"):
        received(json.dumps(fields()), CONFIRMS, ID, ACTORS)
    with pytest.raises(NotAWakeup, match="the id under which it lies"):
        received(json.dumps(fields()), NOW, str(uuid.uuid4()), ACTORS)


def test_each_queue_has_its_actor() -> None:
    """What is sent, what is declared and what is let out are the same pairs."""
    assert list(ACTORS) == list(QUEUES)
    sent = {wakeup_of(Record(key=KEY, state=state, urgency=urgency)) for state in State for urgency in ("now", "batch")}
    assert {(one.queue, one.actor) for one in sent if one} == set(ACTORS.items())
    broker = Broker(connect("redis://127.0.0.1:1/0"), [], {})
    declare(broker, _Nothing(), Activity(SystemClock()))  # type: ignore[arg-type]  # only the steps' names are asked for
    assert {(actor.queue_name, name) for name, actor in broker.actors.items()} == set(ACTORS.items())


class _Nothing:
    def __getattr__(self, name: str) -> object:
        return print
