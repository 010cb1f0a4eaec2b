"""A worker or a producer whose round trips are counted. It prints them as JSON at its end.

One write to a server's socket is one round trip, whatever number of commands is in it. Each is counted by the kind of
thread that sends it, and by the server: ledger, queue or vault. Moves in batches are counted beside them. The CPU
of such a process is not measured. `python -m benchmarks.trips worker`, or `python -m benchmarks.trips enqueue COUNT`.
"""

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis import Connection

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger

_Move = tuple[Record, Verb, Change]

#: Threads that carry a transfer, and those that ask the queue for messages. All others are loops.
AT_WORK = "WorkerThread"
FETCHING = "ConsumerThread"


class Trips:
    """Round trips of this process."""

    def __init__(self, ledger_url: str, vault_url: str) -> None:
        ledger, vault = (urlsplit(url).port for url in (ledger_url, vault_url))
        self._servers = {(ledger, 0): "ledger", (ledger, 1): "queue", (vault, 0): "vault"}
        self.counted: Counter[str] = Counter()

    def start(self) -> None:
        """Count from now on, on every connection of the process."""
        send = Connection.send_packed_command

        def counted(connection: Connection, command: str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
            server = self._servers.get((connection.port, connection.db), "other")
            self.counted[f"{type(threading.current_thread()).__name__} {server}"] += 1
            send(connection, command, check_health)  # type: ignore[no-untyped-call]  # redis-py has no type here

        move_many = Ledger.move_many

        def counted_moves(ledger: Ledger, moves: Sequence[_Move], **more: Any) -> Any:
            self.counted[f"moves {threading.current_thread().name}"] += len(moves)
            return move_many(ledger, moves, **more)

        Ledger.move_many = counted_moves  # type: ignore[method-assign,assignment]  # that is the other count
        Connection.send_packed_command = counted  # type: ignore[method-assign,assignment]  # that is the count


def main() -> None:
    trips = Trips(os.environ["REDIS_URL"], os.environ["VAULT_URL"])
    if sys.argv[1] == "worker":
        from epay_transfers.worker.startup import main as work  # noqa: PLC0415 - a producer imports no worker

        trips.start()
        status = work()
    else:
        status = 0
        _enqueue(trips, int(sys.argv[2]))
    print(json.dumps(trips.counted), flush=True)
    sys.exit(status)


def _enqueue(trips: Trips, count: int) -> None:
    """The first one connects, and loads the scripts: it is not counted."""
    from benchmarks.ours import payout  # noqa: PLC0415 - a worker imports no producer
    from epay_transfers.producers import Transfers  # noqa: PLC0415 - as above

    with Transfers.from_env() as transfers:
        transfers.enqueue(payout(0))
        trips.start()
        for number in range(1, count + 1):
            transfers.enqueue(payout(number))


if __name__ == "__main__":
    main()
