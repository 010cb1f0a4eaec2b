"""The workers, a row each: what the overview shows in a terminal and in a browser. Unknown is `?`.

A worker that is silent is shown as that, and never as one that works: what it said last may be long ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.store.heartbeats import Heartbeat
from epay_transfers.ops import screen
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.processes import Process

#: Of a clock: more is odd.
_CLOCK_MS = 1000


@dataclass(frozen=True, slots=True)
class WorkersLine:
    """All workers together."""

    heard: int
    silent: int
    at_work: str  #: threads, of those that are heard
    late: str  #: for how long the transfer that is due longest has been due
    held_too_long: str  #: leases that are overdue


@dataclass(frozen=True, slots=True)
class WorkerRow:
    told: Heartbeat  #: its last word
    name: str  #: host and process
    silence: str  #: empty while it is heard
    oddity: str  #: what is odd about one that is heard

    @property
    def what(self) -> str:
        """Empty for one that is heard and well."""
        return self.silence or self.oddity


def workers_line(facts: Facts) -> WorkersLine | None:
    """None: it is not known which there are."""
    if facts.workers is None:
        return None
    alive = facts.alive
    busy, threads = sum(worker.busy for worker in alive), sum(worker.threads for worker in alive)
    return WorkersLine(
        heard=len(alive),
        silent=len(facts.silent),
        at_work=f"{busy} of {threads}",
        late="?" if facts.lag_ms is None else screen.span(facts.lag_ms),
        held_too_long="?" if facts.overdue_leases is None else str(facts.overdue_leases),
    )


def worker_rows(facts: Facts) -> Sequence[WorkerRow] | None:
    """The silent ones first, then those that are odd, then the others. None: unknown."""
    if facts.workers is None:
        return None
    rows = [
        WorkerRow(worker, f"{worker.host} pid {worker.pid}", _silence(facts, worker), _oddity(worker))
        for worker in facts.workers
    ]
    return sorted(rows, key=lambda row: (not row.silence, not row.oddity))


def _silence(facts: Facts, worker: Heartbeat) -> str:
    silent_ms = worker.silent_ms(facts.now_ms)
    if not silent_ms:
        return ""
    process = facts.local.get(worker.worker)
    local = f", its process {'runs' if process is Process.RUNS else f'is {process}'}" if process else ""
    return f"silent {screen.span(silent_ms)}{local}"


def _oddity(worker: Heartbeat) -> str:
    away = [f"{name} away" for name, sight in worker.sees.items() if sight.why and name != "bank"]
    clock = [f"clock {worker.clock_ms / 1000:+.1f} s"] if abs(worker.clock_ms) > _CLOCK_MS else []
    unfit = [f"unfit: {', '.join(worker.unfit)}"] if worker.unfit else []
    unreadable = [] if worker.is_readable else ["of another version"]
    return "; ".join([*unreadable, *unfit, *away, *worker.hung, *clock])
