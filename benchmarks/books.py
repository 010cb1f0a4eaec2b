"""What the ledger's books of a transfer cost its server with no script: the same commands, sent as transactions.

A run of ours is watched (MONITOR), and the commands that each script ran are sent anew to an empty server, which is as
durable: those of a script as one transaction, as many transactions in a write as a worker's threads have scripts in a
round trip. What is left is the price of the records, lists, counts and events, whatever checks and writes them.
"""

import codecs
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import ours, processes
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect

TRANSFERS = 300

#: Scripts of one round trip, of an enqueue in a batch and of an execute in a backlog (`benchmarks.round_trips`).
_TOGETHER = 2

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')

#: The last line.
_END = b"no more of it"

Words = tuple[bytes, ...]


def server_us() -> float:
    """Microseconds of the server's CPU, for one transfer."""
    transactions = _seen()
    with processes.ledger_server() as server:
        client, pid = connect(server.url, text=False), server.process.pid
        before = processes.cpu_s(pid)
        for first in range(0, len(transactions), _TOGETHER):
            pipeline = client.pipeline(transaction=False)
            for commands in transactions[first : first + _TOGETHER]:
                for words in ((b"MULTI",), *commands, (b"EXEC",)):
                    pipeline.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py does not type it
            for reply in pipeline.execute():
                if isinstance(reply, list) and any(isinstance(each, Exception) for each in reply):
                    raise RuntimeError("a command did not run as it did in its script: these are not the books")
        used = processes.cpu_s(pid) - before
        client.close()
    return used / TRANSFERS * 1e6


def _seen() -> list[list[Words]]:
    """What each script of the run ran, in order."""
    with ours.running() as given:
        with _watched(given.ledger.url) as lines:
            given.enqueue(TRANSFERS)
            with given.worker():
                given.until(State.PAID, TRANSFERS)
        return list(_by_script(lines))


def _by_script(lines: list[bytes]) -> Iterator[list[Words]]:
    """The commands that a script ran stand behind it."""
    commands: list[Words] = []
    for line in lines:
        told, _, rest = line.partition(b"] ")
        words = tuple(codecs.escape_decode(word)[0] for word in _WORD.findall(rest))
        if told.endswith(b" lua"):
            commands.append(words)
        elif commands:
            yield commands
            commands = []
    if commands:
        yield commands


@contextmanager
def _watched(url: str) -> Iterator[list[bytes]]:
    """What the server ran meanwhile, a line for each command."""
    client = connect(url, text=False)
    connection: Any = client.connection_pool.get_connection()
    connection.send_command("MONITOR")
    connection.read_response()
    lines: list[bytes] = []

    def read() -> None:
        while _END not in (line := connection.read_response()):
            lines.append(line)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield lines
    finally:
        client.echo(_END)
        reader.join()
        connection.disconnect()
        client.close()


if __name__ == "__main__":
    print(server_us())
