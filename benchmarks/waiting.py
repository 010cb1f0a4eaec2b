"""Figure 6: a bank that takes a second for each call, and one process with many threads.

The ideal is threads ÷ the time at the bank, two calls a transfer. The rate is of the wall: what else the machine does
is in it, and the CPU of a transfer beside it says which share that is. The memory of a transfer that waits is how much
larger the process is with the most threads at work than with the fewest. `python -m benchmarks.waiting [ROUNDS]`.
"""

import sys
import time
from dataclasses import dataclass
from functools import partial

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure

LATENCY_S = 1.0
CALLS = 2
THREADS = (128, 256, 512)
ROUNDS = 3  #: each takes half a minute
_WARM_UP_S = 4.0
_WINDOW_S = 6.0


@dataclass(frozen=True, slots=True)
class Waiting:
    share: float  #: of the ideal rate
    cpu_us: float  #: of the worker, a transfer
    memory_kb: int


def at(threads: int) -> Waiting:
    ideal = threads / (LATENCY_S * CALLS)
    with ours.running(LATENCY_S, WORKER_THREADS=str(threads)) as given:
        given.enqueue(int(ideal * (_WARM_UP_S + _WINDOW_S + 6)))
        with given.worker() as worker:
            given.bank.until(threads)
            time.sleep(_WARM_UP_S - LATENCY_S)
            first, began, cpu = given.bank.counts()["transfers"], time.perf_counter(), processes.cpu_s(worker)
            time.sleep(_WINDOW_S)
            last, ended, used = given.bank.counts()["transfers"], time.perf_counter(), processes.cpu_s(worker) - cpu
            memory = processes.memory_kb(worker)
    done = last - first
    return Waiting(done / (ended - began) / ideal, used / done * 1e6, memory)


def measure(rounds: int = ROUNDS) -> list[Figure]:
    runs = figures.in_turn({threads: partial(at, threads) for threads in THREADS}, rounds)
    found = []
    for threads, its in runs.items():
        cpu = figures.median([each.cpu_us for each in its])
        shares = [each.share for each in its]
        note = f"{figures.spread(shares)} in {rounds} rounds; {cpu:,.0f} µs of CPU a transfer"
        what = f"rate ÷ (threads ÷ time at the bank), {threads} threads"
        found.append(Figure(6, what, figures.median(shares), at_least=0.9, note=note))
    fewest, most = (figures.median([each.memory_kb for each in runs[threads]]) for threads in (THREADS[0], THREADS[-1]))
    one = (most - fewest) / (THREADS[-1] - THREADS[0]) / 1024
    note = f"{fewest / 1024:.0f} MB with {THREADS[0]}, {most / 1024:.0f} MB with {THREADS[-1]}"
    return [*found, Figure(6, "memory of a transfer that waits", one, "MB", at_most=0.5, note=note)]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(figures.table(measure(rounds)))


if __name__ == "__main__":
    main()
