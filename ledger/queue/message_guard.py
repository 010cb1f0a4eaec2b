"""The one check of a message, on its way into the queue and out of it: a wake-up, a transfer's key and nothing else.

Each broker that is built here has it, a producer's and a worker's. Any program with a password of the queue can write
what it likes there, so a worker believes a message no more than a producer's own code may send it. What the check
refuses may be dropped: the ledger is the truth, and the sweeper sends another wake-up for each transfer that waits.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.middleware import MiddlewareError

from epay_transfers.ledger import invoice

#: Bytes; a wake-up has about 300 of them.
LONGEST = 2048

#: All that the queue's library writes into a message.
_FIELDS = frozenset({"queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"})

#: The option that the broker writes itself. Another (a time until which it waits, a traceback, a pipeline, callbacks)
#: could carry data that a message may not carry, or have a worker do what is no wake-up.
_OPTIONS = frozenset({"redis_message_id"})

#: As the queue's library writes one.
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: No clock says more for thousands of years.
_LATEST_MS = 10**14


class NotAWakeup(MiddlewareError):
    """The message is no wake-up. Of all errors in a hook, only a `MiddlewareError` keeps a message out of the queue."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """What is left of a message that was checked: all that a worker goes by."""

    queue: str
    actor: str
    key: str
    message_id: str  #: under which it lies in its queue
    sent_ms: int


class Guard(dramatiq.Middleware):
    """The way in. `actors`: by queue, the one actor whose messages it carries."""

    def __init__(self, actors: Mapping[str, str]) -> None:
        self._actors = actors

    def before_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:  # noqa: ARG002 - the hook's signature
        if delay is not None:
            raise NotAWakeup("a wake-up is never delayed: the ledger's `due` does the waiting")
        checked(message.asdict(), self._actors)


def received(data: bytes | str, queue: str, message_id: str, actors: Mapping[str, str]) -> Wakeup:
    """The way out: what lies in that queue under that id. Raises `NotAWakeup`."""
    if len(data) > LONGEST:
        raise NotAWakeup("a wake-up is shorter")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise NotAWakeup("a wake-up is JSON") from None
    if not isinstance(fields, dict):
        raise NotAWakeup("a wake-up is a JSON object")
    wakeup = checked(fields, actors)
    if wakeup.queue != queue:
        raise NotAWakeup("a wake-up names the queue that it is in")
    if wakeup.message_id != message_id:
        raise NotAWakeup("a wake-up names the id under which it lies")
    return wakeup


def checked(fields: Mapping[str, object], actors: Mapping[str, str]) -> Wakeup:
    """All rules of both ways. Raises `NotAWakeup`, which says nothing of what was refused."""
    if fields.keys() != _FIELDS:
        raise NotAWakeup("a wake-up has the fields of a message, and no others")
    args, options, sent_ms = fields["args"], fields["options"], fields["message_timestamp"]
    key = args[0] if isinstance(args, (list, tuple)) and len(args) == 1 else None
    if not isinstance(key, str) or not invoice.is_key(key) or fields["kwargs"] != {}:
        raise NotAWakeup("a message is exactly one transfer's key; card data goes through the vault")
    queue, actor = fields["queue_name"], fields["actor_name"]
    if not isinstance(queue, str) or not isinstance(actor, str) or actors.get(queue) != actor:
        raise NotAWakeup("a wake-up is for the actor of its queue")
    if not isinstance(options, dict) or options.keys() != _OPTIONS:
        raise NotAWakeup("a wake-up has no option but its own id")
    message_id = options["redis_message_id"]
    if not isinstance(message_id, str) or not all(_is_uuid(text) for text in (message_id, fields["message_id"])):
        raise NotAWakeup("a wake-up's id is a UUID")
    if not isinstance(sent_ms, int) or isinstance(sent_ms, bool) or not 0 <= sent_ms <= _LATEST_MS:
        raise NotAWakeup("a wake-up says when it was sent")
    return Wakeup(queue, actor, key, message_id, sent_ms)


def _is_uuid(text: object) -> bool:
    return isinstance(text, str) and _UUID.fullmatch(text) is not None
