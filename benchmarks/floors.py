"""Floors of figures 1 to 4: what nothing of ours could go below, measured with as little of ours as can be.

The ledger's server: what a trip costs that does nothing, and one that writes 60 bytes and syncs them; what bare Dramatiq
costs the same server for a message that is sent, fetched and acknowledged; and the three scripts of a transfer, on one
connection, with the disk and without. The vault's: a trip that does nothing. The client: what `redis` takes for a trip,
and what a full TLS handshake adds to a request. `python -m benchmarks.floors [ROUNDS]`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import backlog, figures, handshakes, ours, processes
from benchmarks.backlog import Backlog
from benchmarks.figures import Figure
from epay_transfers.ledger.store.connection import connect

TRIPS = int(os.environ.get("BENCH_TRIPS", "3000"))
BACKLOG = Backlog(warm_up=100, measured=int(os.environ.get("BENCH_TRANSFERS", "1000")))

#: Trips of a transfer to the ledger's server that write: create and its message, claim, the end, and the share of a
#: fetch that a transfer has in a backlog (`benchmarks.round_trips`). And those that read: the record.
_WRITES, _FETCHES, _READS = 4, 0.4, 1


@dataclass(frozen=True, slots=True)
class Trip:
    """Microseconds of CPU, for each trip."""

    server: float
    client: float


def trips(words: tuple[str | int, ...], *, durable: bool = True) -> Trip:
    """One after the other on one connection, as a worker's come: seldom two of them share a sync."""
    server = processes.ledger_server() if durable else processes.vault_server()
    with server as running:
        client, pid = connect(running.url), running.process.pid
        for _ in range(TRIPS // 10):
            client.execute_command(*words)
        before, own = processes.cpu_s(pid), time.process_time()
        for _ in range(TRIPS):
            client.execute_command(*words)
        used, own = processes.cpu_s(pid) - before, time.process_time() - own
        client.close()
    return Trip(used / TRIPS * 1e6, own / TRIPS * 1e6)


def bare_queue() -> float:
    """Of the ledger's server, for a message of bare Dramatiq whose actor does nothing."""
    with processes.ledger_server() as server:
        environment = dict(os.environ, BENCH_REDIS=server.url)
        pid = server.process.pid
        client = connect(server.url)
        before = processes.cpu_s(pid)
        processes.run(["-m", "benchmarks.plain_actors", "nothing", str(BACKLOG.count)], environment)
        words = ["-m", "dramatiq", "-p", "1", "-t", str(ours.THREADS), "benchmarks.plain_actors"]
        with processes.python(words, environment):
            processes.until(lambda: client.hlen("dramatiq:default.msgs") == 0, "messages that have ended", every_s=0.2)
            used = processes.cpu_s(pid) - before
        client.close()
    return used / BACKLOG.count * 1e6


def without_disk() -> tuple[float, float]:
    """Of the ledger's server, for a transfer of ours: where it syncs nothing; and of that, what the scripts take."""
    with ours.running(DURABILITY="relaxed") as given:
        given.client.config_set("appendfsync", "no")
        given.client.config_resetstat()
        cost = backlog.on(given, BACKLOG)
        told = given.client.info("commandstats")["cmdstat_evalsha"]
        transfers = given.bank.counts()["transfers"]
    return cost.ledger, told["usec"] / transfers


def bare_worker() -> float:
    """Of bare Dramatiq's worker, for a message whose actor does nothing, on one core."""
    with processes.ledger_server() as server:
        environment = dict(os.environ, BENCH_REDIS=server.url)
        client = connect(server.url)
        processes.run(["-m", "benchmarks.plain_actors", "nothing", str(BACKLOG.count)], environment)
        words = ["-m", "dramatiq", "-p", "1", "-t", str(ours.THREADS), "benchmarks.plain_actors"]
        with processes.python(words, environment, cores=(0,)) as process:

            def left() -> int:
                return int(client.hlen("dramatiq:default.msgs"))

            processes.until(lambda: left() <= BACKLOG.measured, "messages that have ended")
            first, before = left(), processes.cpu_of_all_s(process.pid)
            processes.until(lambda: left() <= ours.THREADS, "messages that have ended")
            last, after = left(), processes.cpu_of_all_s(process.pid)
        client.close()
    return (after - before) / (first - last) * 1e6
