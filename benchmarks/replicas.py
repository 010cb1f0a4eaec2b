"""What `LEDGER_REPLICAS=1` costs: worker CPU and transfers a second, beside a ledger whose claims wait for no replica.

Both have a replica that follows, for a replica costs the ledger's server as well; the second waits for it with each
claim. All servers and the bank are on this machine, so their CPU is a part of the rate.
`python -m benchmarks.replicas [ROUNDS]`.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import figures, ours, processes
from benchmarks.backlog import Backlog
from benchmarks.figures import Figure
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers

BACKLOG = Backlog(warm_up=300, measured=int(os.environ.get("BENCH_TRANSFERS", "1000")))
REPLICAS = (0, 1)


@dataclass(frozen=True, slots=True)
class Run:
    worker: float  #: microseconds of CPU of a transfer
    ledger: float  #: of its server, while they are sent
    rate: float  #: transfers a second


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    runs = figures.in_turn({count: partial(at, count) for count in REPLICAS}, rounds)
    found = []
    for count, its in runs.items():
        name = f"LEDGER_REPLICAS={count}, with one replica"
        for what, values, unit in (
            ("worker CPU a transfer", [run.worker for run in its], "µs"),
            ("ledger's server CPU a transfer, execute", [run.ledger for run in its], "µs"),
            ("transfers a second, one worker", [run.rate for run in its], ""),
        ):
            found.append(Figure(14, f"{what}, {name}", figures.median(values), unit, note=figures.spread(values)))
    return found


def at(count: int) -> Run:
    with ours.running(LEDGER_REPLICAS=str(count)) as given, following(given.ledger):
        given.enqueue(BACKLOG.count)
        with given.worker() as worker:
            cpu, ledger, wall_s = BACKLOG.over(
                given.bank,
                lambda: (processes.cpu_s(worker), processes.cpu_s(given.ledger.process.pid), time.perf_counter()),
            )
        if given.bank.counts()["twice"]:
            raise RuntimeError("a transfer was sent twice")
    return Run(cpu * 1e6, ledger * 1e6, 1 / wall_s)


@contextmanager
def following(ledger: embedded_servers.EmbeddedServer) -> Iterator[None]:
    """A replica, as durable as the ledger, which has all that it has."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        embedded_servers.running(embedded_servers.LEDGER_OPTIONS, Path(folder), processes.SERVER) as replica,
        connect(replica.url) as client,
    ):
        client.execute_command("REPLICAOF", "127.0.0.1", urlsplit(ledger.url).port)
        processes.until(lambda: client.info("replication")["master_link_status"] == "up", "a replica")
        yield


if __name__ == "__main__":
    figures.show(measure)
