"""Figure 9: the sweeper. How many due transfers it works off, a pass with nothing due, and its moves in a backlog.

`python -m benchmarks.sweeper`. The first two run in a process that is a worker without its threads, on a ledger that
is seeded: 10^5 transfers that are not yet due, or with BENCH_LONG=1 10^6. They are of the wall, since the sweeper waits
for the server. The third is counted in a worker whose queue is full for longer than a producer's grace.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
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
PASSES = 200
WAITING = 3_000

#: So that all wake-ups fit into the queue: it holds four messages a thread.
_THREADS = DUE // 4


def passes() -> dict[str, list[float]]:
    """`due`: due transfers a second, in each of the rounds. `nothing`: milliseconds of a pass."""
    with seeded(lambda given: large_ledger.fill(given.client, LATER, PARKED, name="later")) as given:
        environment = given.environment | {"WORKER_THREADS": str(_THREADS)}
        told: dict[str, list[float]] = json.loads(processes.run(["-m", "benchmarks.sweeper", "pass"], environment))
        return told


def _measure_passes() -> None:
    settings = WorkerSettings.load()
    worker = build(settings)
    worker.maintenance.run_once()
    ledger = Ledger(connect(settings.redis_url.reveal()))
    nothing = [_timed_pass(worker) * 1000 for _ in range(PASSES)]
    due = [_work_off(worker, ledger, number) for number in range(figures.ROUNDS)]
    print(json.dumps({"due": due, "nothing": nothing}))


def _timed_pass(worker: Worker) -> float:
    begun = time.perf_counter()
    if worker.sweeper.run_once():
        raise RuntimeError("something was due")
    return time.perf_counter() - begun


def _work_off(worker: Worker, ledger: Ledger, number: int) -> float:
    """Transfers whose producer did not send its wake-up, as after the queue's server was away."""
    for first in range(0, DUE, 500):
        ledger.create(
            [new_transfer(f"due-{number}-{at}", lasts_ms=3_600_000) for at in range(first, first + 500)],
            actor="backend",
        )
    time.sleep(6)  # a producer's grace
    begun, seen = time.perf_counter(), 0
    while (looked_at := worker.sweeper.run_once()) == BATCH:
        seen += looked_at
    took = time.perf_counter() - begun
    worker.broker.flush_all()
    return (seen + looked_at) / took


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
    nothing = figures.median(told["nothing"])
    note = f"{LATER:,} not yet due; {PASSES} passes, {figures.spread(told['nothing'])}"
    return [
        Figure(
            9, "due transfers a second", figures.median(told["due"]), at_least=2000, note=figures.spread(told["due"])
        ),
        Figure(9, "a pass with nothing due", nothing, "ms", at_most=1, note=note),
        Figure(9, "the sweeper's moves for a transfer that waits its turn", moves_in_a_backlog(), at_most=0.05),
    ]


def main() -> None:
    if sys.argv[1:] == ["pass"]:
        _measure_passes()
    else:
        print(figures.table(measure()))


if __name__ == "__main__":
    main()
