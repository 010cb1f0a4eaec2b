"""The clock of production: which of the system's clocks it reads."""

import runpy
import time

import pytest

from epay_transfers.ledger import clock
from epay_transfers.ledger.clock import SystemClock


def test_differences_count_the_time_for_which_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker that wakes after hours takes its lease for one that has just begun."""
    suspended_s = 3600.0
    clocks = {time.CLOCK_MONOTONIC: 100.0, time.CLOCK_BOOTTIME: 100.0 + suspended_s}
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)

    assert runpy.run_path(clock.__file__)["SystemClock"]().monotonic() == 3700.0


def test_differences_are_of_a_real_clock() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    found = SystemClock().monotonic()

    assert before <= found <= time.clock_gettime(time.CLOCK_BOOTTIME)
