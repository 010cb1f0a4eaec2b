"""Figures 1 and 2: the worker's CPU for one transfer, ours beside two bare actors, which run in turn.

A backlog waits in the queue before a worker starts. Its CPU is read when the bank has seen the first transfers, and
again when it has seen nearly all: so neither the start is counted nor the end. `python -m benchmarks.worker_cpu`.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure
from benchmarks.processes import RunningBank

TRANSFERS = int(os.environ.get("BENCH_TRANSFERS", "2000"))
WARM_UP = 300
THREADS = ours.THREADS


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU, for each transfer."""

    worker: float
    ledger: float = 0.0  #: its server, from the enqueue on
    vault: float = 0.0
    producer: float = 0.0
    connections: float = 0.0


def plain(actor: str, *, tls: bool = False) -> Cost:
    with processes.bank(tls=tls) as bank, processes.vault_server() as server:
        environment = dict(os.environ, BENCH_REDIS=server.url, BENCH_BANK=bank.url, BENCH_CA=bank.ca_file)
        sent = processes.run(["-m", "benchmarks.plain_actors", actor, str(WARM_UP + TRANSFERS)], environment)
        words = ["-m", "dramatiq", "-p", "1", "-t", str(THREADS), "benchmarks.plain_actors"]
        with processes.python(words, environment) as process:
            (used,), count = over_backlog(bank, lambda: (processes.cpu_of_all_s(process.pid),))
        producer = float(sent.split()[0]) / (WARM_UP + TRANSFERS) * 1e6
        return Cost(used / count * 1e6, producer=producer, connections=bank.counts()["connections"] / count)


def product(*, tls: bool = False) -> Cost:
    with ours.running(tls=tls) as given:
        servers = (given.ledger.process.pid, given.vault.process.pid)
        before = [processes.cpu_s(pid) for pid in servers]
        producer, _ = given.enqueue(WARM_UP + TRANSFERS)
        enqueued = [
            (processes.cpu_s(pid) - began) / (WARM_UP + TRANSFERS) for pid, began in zip(servers, before, strict=True)
        ]
        with given.worker() as worker:
            (used, ledger, vault), count = over_backlog(
                given.bank, lambda: (processes.cpu_s(worker), *map(processes.cpu_s, servers))
            )
        counts = given.bank.counts()
    if counts["twice"]:
        raise RuntimeError("a transfer was sent twice")
    return Cost(
        worker=used / count * 1e6,
        ledger=(enqueued[0] + ledger / count) * 1e6,
        vault=(enqueued[1] + vault / count) * 1e6,
        producer=producer / (WARM_UP + TRANSFERS) * 1e6,
        connections=counts["connections"] / (WARM_UP + TRANSFERS),
    )


def over_backlog(bank: RunningBank, read: Callable[[], tuple[float, ...]]) -> tuple[list[float], int]:
    """How much each reading grew between two moments, and how many transfers the bank saw between them."""
    first = bank.until(WARM_UP)["transfers"]
    before = read()
    last = bank.until(WARM_UP + TRANSFERS - THREADS)["transfers"]
    after = read()
    return [end - began for began, end in zip(before, after, strict=True)], last - first


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    costs: dict[str, list[Cost]] = {"careless": [], "tuned": [], "ours": []}
    for _ in range(rounds):
        costs["careless"].append(plain("careless"))
        costs["tuned"].append(plain("tuned"))
        costs["ours"].append(product())
    workers = {name: [each.worker for each in its] for name, its in costs.items()}
    middle = {name: figures.median(values) for name, values in workers.items()}
    ledger = figures.median([each.ledger for each in costs["ours"]])
    vault = figures.median([each.vault for each in costs["ours"]])
    return [
        *(
            Figure(1, f"worker CPU a transfer, {name}", middle[name], "µs", note=figures.spread(workers[name]))
            for name in middle
        ),
        Figure(1, "ours ÷ careless", middle["ours"] / middle["careless"], at_most=0.75),
        Figure(2, "ours ÷ tuned, plain HTTP", middle["ours"] / middle["tuned"], at_most=1.15),
        Figure(4, "ledger's server CPU a transfer, in a backlog", ledger, "µs", at_most=350),
        Figure(4, "vault's server CPU a transfer, in a backlog", vault, "µs", at_most=60),
        Figure(
            5,
            "producer's CPU a transfer, enqueue_many",
            figures.median([each.producer for each in costs["ours"]]),
            "µs",
        ),
    ]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else figures.ROUNDS
    print(figures.table(measure(rounds)))


if __name__ == "__main__":
    main()
