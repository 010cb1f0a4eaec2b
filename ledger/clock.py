"""Time is an argument.

`now_ms` is for records: it is what the ledger's scripts are given. `monotonic` is for differences: a wait, a lease.
Nothing else in the project reads a clock, so a test can own time altogether.
"""

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall-clock time, in milliseconds since 1970 (UTC)."""

    def monotonic(self) -> float:
        """Seconds from an unknown beginning; never goes backwards."""


class SystemClock:
    """The production clock. It has no setter: a test brings its own clock instead."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
