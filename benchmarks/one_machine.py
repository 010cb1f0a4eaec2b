"""The sum of docs/capacity.md, checked: transfers a second of one machine whose cores have nothing else to do.

With one worker the CPU of a transfer is read in every process that it needs, the bank's too, which is on this machine
here. Cores ÷ that CPU is the sum; two workers with the same backlog say what the machine carries.
`python -m benchmarks.one_machine [ROUNDS]`.
"""

import os
import time
from contextlib import ExitStack
from functools import partial

from benchmarks import figures, ours, processes
from benchmarks.backlog import Backlog
from benchmarks.figures import Figure
from benchmarks.ours import Ours

BACKLOG = Backlog(warm_up=600, measured=int(os.environ.get("BENCH_TRANSFERS", "2000")))
WORKERS = 2


def measure(rounds: int = 3) -> list[Figure]:
    runs = figures.in_turn({workers: partial(at, workers) for workers in (1, WORKERS)}, rounds)
    cpu = figures.median([each_us for each_us, _ in runs[1]])
    rates = [rate for _, rate in runs[WORKERS]]
    cores = len(os.sched_getaffinity(0))
    what = f"transfers a second, {cores} cores, {WORKERS} workers"
    return [
        Figure(0, "CPU of a transfer with TLS in worker, servers and bank", cpu, "µs"),
        Figure(0, what, figures.median(rates), note=figures.spread(rates)),
        Figure(0, "that ÷ the sum of capacity.md", figures.median(rates) * cpu / 1e6 / cores),
    ]


def at(workers: int) -> tuple[float, float]:
    """Microseconds of CPU of a transfer in all processes, and transfers a second by the wall."""
    with ours.running(tls=True) as given, ExitStack() as stack:
        given.enqueue(BACKLOG.count)
        running = [stack.enter_context(given.worker()) for _ in range(workers)]
        cpu, wall_s = BACKLOG.over(given.bank, lambda: (_cpu_s(given, running), time.perf_counter()))
    return cpu * 1e6, 1 / wall_s


def _cpu_s(given: Ours, workers: list[int]) -> float:
    servers = [given.bank.pid, given.ledger.process.pid, given.vault.process.pid]
    return sum(map(processes.cpu_s, servers + workers))


if __name__ == "__main__":
    figures.show(measure)
