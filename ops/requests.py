"""An operator's requests: what only a worker can do is requested in the ledger, with the operator's name and reason.

A wake-up follows at once, and the command can wait for what came of it.
"""

from dataclasses import replace

import dramatiq

from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import acting, descriptions, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal

#: The events of these verbs are no answer to a request.
_NO_ANSWER = frozenset({Verb.REQUEST, Verb.SCHEDULE_WAKEUP, Verb.LOOK_LATER})

_BLOCK_MS = 500


def submit(context: Context, record: Record, what: RequestedAction, why: str, *, wait_s: float = 0) -> None:
    """Raises `Refusal` if the transfer has moved meanwhile or can't be done, `NotYet` if no worker came in time."""
    before = context.events.newest(1)
    write(context, record, what, why)
    screen.say(f"{record.key}: asked for {what}; a worker does it")
    if wait_s > 0:
        _follow(context, record.key, before[-1].id if before else "0", wait_s)


def write(context: Context, record: Record, what: RequestedAction, why: str) -> None:
    """Into the ledger, and a wake-up. Raises `Refusal` if the transfer has moved meanwhile."""
    change = Change(due_in=0, fields={"requested_action": what, "wakeups": 0}, event={"why": why})
    moved = acting.move(context, record, Verb.REQUEST, change)
    _wake(context, replace(record, state=moved.state))


def _wake(context: Context, record: Record) -> None:
    """A wake-up that is lost does not matter: the sweeper sends the next one."""
    client = connect(context.settings.queue_url)
    middleware: list[dramatiq.Middleware] = []
    Wakeups(Broker(client, middleware, {})).send(record)
    client.close()


def _follow(context: Context, key: str, place: str, wait_s: float) -> None:
    end = context.clock.monotonic() + wait_s
    for batch in context.events.follow(place, block_ms=_BLOCK_MS):
        for event in batch:
            if event.fields.get("key") == key and event.fields.get("verb") not in _NO_ANSWER:
                _tell(key, event)
                return
        if context.clock.monotonic() >= end:
            raise NotYet(f"{key}: no worker has done it in {wait_s:g} s; it stays asked. Does a worker run?")


def _tell(key: str, event: Event) -> None:
    sentence = f"{key}: {descriptions.happened(event)}"
    if event.fields.get("verb") == Verb.REFUSE_REQUEST:
        raise Refusal(sentence)
    screen.say(sentence)
