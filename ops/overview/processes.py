"""Whether a silent worker of this very machine is stopped, or gone: what the machine itself says (Linux)."""

import socket
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from epay_transfers.ledger.store.heartbeats import Heartbeat

_PROC = Path("/proc")


class Process(StrEnum):
    RUNS = "runs"
    STOPPED = "stopped"  #: SIGSTOP, or a debugger
    GONE = "gone"


def look_at(workers: Iterable[Heartbeat]) -> dict[str, Process]:
    """By worker. One of another machine is not there: nothing is known of it."""
    here = socket.gethostname()
    if not (_PROC / "self" / "stat").is_file():
        return {}
    return {worker.worker: _state_of(worker.pid) for worker in workers if worker.host == here}


def _state_of(pid: int) -> Process:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return Process.GONE
    letter = stat.rpartition(")")[2].split()[0]
    if letter in {"Z", "X"} or b"transfers" not in command:  # another program has the number by now
        return Process.GONE
    return Process.STOPPED if letter in {"T", "t"} else Process.RUNS
