"""Figure 3: transfers a second beside other queues that run the same `requests.post` body, of all servers' CPU too.

The machine is shared, so the rate is that of its cores if nothing else ran on them: cores ÷ the CPU of a transfer, in
the workers' processes and in each server. Other queues keep their defaults, and their messages on a durable server like
the ledger's. Ours keeps itself to one core, as it ships; so those that run threads in one process are measured bound to
one core as well, without a goal. `python -m benchmarks.queues`; `make bench` makes `.venv-bench` and `.venv-bench-arq`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import backlog, figures, ours, processes
from benchmarks.backlog import Backlog
from benchmarks.figures import Figure

TRANSFERS = int(os.environ.get("BENCH_TRANSFERS", "500"))
BACKLOG = Backlog(warm_up=700, measured=TRANSFERS)  #: as in `worker_cpu`
SHORT = Backlog(warm_up=20, measured=100)  #: of a queue that makes a process for each message
CORES = 2
THREADS = str(ours.THREADS)

_APPS = "benchmarks.other_queues"


@dataclass(frozen=True, slots=True)
class Queue:
    app: str  #: the module that sends
    worker: tuple[str, ...]  #: words after Python's
    at_least: float | None  #: what ours ÷ this is to be; None where its body is another
    how: tuple[str, ...] = ()
    venv: str = ".venv-bench"
    backlog: Backlog = BACKLOG
    cores: tuple[int, ...] = ()  #: bound to these; empty: where the system puts it


_TASKIQ = ("-m", "taskiq", "worker", "--workers", "1", f"{_APPS}.taskiq_app:broker")
_CELERY = ("-m", "celery", "-A", f"{_APPS}.celery_app", "worker", "--without-gossip", "--without-mingle")

QUEUES = {
    "Celery, prefork": Queue("celery_app", (*_CELERY, "-c", str(CORES)), 1.5),
    "Celery, threads": Queue("celery_app", (*_CELERY, "-P", "threads", "-c", THREADS), 1.5),
    "RQ": Queue("rq_app", ("-m", "rq.cli", "worker-pool", "-n", str(CORES), "-q"), 1.5, backlog=SHORT),
    "huey, threads": Queue(
        "huey_app", ("-m", "huey.bin.huey_consumer", f"{_APPS}.huey_app.huey", "-w", THREADS, "-q"), 1.0
    ),
    "taskiq": Queue("taskiq_app", (*_TASKIQ, "--max-threadpool-threads", THREADS), 1.0),
    "arq": Queue("arq_app", ("-m", "arq", f"{_APPS}.arq_app.WorkerSettings"), 1.0, venv=".venv-bench-arq"),
    "taskiq, aiohttp": Queue("taskiq_app", _TASKIQ, None, how=("async",)),
    "arq, aiohttp": Queue(
        "arq_app", ("-m", "arq", f"{_APPS}.arq_app.WorkerSettings"), None, how=("async",), venv=".venv-bench-arq"
    ),
}

#: What runs in one process, bound to one core as ours is.
QUEUES |= {
    f"{name}, bound to one core": replace(QUEUES[name], at_least=None, cores=(0,))
    for name in ("Celery, threads", "huey, threads", "taskiq", "arq")
}


def other(queue: Queue) -> float:
    """Microseconds of CPU a transfer, of the workers and the server."""
    program = str(processes.ROOT / queue.venv / "bin" / "python")
    with processes.bank() as bank, processes.ledger_server() as server:
        environment = dict(os.environ, BENCH_BANK=bank.url, PYTHONPATH=str(processes.ROOT))
        environment |= {"BENCH_REDIS": server.url, "RQ_REDIS_URL": server.url}
        before = processes.cpu_s(server.process.pid)
        words = ["-m", f"{_APPS}.{queue.app}", str(queue.backlog.count), *queue.how]
        processes.run(words, environment, program=program)
        sent = (processes.cpu_s(server.process.pid) - before) / queue.backlog.count
        with processes.python(list(queue.worker), environment, program=program, cores=queue.cores) as worker:
            grown = queue.backlog.over(
                bank, lambda: (processes.cpu_of_all_s(worker.pid), processes.cpu_s(server.process.pid))
            )
    return (sum(grown) + sent) * 1e6


def our_own() -> float:
    cost = backlog.product(BACKLOG)
    return cost.worker + cost.ledger + cost.vault


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    sides: dict[str, Callable[[], float]] = {name: partial(other, queue) for name, queue in QUEUES.items()} | {
        "ours": our_own
    }
    values = figures.in_turn(sides, rounds)
    middle = {name: figures.median(its) for name, its in values.items()}
    found = [
        Figure(
            3,
            f"transfers/s on {CORES} cores, ours",
            CORES / middle["ours"] * 1e6,
            note=f"{middle['ours']:,.0f} µs of CPU",
        )
    ]
    for name, queue in QUEUES.items():
        note = f"{name}: {middle[name]:,.0f} µs ({figures.spread(values[name])})"
        found.append(Figure(3, f"ours ÷ {name}", middle[name] / middle["ours"], at_least=queue.at_least, note=note))
    return found


if __name__ == "__main__":
    figures.show(measure)
