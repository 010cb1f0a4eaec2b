"""CPU of one transfer in a backlog, read between two moments: neither the start nor the end of a worker is in it.

Transfers wait in the queue before a worker starts. CPU is read when the bank has seen the first of them, and again when
it has seen nearly all.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks import ours, processes
from benchmarks.ours import Ours
from benchmarks.processes import RunningBank


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU, for each transfer."""

    worker: float
    ledger: float = 0.0  #: its server, from the enqueue on
    vault: float = 0.0  #: its server, from the enqueue on
    producer: float = 0.0
    connections: float = 0.0  #: to the bank


@dataclass(frozen=True, slots=True)
class Backlog:
    warm_up: int
    measured: int

    @property
    def count(self) -> int:
        return self.warm_up + self.measured

    def over(self, bank: RunningBank, read: Callable[[], tuple[float, ...]], seen: int = 0) -> list[float]:
        """How much each reading grew for one transfer. Those at work at each moment are about as many.

        `seen`: so many the bank had seen before this backlog.
        """
        first = bank.until(seen + self.warm_up)["transfers"]
        before = read()
        last = bank.until(seen + self.count - ours.THREADS)["transfers"]
        after = read()
        return [(end - began) / (last - first) for began, end in zip(before, after, strict=True)]


def plain(actor: str, backlog: Backlog, *, tls: bool = False, cores: Collection[int] = ()) -> Cost:
    """A bare actor: `careless` or `tuned`."""
    with processes.bank(tls=tls) as bank, processes.vault_server() as server:
        environment = dict(os.environ, BENCH_REDIS=server.url, BENCH_BANK=bank.url, BENCH_CA=bank.ca_file)
        sent = processes.run(["-m", "benchmarks.plain_actors", actor, str(backlog.count)], environment)
        words = ["-m", "dramatiq", "-p", "1", "-t", str(ours.THREADS), "benchmarks.plain_actors"]
        with processes.python(words, environment, cores=cores) as process:
            (used,) = backlog.over(bank, lambda: (processes.cpu_of_all_s(process.pid),))
        return Cost(
            worker=used * 1e6,
            producer=float(sent.split()[0]) / backlog.count * 1e6,
            connections=bank.counts()["connections"] / backlog.count,
        )


def product(backlog: Backlog, *, tls: bool = False, **settings: str) -> Cost:
    """Ours, on new servers."""
    with ours.running(0.0, tls=tls, **settings) as given:
        return on(given, backlog)


def on(given: Ours, backlog: Backlog, *, first: int = 0) -> Cost:
    """Ours, on these servers."""
    servers = (given.ledger.process.pid, given.vault.process.pid)
    seen = given.bank.counts()
    before = [processes.cpu_s(pid) for pid in servers]
    producer, _ = given.enqueue(backlog.count, first=first)
    sending = [(processes.cpu_s(pid) - began) / backlog.count for pid, began in zip(servers, before, strict=True)]
    with given.worker() as worker:
        used, ledger, vault = backlog.over(
            given.bank, lambda: (processes.cpu_s(worker), *map(processes.cpu_s, servers)), seen["transfers"]
        )
    counts = given.bank.counts()
    if counts["twice"]:
        raise RuntimeError("a transfer was sent twice")
    return Cost(
        worker=used * 1e6,
        ledger=(sending[0] + ledger) * 1e6,
        vault=(sending[1] + vault) * 1e6,
        producer=producer / backlog.count * 1e6,
        connections=(counts["connections"] - seen["connections"]) / (counts["transfers"] - seen["transfers"]),
    )
