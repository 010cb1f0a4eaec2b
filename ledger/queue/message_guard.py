"""The check of every message before it is enqueued: a message is a wake-up, a transfer's key and nothing else.

Each broker that is built here has it, a producer's and a worker's. `is_wakeup` says what a wake-up is.
"""

from typing import Any
from uuid import UUID

import dramatiq
from dramatiq.middleware import MiddlewareError

from epay_transfers.ledger import invoice
from epay_transfers.ledger.card_numbers import star_card_numbers

#: The options that the broker itself writes into a message. Any other option (a traceback, a delay, a pipeline, what
#: some middleware adds) could carry data that a message may not carry.
_OPTIONS = frozenset({"redis_message_id"})


class NotAWakeup(MiddlewareError):
    """The message is no wake-up. Of all errors in a hook, only a `MiddlewareError` keeps a message out of the queue."""


class Guard(dramatiq.Middleware):
    def before_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:  # noqa: ARG002 - the hook's signature
        if delay is not None:
            raise NotAWakeup("a wake-up is never delayed: the ledger's `due` does the waiting")
        if not is_wakeup(message):
            raise NotAWakeup("a message is exactly one transfer's key; card data goes through the vault")
        unknown = set(message.options) - _OPTIONS
        if unknown:
            raise NotAWakeup("a wake-up has no option but its own id")
        if not all(_is_uuid(text) for text in (message.message_id, *message.options.values())):
            raise NotAWakeup("a wake-up's id is a UUID")
        beside = f"{message.queue_name} {message.actor_name}"
        if star_card_numbers(beside) != beside:
            raise NotAWakeup("the names in a wake-up look like a card number")


def is_wakeup(message: dramatiq.MessageProxy | dramatiq.Message[Any]) -> bool:
    """Exactly one transfer's key, and nothing else."""
    args = message.args
    return len(args) == 1 and not message.kwargs and isinstance(args[0], str) and invoice.is_key(args[0])


def _is_uuid(text: object) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False
