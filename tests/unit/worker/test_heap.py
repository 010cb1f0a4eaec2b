"""A worker's threads share two arenas of the C library, unless its environment says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Eight threads that hold what they take from the C library at the same time; then its own report.
_PROGRAM = """
import ctypes, sys, threading
from epay_transfers.runtime import heap
if sys.argv[1] == "kept":
    heap.keep_few_arenas()
libc, hold = ctypes.CDLL(None), threading.Barrier(9)
def take():
    taken = [bytes(4096) for _ in range(100)]
    hold.wait()
    hold.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
[thread.start() for thread in threads]
hold.wait()
libc.fopen.restype = ctypes.c_void_p
report = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, report)
libc.fclose(report)
hold.wait()
"""


def arenas(folder: Path, word: str, **environment: str) -> int:
    report = folder / "report.xml"
    subprocess.run(  # noqa: S603 - this test's own program
        [sys.executable, "-c", _PROGRAM, word, str(report)],
        env={"PATH": os.environ["PATH"], **environment},
        check=True,
        timeout=60,
    )
    return report.read_text().count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
def test_threads_share_two_arenas_where_they_would_have_one_each(tmp_path: Path) -> None:
    assert arenas(tmp_path, "kept") == 2
    assert arenas(tmp_path, "not kept") > 2


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
def test_an_environment_that_names_a_number_is_heeded(tmp_path: Path) -> None:
    assert arenas(tmp_path, "kept", MALLOC_ARENA_MAX="3") == 3


def test_a_worker_keeps_few_arenas_before_it_starts_anything() -> None:
    program = """
import runpy
from epay_transfers.runtime import heap
from epay_transfers.worker import startup
said = []
heap.keep_few_arenas = lambda: said.append("kept")
startup.main = lambda **_: print(*said, "and started")
runpy.run_module("epay_transfers.worker", run_name="__main__")
"""
    told = subprocess.run(  # noqa: S603 - this test's own program
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout == "kept and started\n"
