"""The quarantine: a wake-up whose actor broke, or that began often and never ended, goes to Dramatiq's dead letters.

Operators see it there, and the queue goes on. What is no wake-up at all never comes here: the broker sets it aside as
it fetches it. Nothing is lost by either: the ledger knows the transfer, and the sweeper sends another wake-up.
"""

import logging
from typing import Any

import dramatiq
from dramatiq.middleware import SkipMessage

from epay_transfers.ledger.queue.broker import Broker

_LOG = logging.getLogger(__name__)

#: How often a message may begin and never end before it is taken for what kills its worker.
MOST_BEGINNINGS = 5


class Quarantine(dramatiq.Middleware):
    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Only a `MiddlewareError` leaves a hook, so what is refused is failed and skipped."""
        if isinstance(broker, Broker) and broker.begin(message) > MOST_BEGINNINGS:
            broker.end(message)
            self._refuse(message, "kills_its_worker")

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: Any = None,  # noqa: ARG002 - the hook's form
        exception: BaseException | None = None,
    ) -> None:
        if isinstance(broker, Broker):
            broker.end(message)
        if exception is not None:
            message.fail()

    def _refuse(self, message: dramatiq.MessageProxy, why: str) -> None:
        _LOG.error("message.quarantined", extra={"queue": message.queue_name, "id": message.message_id, "why": why})
        message.fail()
        raise SkipMessage(why)
