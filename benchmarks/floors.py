"""Floors of figures 1 to 4: what nothing of ours could go below, measured with as little of ours as can be.

The ledger's server: a trip that does nothing, one that reads a record, and one that writes 60 bytes and syncs them;
what bare Dramatiq costs it for a message that is sent, fetched and acknowledged; the commands of our scripts with no
script; and ours, also where it syncs nothing. The vault's: a trip that writes, our commands with no script, and ours.
The worker: a bare message of Dramatiq, the trips of a transfer by the client alone, and two exchanges by `requests`
with nothing around them. The last is no floor: ours go past the library's building of a request (`python -m
benchmarks.exchange`).
`python -m benchmarks.floors [ROUNDS]`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import backlog, books, exchange, figures, ours, processes
from benchmarks.backlog import Backlog
from benchmarks.figures import Figure
from epay_transfers.ledger.store.connection import connect

TRIPS = int(os.environ.get("BENCH_TRIPS", "2000"))
BACKLOG = Backlog(warm_up=100, measured=int(os.environ.get("BENCH_TRANSFERS", "500")))
ROUNDS = 3

#: Trips of one execute in a backlog, as `benchmarks.round_trips` counts them, where threads share them: to the ledger's
#: server those in which there is a claim or an end, and the share of a fetch, which write; those of the loops, which
#: read. To the vault's: take.
_DURABLE, _READING, _VAULT = 1.4, 0.3, 0.6

_RECORD_FIELDS = 25
_TEXT = "x" * 60

Words = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Trip:
    """Microseconds of CPU, for each trip."""

    server: float
    client: float


def trips(words: Words, *, durable: bool) -> Trip:
    """One after the other on one connection, as a worker's come: seldom two of them share a sync."""
    with processes.ledger_server() if durable else processes.vault_server() as server:
        client, pid = connect(server.url), server.process.pid
        client.hset("record", mapping={f"field_{number}": _TEXT for number in range(_RECORD_FIELDS)})
        for _ in range(TRIPS // 10):
            client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py does not type it
        before, own = processes.cpu_s(pid), time.process_time()
        for _ in range(TRIPS):
            client.execute_command(*words)  # type: ignore[no-untyped-call]  # as above
        used, own = processes.cpu_s(pid) - before, time.process_time() - own
        client.close()
    return Trip(used / TRIPS * 1e6, own / TRIPS * 1e6)


def bare_queue() -> Trip:
    """Of bare Dramatiq, for a message whose actor does nothing: the durable server, and the worker on one core."""
    with processes.ledger_server() as server:
        environment, pid = dict(os.environ, BENCH_REDIS=server.url), server.process.pid
        client = connect(server.url)

        def left() -> int:
            return int(client.hlen("dramatiq:default.msgs"))

        before = processes.cpu_s(pid)
        processes.run(["-m", "benchmarks.plain_actors", "nothing", str(BACKLOG.count)], environment)
        sending = (processes.cpu_s(pid) - before) / BACKLOG.count
        words = ["-m", "dramatiq", "-p", "1", "-t", str(ours.THREADS), "benchmarks.plain_actors"]
        with processes.python(words, environment, cores=(0,)) as process:
            processes.until(lambda: left() <= BACKLOG.measured, "messages that have ended")
            first, before, own = left(), processes.cpu_s(pid), processes.cpu_of_all_s(process.pid)
            processes.until(lambda: left() <= ours.THREADS, "messages that have ended")
            last, used, own = left(), processes.cpu_s(pid) - before, processes.cpu_of_all_s(process.pid) - own
        client.close()
    return Trip((sending + used / (first - last)) * 1e6, own / (first - last) * 1e6)


def without_disk() -> Trip:
    """Of the ledger's server, a transfer of ours where it syncs nothing; and of that the scripts, by its own count."""
    with ours.running(DURABILITY="relaxed") as given:
        given.client.config_set("appendfsync", "no")
        given.client.config_resetstat()
        cost = backlog.on(given, BACKLOG)
        told: dict[str, dict[str, float]] = given.client.info("commandstats")
    return Trip(cost.ledger, told["cmdstat_evalsha"]["usec"] / BACKLOG.count)


def two_exchanges() -> Trip:
    """Of the client alone, by the library's adapter: a token's request and a transfer's, prepared once."""
    with exchange.running() as (url, _, ca_file):
        onces = [exchange.adapter_alone(url, path, ca_file) for path in ("/token", "/transfer")]
        began = time.process_time()
        for _ in range(TRIPS // 4):
            for once in onces:
                once()
        return Trip(0.0, (time.process_time() - began) / (TRIPS // 4) * 1e6)


_SIDES: dict[str, Callable[[], Trip]] = {
    "nothing": partial(trips, ("EVAL", "return 1", 0), durable=True),
    "read": partial(trips, ("HGETALL", "record"), durable=True),
    "durable": partial(trips, ("SET", "key", _TEXT), durable=True),
    "written": partial(trips, ("SET", "key", _TEXT), durable=False),
    "bare queue": bare_queue,
    "ours without disk": without_disk,
    "books": lambda: Trip(books.ledger_us(), 0.0),
    "vault's books": lambda: Trip(*books.vault_us()),
    "ours": lambda: Trip(backlog.product(BACKLOG).ledger, 0.0),
    "vault's, ours": lambda: Trip(backlog.product(BACKLOG).vault, 0.0),
    "two exchanges": two_exchanges,
}


def measure(rounds: int = ROUNDS) -> list[Figure]:
    values = figures.in_turn(_SIDES, rounds)
    server = {name: figures.median([each.server for each in its]) for name, its in values.items()}
    client = {name: figures.median([each.client for each in its]) for name, its in values.items()}

    def spread(name: str) -> str:
        return figures.spread([each.server for each in values[name]])

    def row(number: int, name: str, value: float, note: str = "") -> Figure:
        return Figure(number, name, value, "µs", note=note)

    least = _DURABLE * server["durable"] + _READING * server["read"]
    what = "floor: ledger's server, the trips of an execute, whatever is in them"
    scripts = f"the scripts of it, by the server's own count of the wall: {client['ours without disk']:,.0f} µs"
    by_client = (_DURABLE + _READING + _VAULT) * client["written"]
    return [
        row(4, "floor: ledger's server, a trip that does nothing", server["nothing"], spread("nothing")),
        row(4, "floor: ledger's server, a trip that reads a record", server["read"], spread("read")),
        row(4, "floor: ledger's server, 60 bytes written durably", server["durable"], spread("durable")),
        row(4, what, least, f"{_DURABLE} that write durably, {_READING} that read"),
        row(4, "floor: bare Dramatiq on that server, a message", server["bare queue"], spread("bare queue")),
        row(4, "ledger's server, ours where it syncs nothing", server["ours without disk"], scripts),
        row(4, "floor: ledger's server, our commands with no script", server["books"], spread("books")),
        row(4, "ledger's server, ours", server["ours"], spread("ours")),
        row(4, "floor: vault's server, a trip that writes 60 bytes", server["written"], spread("written")),
        row(4, "floor: vault's server, our commands with no script", server["vault's books"], spread("vault's books")),
        row(4, "vault's server, our scripts where nothing else runs", client["vault's books"]),
        row(4, "vault's server, ours", server["vault's, ours"], spread("vault's, ours")),
        row(1, "worker, two exchanges by HTTPAdapter.send alone", client["two exchanges"]),
        row(1, "floor: worker, a message of bare Dramatiq, on one core", client["bare queue"]),
        row(1, "floor: worker, the trips of an execute, by the client alone", by_client),
    ]


if __name__ == "__main__":
    figures.show(measure)
