"""What ops want of the bank or the vault is asked in the ledger, and a worker does it: who, what and why in the event.

Then a bell is rung, and who wants to can wait for what came of it.
"""

from dataclasses import replace
from typing import Literal

import dramatiq

from ledger.doorbell import Broker, Doorbell
from ledger.events import Event
from ledger.record import Record
from ledger.replies import Refused
from ledger.servers import connect
from ledger.states import State, Verb
from ops import screen, words
from ops.border import NotYet, Refusal
from ops.desk import Desk

Asked = Literal["requeue", "discard", "cancel"]

#: These tell nothing of what was asked.
_NO_ANSWER = frozenset({Verb.ASK, Verb.RING})

_BLOCK_MS = 500


def ask(desk: Desk, record: Record, what: Asked, why: str, *, wait_s: float = 0) -> None:
    """Raises `Refusal` if the transfer has moved meanwhile or can't be done, `NotYet` if nobody came in time."""
    before = desk.events.newest(1)
    write(desk, record, what, why)
    screen.say(f"{record.key}: asked for {what}; a worker does it")
    if wait_s > 0:
        _follow(desk, record.key, before[-1].id if before else "0", wait_s)


def write(desk: Desk, record: Record, what: Asked, why: str) -> None:
    """Into the ledger, and ring. Raises `Refusal` if the transfer has moved meanwhile."""
    moved = desk.ledger.move(
        record, Verb.ASK, actor=desk.actor, due_in=0, fields={"asked": what, "rings": 0}, event={"why": why}
    )
    if isinstance(moved, Refused):
        raise Refusal(f"nothing was asked: meanwhile the transfer is {moved.state}; look at it again")
    _ring(desk, replace(record, state=moved.state))


def _ring(desk: Desk, record: Record) -> None:
    """Whether it rang does not matter: the sweeper rings again."""
    client = connect(desk.settings.queue_url)
    middleware: list[dramatiq.Middleware] = []
    Doorbell(Broker(client, middleware, {})).ring(record)
    client.close()


def _follow(desk: Desk, key: str, place: str, wait_s: float) -> None:
    end = desk.clock.monotonic() + wait_s
    for batch in desk.events.follow(place, block_ms=_BLOCK_MS):
        for event in batch:
            if event.fields.get("key") == key and event.fields.get("verb") not in _NO_ANSWER:
                _tell(key, event)
                return
        if desk.clock.monotonic() >= end:
            raise NotYet(f"{key}: nobody has done it in {wait_s:g} s; it stays asked. Does a worker run?")


def _tell(key: str, event: Event) -> None:
    sentence = f"{key}: {words.happened(event)}"
    if event.fields.get("verb") == Verb.DROP:
        raise Refusal(sentence)
    screen.say(sentence)


def must_be(record: Record, *states: State, otherwise: str) -> None:
    if record.state not in states:
        raise Refusal(f"{record.key} is {record.state}: {otherwise}")
