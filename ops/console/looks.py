"""One look at the servers for every open page: it is at most a second old, and one caller looks for the rest."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import Facts, gather
from epay_transfers.ops.overview.judge import judge
from epay_transfers.ops.overview.judgement import Judgement

_SHARED_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    facts: Facts
    judgements: Sequence[Judgement]


class Looks:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._look: Look | None = None
        self._at = 0.0

    def now(self) -> Look:
        with self._lock:
            return self._renewed()

    def newest(self) -> Look:
        """The same, but for one who needs no page: where another caller looks, what was seen before that is told."""
        seen = self._look
        if seen is None:
            return self.now()
        if not self._lock.acquire(blocking=False):
            return seen
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> Look:
        clock = self._context.clock
        if self._look is None or clock.monotonic() - self._at > _SHARED_S:
            facts = gather(self._context)
            self._look, self._at = Look(facts, judge(facts)), clock.monotonic()
        return self._look
