"""The watchdog: one thread that ends each attempt at its time, however many attempts there are.

An attempt may send only while this thread lives: where it ends by an error, it first ends all attempts that it watches,
and the next attempt starts a new one.
"""

import contextlib
import heapq
import itertools
import math
import os
import threading
from collections.abc import Callable

from epay_transfers.ledger.clock import SystemClock


class Watch:
    """One entry of the watchdog: what to call at its time."""

    __slots__ = ("_cut", "is_lost")

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut: Callable[[], None] | None = cut
        self.is_lost = False  #: in a child of `fork`: no thread looks at it

    def end(self) -> None:
        """The attempt is over. The entry stays in the heap until its time, and holds nothing any more."""
        self._cut = None

    @property
    def has_ended(self) -> bool:
        return self._cut is None

    def cut(self) -> None:
        if cut := self._cut:
            cut()


class Watchdog:
    """A heap of times, and the thread that waits for the first of them.

    The time is the machine's: a test's clock may stand still, and a socket does not.
    """

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._numbers = itertools.count()  # two watches are never compared
        self._watches: list[tuple[float, int, Watch]] = []
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._wakes_at = -math.inf  #: the thread looks at the heap then; at once unless it waits

    def after_fork(self) -> None:
        """In the child there is none of the parent's threads, and a lock that one of them held is never given back.

        The parent ends its attempts itself: they and the child's share their connections.
        """
        for _, _, watch in self._watches:
            watch.is_lost = True
        self._watches, self._thread, self._wakes_at = [], None, -math.inf
        self._changed = threading.Condition(threading.Lock())

    @property
    def is_alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def watch(self, cut: Callable[[], None], *, within_s: float) -> Watch:
        """Call `cut` in `within_s` seconds, unless the watch has ended by then. Raises if no thread can be started."""
        watch, at = Watch(cut), self._clock.monotonic() + within_s
        with self._changed:
            while self._watches and self._watches[0][2].has_ended:
                heapq.heappop(self._watches)
            heapq.heappush(self._watches, (at, next(self._numbers), watch))
            if not self.is_alive:
                thread = threading.Thread(target=self._run, name="bank watchdog", daemon=True)
                thread.start()
                self._thread = thread
            elif at < self._wakes_at:
                self._changed.notify()
        return watch

    def _run(self) -> None:
        due: list[Watch] = []
        try:
            while True:
                due = [self._next_due()]
                due[0].cut()
        finally:
            with self._changed:
                left, self._watches, self._thread = self._watches, [], None
            for watch in (*due, *(watch for _, _, watch in left)):
                with contextlib.suppress(BaseException):
                    watch.cut()

    def _next_due(self) -> Watch:
        with self._changed:
            while True:
                while self._watches and self._watches[0][2].has_ended:
                    heapq.heappop(self._watches)
                left_s = self._watches[0][0] - self._clock.monotonic() if self._watches else math.inf
                if left_s <= 0:
                    return heapq.heappop(self._watches)[2]
                self._wakes_at = self._watches[0][0] if self._watches else math.inf
                self._changed.wait(min(left_s, threading.TIMEOUT_MAX))
                self._wakes_at = -math.inf


#: The process's own.
WATCHDOG = Watchdog()
os.register_at_fork(after_in_child=WATCHDOG.after_fork)
