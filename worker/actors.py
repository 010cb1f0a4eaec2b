"""Thin Dramatiq actors that call `Journey`. A message is a transfer's key, or it is quarantined.

An actor may run twice, late, or never: the ledger decides, and the sweeper sends the next wake-up. So none retries.
"""

import logging
from collections.abc import Callable

import dramatiq

from epay_transfers.ledger.errors import TransfersError, TransferUnknown
from epay_transfers.ledger.queue.broker import ACTORS, BATCH, CONFIRMS, INQUIRIES, NOW
from epay_transfers.worker.activity import Activity
from epay_transfers.worker.journey import Journey

_LOG = logging.getLogger(__name__)

#: The lower, the sooner: a client who confirms is first of all, a batch of payouts last.
_PRIORITIES = {CONFIRMS: 0, NOW: 10, INQUIRIES: 20, BATCH: 30}


def declare(broker: dramatiq.Broker, journey: Journey, activity: Activity) -> None:
    """Tell the broker what each wakeup calls."""
    steps = {CONFIRMS: journey.confirm, NOW: journey.execute, INQUIRIES: journey.inquire, BATCH: journey.execute}
    for queue, step in steps.items():
        name = ACTORS[queue]
        dramatiq.Actor(
            _careful(name, step, activity),
            broker=broker,
            actor_name=name,
            queue_name=queue,
            priority=_PRIORITIES[queue],
            options={"throws": TransferUnknown},
        )


def _careful(name: str, step: Callable[[str], None], activity: Activity) -> Callable[[str], None]:
    def actor(key: str) -> None:
        try:
            with activity.at_work():
                step(key)
        except TransferUnknown:
            raise  # the quarantine's
        except TransfersError as error:
            _LOG.warning("actor.deferred", extra={"actor": name, "key": key, "why": type(error).__name__})

    return actor
