"""A real worker keeps its threads on one core, beside a second one on another, unless its setting says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.platform import Platform
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one core")

#: Other tests run on the same cores. So these workers have places of their own, find room whatever else runs, and stay
#: where they have settled: what a load means is tested with cores that are made up.
_WORKER = """
import sys
from epay_transfers.worker import one_core
one_core.NAME, one_core._EACH_S, one_core._ROOM = "\\0" + sys.argv[1], 1e9, -1
from epay_transfers.worker.startup import main
sys.exit(main())
"""


def started(platform: Platform, **env: str) -> int:
    """A worker that is at work: its process."""
    before = platform.log_text().count("worker.started")
    words = [sys.executable, "-c", _WORKER, f"epay-transfers test {os.getpid()} "]
    worker = subprocess.Popen(words, env=platform.env | env, stdout=subprocess.DEVNULL, stderr=platform.log)  # noqa: S603 - this very program
    platform.workers.append(worker)
    until(lambda: platform.log_text().count("worker.started") > before)
    return worker.pid


def cores(pid: int) -> set[frozenset[int]]:
    """Where its threads may run."""
    return {frozenset(os.sched_getaffinity(int(task.name))) for task in Path(f"/proc/{pid}/task").iterdir()}


def settled(platform: Platform) -> frozenset[int]:
    """The one set of cores of all threads of a worker, once that is another than its test's."""
    pid = started(platform)
    until(lambda: frozenset(os.sched_getaffinity(0)) not in cores(pid))
    (its,) = cores(pid)
    return its


def test_all_threads_of_a_worker_are_on_one_core(platform: Platform) -> None:
    assert len(settled(platform)) == 1


def test_a_second_worker_is_on_another_core(platform: Platform) -> None:
    first, second = (settled(platform) for _ in range(2))

    assert len(first) == len(second) == 1
    assert first != second


def test_a_worker_whose_setting_says_so_stays_where_it_was_put(platform: Platform) -> None:
    assert cores(started(platform, WORKER_ONE_CORE="0")) == {frozenset(os.sched_getaffinity(0))}
