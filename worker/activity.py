"""What this process is doing now, as its heartbeat tells it: threads at a transfer, rounds of its loops, fetches.

Each thread notes its own steps here. So a thread that hangs shows, though the one that writes the heartbeat runs on.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from epay_transfers.ledger.clock import Clock

_Name = TypeVar("_Name", str, int)


class Activity:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at_work: dict[int, float] = {}  #: thread → since when
        self._rounds: dict[str, float] = {}
        self._fetches: dict[str, float] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Its thread is at a transfer for the time of the block."""
        thread = threading.get_ident()
        with self._lock:
            self._at_work[thread] = self._clock.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._at_work.pop(thread, None)

    def came_round(self, loop: str) -> None:
        with self._lock:
            self._rounds[loop] = self._clock.monotonic()

    def fetched(self, queue: str) -> None:
        """A consumer asked its queue for messages, and was answered."""
        with self._lock:
            self._fetches[queue] = self._clock.monotonic()

    def busy(self) -> tuple[int, float]:
        """How many threads are at a transfer, and for how long (s) the longest of them."""
        with self._lock:
            spans = self._ages(self._at_work)
        return len(spans), max(spans.values(), default=0.0)

    def rounds(self) -> dict[str, float]:
        with self._lock:
            return self._ages(self._rounds)

    def fetches(self) -> dict[str, float]:
        with self._lock:
            return self._ages(self._fetches)

    def _ages(self, times: dict[_Name, float]) -> dict[_Name, float]:
        now = self._clock.monotonic()
        return {name: round(now - at, 1) for name, at in times.items()}
