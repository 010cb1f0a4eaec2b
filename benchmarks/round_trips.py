"""Figure 4: round trips, commands and bytes of a transfer, counted, and not timed: `python -m benchmarks.round_trips`.

Round trips are the writes of the process to a server's socket. Commands and bytes are what the servers count, over the
time from the enqueue to the last answer, so that the worker's loops are in them.
"""

import json
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import redis

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure
from benchmarks.trips import AT_WORK, FETCHING
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect

TRANSFERS = 500


def counted() -> tuple[dict[str, float], dict[str, float], dict[str, dict[str, float]]]:
    """Round trips of an enqueue, and of a worker, by thread and server; and each server's counts. For one transfer."""
    with ours.running() as given, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clients = {"ledger": given.client, "vault": connect(given.vault.url)}
        enqueue = json.loads(processes.run(["-m", "benchmarks.trips", "enqueue", str(TRANSFERS)], given.environment))
        before = {name: stats(client) for name, client in clients.items()}
        words = ["-m", "benchmarks.trips", "worker"]
        environment = given.environment | {"PYTHONPATH": str(processes.ROOT)}
        with processes.python(words, environment, folder=Path(folder), output=subprocess.PIPE) as worker:
            given.bank.until(TRANSFERS)
            given.until(State.PAID, TRANSFERS + 1)
            after = {name: stats(client) for name, client in clients.items()}
            worker.send_signal(signal.SIGTERM)
            assert worker.stdout is not None  # noqa: S101 - it was asked for
            execute = json.loads(worker.stdout.read().splitlines()[-1])
        clients["vault"].close()
    servers = {
        name: {kind: count / TRANSFERS for kind, count in (after[name] - before[name]).items()} for name in clients
    }
    return (
        {name: count / TRANSFERS for name, count in enqueue.items()},
        {name: count / (TRANSFERS + 1) for name, count in execute.items()},
        servers,
    )


def stats(client: redis.Redis) -> Counter[str]:
    """Calls of each command, and bytes in and out, since the server's start."""
    told: dict[str, dict[str, int]] = client.info("commandstats")
    counts = Counter({name.removeprefix("cmdstat_"): its["calls"] for name, its in told.items()})
    whole = client.info("stats")
    counts["bytes in"], counts["bytes out"] = whole["total_net_input_bytes"], whole["total_net_output_bytes"]
    return counts


def measure() -> list[Figure]:
    enqueue, execute, servers = counted()
    at_work = {name.split()[1]: count for name, count in execute.items() if name.startswith(AT_WORK)}
    fetching = sum(count for name, count in execute.items() if name.startswith(FETCHING))
    work = sum(at_work.values())
    loops = sum(execute.values()) - work - fetching
    queue = at_work.get("queue", 0.0)
    named = ", ".join(f"{name} {count:.2f}" for name, count in sorted(at_work.items()))
    found = [
        Figure(
            4,
            "round trips of an enqueue, without the queue's own",
            sum(count for name, count in enqueue.items() if not name.endswith(" queue")),
            at_most=2,
            note=_by_server(enqueue),
        ),
        Figure(4, "round trips of an execute, without the queue's own", work - queue, at_most=4, note=named),
        Figure(4, "the queue's own: acknowledgements, and fetches in a backlog", queue + fetching),
        Figure(4, "round trips of the worker's loops, in a backlog", loops),
    ]
    for server, counts in servers.items():
        inner = {name: count for name, count in counts.items() if count >= 0.05 and not name.startswith("bytes")}
        calls = ", ".join(f"{name} {count:.1f}" for name, count in sorted(inner.items(), key=lambda each: -each[1]))
        found.append(Figure(4, f"{server}: commands, those in scripts too", sum(inner.values()), note=calls))
        found.append(Figure(4, f"{server}: bytes in and out", counts["bytes in"] + counts["bytes out"], "B"))
    return found


def _by_server(trips: dict[str, float]) -> str:
    return ", ".join(f"{name.split()[1]} {count:.2f}" for name, count in sorted(trips.items()))


def main() -> None:
    print(figures.table(measure()))


if __name__ == "__main__":
    main()
