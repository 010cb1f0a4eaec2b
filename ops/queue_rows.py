"""The queues, a row each: what `transfers queues` shows, and the console."""

from collections.abc import Sequence

from epay_transfers.ledger.queue.messages import MOST_WORKERS
from epay_transfers.ledger.queue.stats import Queue
from epay_transfers.ops import screen

COLUMNS = ("queue", "waiting", "at work", "oldest", "dead letters")

WAKE_UPS = "A message is only a wake-up. No transfer depends on it: the sweeper sends lost messages again."
AT_WORK = f"At work is what workers have fetched and not ended: the {MOST_WORKERS} heard last, at the most."
DEAD_LETTERS = "Dead letters are messages that were no transfer's key, or met a bug: no transfer is lost by them."


def queue_rows(queues: Sequence[Queue]) -> list[tuple[str, int, int, str, int]]:
    return [
        (
            queue.name,
            queue.waiting,
            queue.at_work,
            screen.span(queue.oldest_ms) if queue.waiting else "-",
            queue.dead_letters,
        )
        for queue in queues
    ]
