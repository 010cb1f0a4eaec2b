"""What the ledger's and the vault's books of a transfer cost their servers with no script: the same commands alone.

A run of ours is watched (MONITOR), and the commands that each script ran are sent anew to an empty server, which is as
durable: those of a script as one transaction, as many transactions in a write as a worker's threads have scripts in a
round trip. What is left is the price of the records, lists, counts and events, whatever checks and writes them. The
vault's scripts are sent anew as well, in the same way: what the same work costs where nothing else uses the processor.
"""

import codecs
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from redis.exceptions import NoScriptError

from benchmarks import ours, processes
from benchmarks.ours import Ours
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers

TRANSFERS = 300

#: Scripts of one round trip, of an enqueue in a batch and of an execute in a backlog (`benchmarks.round_trips`).
_TOGETHER = 2

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')

#: The last line.
_END = b"no more of it"

Words = tuple[bytes, ...]


def ledger_us() -> float:
    """Microseconds of the ledger's server, for one transfer, with no script."""
    return _server_us(_transactions(_seen(lambda given: given.ledger.url)), processes.ledger_server)


def vault_us() -> tuple[float, float]:
    """Of the vault's: with no script, and with our scripts."""
    lines = _seen(lambda given: given.vault.url)
    return _server_us(_transactions(lines), processes.vault_server), _server_us(_scripts(lines), processes.vault_server)


def _server_us(
    scripts: list[list[Words]], empty: Callable[[], AbstractContextManager[embedded_servers.EmbeddedServer]]
) -> float:
    with empty() as server:
        client, pid = connect(server.url, text=False), server.process.pid
        before = processes.cpu_s(pid)
        for first in range(0, len(scripts), _TOGETHER):
            pipeline = client.pipeline(transaction=False)
            for words in chain.from_iterable(scripts[first : first + _TOGETHER]):
                pipeline.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py does not type it
            replies = pipeline.execute(raise_on_error=False)
            told = chain.from_iterable(reply if isinstance(reply, list) else [reply] for reply in replies)
            broke = [each for each in told if isinstance(each, Exception) and not isinstance(each, NoScriptError)]
            if broke:  # where a script was not loaded, it was not then either
                raise RuntimeError("a command did not run as it did before: these are not the books") from broke[0]
        used = processes.cpu_s(pid) - before
        client.close()
    return used / TRANSFERS * 1e6


def _seen(url_of: Callable[[Ours], str]) -> list[tuple[bool, Words]]:
    """What a server ran for some transfers, in order, and whether a script ran it."""
    with ours.running() as given:
        with _watched(url_of(given)) as lines:
            given.enqueue(TRANSFERS)
            with given.worker():
                given.until(State.PAID, TRANSFERS)
        return [
            (told.endswith(b" lua"), tuple(codecs.escape_decode(word)[0] for word in _WORD.findall(rest)))
            for told, _, rest in (line.partition(b"] ") for line in lines)
        ]


def _transactions(lines: list[tuple[bool, Words]]) -> list[list[Words]]:
    """The commands of each script, which stand behind it."""
    ran = ([words for _, words in its] for by_script, its in groupby(lines, itemgetter(0)) if by_script)
    return [[(b"MULTI",), *commands, (b"EXEC",)] for commands in ran]


def _scripts(lines: list[tuple[bool, Words]]) -> list[list[Words]]:
    return [[words] for by_script, words in lines if not by_script and words[0].upper() in {b"EVALSHA", b"SCRIPT"}]


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
    print(ledger_us(), *vault_us())
