"""The clock that is passed to everything that needs the time, so that a test can set it.

`now_ms` is this machine's time; the ledger's time is that of its server (`ledger_ms`), and the two must agree within
two seconds (`APART_MS`). `monotonic` is for differences: a wait, a lease. Nothing else in the product reads a clock.
"""

import time
from functools import partial
from typing import Protocol

import redis

#: Linux has a clock that counts the time for which the machine is suspended; its CLOCK_MONOTONIC stands still then.
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


#: How far apart the ledger's time and a machine's may be. `claim.lua` has the same.
APART_MS = 2_000

#: So close both must be again after they were not, or each look at the border would change its mind.
AGAIN_MS = 1_500


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall-clock time, in milliseconds since 1970 (UTC)."""

    def monotonic(self) -> float:
        """Seconds from an unknown beginning; never goes backwards, and counts a sleep of the machine where it can."""


class SystemClock:
    """The production clock. It has no setter: a test brings its own clock instead.

    `monotonic` is CLOCK_BOOTTIME where the system has it, so that a lease goes on while the machine is suspended;
    elsewhere CLOCK_MONOTONIC.
    """

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    #: Read some thirty times a transfer, so it has no frame of its own.
    monotonic = staticmethod(partial(time.clock_gettime, _STEADY))


def ledger_ms(client: redis.Redis, test_clock: Clock | None) -> int:
    """The ledger's time: its server's, or that of `test_clock` in a test. Raises redis-py's errors."""
    if test_clock is not None:
        return test_clock.now_ms()
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000
