"""The guard at the queue's door: nothing is enqueued but a ring, and a ring is a transfer's key with nothing beside it.

It stands in every broker that is built here, a producer's and a worker's. It says what a ring is, too.
"""

from typing import Any
from uuid import UUID

import dramatiq
from dramatiq.middleware import MiddlewareError

from epay_transfers.ledger import invoice
from epay_transfers.ledger.card_numbers import star_card_numbers

#: What the broker itself writes beside a message. Everything else there (a traceback, a delay, a pipeline, whatever a
#: middleware may bring one day) could carry what the message itself may not.
_OPTIONS = frozenset({"redis_message_id"})


class NotAWakeup(MiddlewareError):
    """What was to be enqueued is no ring. Of all errors in a hook, only one of this kind keeps a message out."""


class Guard(dramatiq.Middleware):
    def before_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:  # noqa: ARG002 - the hook's form
        if delay is not None:
            raise NotAWakeup("a ring is not delayed: the waiting is the ledger's")
        if not is_wakeup(message):
            raise NotAWakeup("a message is exactly one transfer's key; card data goes through the vault")
        unknown = set(message.options) - _OPTIONS
        if unknown:
            raise NotAWakeup("a ring carries no option but its own id")
        if not all(_is_uuid(text) for text in (message.message_id, *message.options.values())):
            raise NotAWakeup("a ring's id is a UUID")
        beside = f"{message.queue_name} {message.actor_name}"
        if star_card_numbers(beside) != beside:
            raise NotAWakeup("the names in a ring look like a card number")


def is_wakeup(message: dramatiq.MessageProxy | dramatiq.Message[Any]) -> bool:
    """Exactly one transfer's key, and nothing else."""
    args = message.args
    return len(args) == 1 and not message.kwargs and isinstance(args[0], str) and invoice.is_key(args[0])


def _is_uuid(text: object) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False
