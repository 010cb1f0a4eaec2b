"""Many entries of one operator at once, and the answers to them as they come out of the event log."""

from collections.abc import Iterator, Mapping

from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context

_BLOCK_MS = 500


class Answers:
    """It reads on from where the log ended when it was made: make it before the first entry is put in."""

    def __init__(self, context: Context, wait_s: float) -> None:
        """`wait_s`: with no answer for so long it gives up."""
        newest = context.events.newest(1)
        self._batches = context.events.follow(newest[-1].id if newest else "0", block_ms=_BLOCK_MS)
        self._context = context
        self._wait_s = wait_s

    def to(self, keys: Mapping[str, str]) -> Iterator[tuple[str, Event]]:
        """The id of an entry and its answer, as they come. It ends when all are answered, or none comes any more.

        `keys`: the id of each entry → the key of the transfer that it is about.
        """
        left, clock = dict(keys), self._context.clock
        end = clock.monotonic() + self._wait_s
        while left:
            for event in next(self._batches):
                key = event.fields.get("key", "")
                for entry_id in requests.answered_by(event, self._context.operator, key):
                    if left.get(entry_id) == key:
                        del left[entry_id]
                        end = clock.monotonic() + self._wait_s
                        yield entry_id, event
            if clock.monotonic() >= end:
                return
