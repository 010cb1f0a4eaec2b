"""Figure 9: the sweeper. How many due transfers it works off, a pass with nothing due, and its moves in a backlog.

`python -m benchmarks.sweeper`. The first two run in a process that is a worker without its threads, on a ledger that
is seeded: 10^5 transfers that are not yet due, or with BENCH_LONG=1 10^6. The sweeper waits for the ledger's server, so
its time on a machine with nothing else to do is its CPU and the server's together; the time of the wall stands beside.
The third is counted in a worker whose queue is full for longer than a producer's grace.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import figures, large_ledger, ours, processes
from benchmarks.figures import Figure
from benchmarks.growth import MANY, MOST, PARKED, seeded
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.worker.build import Worker, build
from epay_transfers.worker.settings import WorkerSettings
from epay_transfers.worker.sweeper import BATCH
from tests.support.factories import new_transfer

LATER = MOST if os.environ.get("BENCH_LONG") else MANY
DUE = 4_000
PASSES = 100
WAITING = 3_000

#: So that all wake-ups fit into the queue: it holds four messages a thread.
_THREADS = DUE // 4


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: CPU is the sweeper's and the ledger's server's."""

    cpu: float
    wall: float


class Clock:
    """What has been spent since it was made."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._cpu, self._wall = self._now_cpu(), time.perf_counter()

    def spent(self, count: int = 1) -> Spent:
        """For each of so many."""
        return Spent((self._now_cpu() - self._cpu) / count, (time.perf_counter() - self._wall) / count)

    def _now_cpu(self) -> float:
        return time.process_time() + processes.cpu_s(self._server)


def passes() -> dict[str, list[Spent]]:
    """`due`: for a due transfer. `nothing`: for a pass."""
    with seeded(lambda given: large_ledger.seed(given.client, LATER, PARKED, name="later")) as given:
        environment = given.environment | {"WORKER_THREADS": str(_THREADS)}
        words = ["-m", "benchmarks.sweeper", "pass", str(given.ledger.process.pid)]
        told: dict[str, list[dict[str, float]]] = json.loads(processes.run(words, environment))
        return {name: [Spent(**each) for each in its] for name, its in told.items()}


def _measure_passes(server: int) -> None:
    settings = WorkerSettings.load()
    worker = build(settings)
    worker.maintenance.run_once()
    ledger = Ledger(connect(settings.redis_url.reveal()))
    nothing = [_nothing_due(worker, server) for _ in range(figures.ROUNDS)]
    due = [_work_off(worker, ledger, server, number) for number in range(figures.ROUNDS)]
    print(json.dumps({"due": [asdict(each) for each in due], "nothing": [asdict(each) for each in nothing]}))


def _nothing_due(worker: Worker, server: int) -> Spent:
    clock = Clock(server)
    for _ in range(PASSES):
        if worker.sweeper.run_once():
            raise RuntimeError("something was due")
    return clock.spent(PASSES)


def _work_off(worker: Worker, ledger: Ledger, server: int, number: int) -> Spent:
    """Transfers whose producer did not send its wake-up, as after the queue's server was away."""
    for first in range(0, DUE, 500):
        new = [new_transfer(f"due-{number}-{at}", lasts_ms=3_600_000) for at in range(first, first + 500)]
        ledger.create(new, actor="backend")
    time.sleep(6)  # a producer's grace
    clock, seen = Clock(server), 0
    while (looked_at := worker.sweeper.run_once()) == BATCH:
        seen += looked_at
    spent = clock.spent(seen + looked_at)
    worker.broker.flush_all()
    return spent


def moves_in_a_backlog() -> float:
    """Moves that the sweeper makes, for each transfer that waits its turn."""
    with ours.running() as given, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given.enqueue(WAITING)
        environment = given.environment | {"PYTHONPATH": str(processes.ROOT)}
        with processes.python(
            ["-m", "benchmarks.trips", "worker"], environment, folder=Path(folder), output=subprocess.PIPE
        ) as worker:
            given.bank.until(WAITING)
            return _counted(worker).get("moves sweeper", 0) / WAITING


def _counted(worker: "subprocess.Popen[bytes]") -> dict[str, int]:
    worker.send_signal(signal.SIGTERM)
    assert worker.stdout is not None  # noqa: S101 - it was asked for
    counts: dict[str, int] = json.loads(worker.stdout.read().splitlines()[-1])
    return counts


def measure() -> list[Figure]:
    told = passes()
    middle = {
        name: Spent(figures.median([each.cpu for each in its]), figures.median([each.wall for each in its]))
        for name, its in told.items()
    }
    due, nothing = middle["due"], middle["nothing"]
    return [
        Figure(9, "due transfers a second", 1 / due.cpu, at_least=2000, note=f"by the wall {1 / due.wall:,.0f}"),
        Figure(
            9,
            f"a pass with nothing due, {LATER:,} later",
            nothing.cpu * 1000,
            "ms",
            at_most=1,
            note=f"by the wall {nothing.wall * 1000:.1f} ms",
        ),
        Figure(9, "the sweeper's moves for a transfer that waits its turn", moves_in_a_backlog(), at_most=0.05),
    ]


def main() -> None:
    if sys.argv[1:2] == ["pass"]:
        _measure_passes(int(sys.argv[2]))
    else:
        print(figures.table(measure()))


if __name__ == "__main__":
    main()
