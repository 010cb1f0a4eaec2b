"""What a script costs its server: `.venv/bin/python -m benchmarks.scripts [COUNT]`. Prints CPU and commands a call.

Each step is called once for each of COUNT transfers, many calls a round trip, so that the scripts are measured and not
the network. The CPU is the server's own, as the kernel counts it; the commands are those that the scripts call.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Created
from epay_transfers.ledger.store.scripts import Call, Scripts
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import embedded_servers
from tests.support.factories import new_transfer

COUNT = 5_000

#: Calls a round trip.
BATCH = 500

_LEASE_MS = 60_000
_TTL_MS = 900_000
_SEALED = "s" * 600  #: as long as a sealed card


@dataclass(frozen=True, slots=True)
class Server:
    """One server, and what it has used."""

    pid: int
    client: redis.Redis

    def cpu_s(self) -> float:
        """Of the thread that runs the scripts, to a nanosecond."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def commands(self) -> int:
        stats = self.client.info("commandstats")
        return sum(each["calls"] for name, each in stats.items() if name not in {"cmdstat_info", "cmdstat_evalsha"})

    def measure(self, name: str, count: int, call: Callable[[int, int], object]) -> None:
        """`call` makes those from the first number on, before the second."""
        before, used = self.commands(), []
        for first in range(0, count, BATCH):
            cpu = self.cpu_s()
            call(first, min(first + BATCH, count))
            used.append((self.cpu_s() - cpu) / BATCH * 1e6)
        commands = (self.commands() - before) / count
        middle, least = statistics.median(used), min(used)
        print(f"{name:16} {middle:6.1f} µs of the server, at least {least:6.1f}; {commands:5.1f} commands")


@contextmanager
def _server(options: dict[str, str]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as home, embedded_servers.running(options, Path(home)) as embedded:
        yield Server(embedded.process.pid, connect(embedded.url))


def _sending(scripts: Scripts, calls: Sequence[Call]) -> Callable[[int, int], None]:
    def send(first: int, last: int) -> None:
        for reply in scripts.run_many(calls[first:last]):
            if isinstance(reply, Exception):
                raise reply

    return send


def ledger(server: Server, count: int) -> None:
    scripts, store = Scripts(server.client, ("claim", "move")), Ledger(server.client)
    new = [new_transfer(f"payout-{number}", amount=100_000 + number) for number in range(count)]
    records: list[Record] = []

    def create(first: int, last: int) -> None:
        made = store.create(new[first:last], actor="backend")
        records.extend(each.record for each in made if isinstance(each, Created))

    def moves(verb: Verb, change: Callable[[Record], Change]) -> list[Call]:
        calls: list[Call] = []
        for record in records:
            keys, text = store._call(record, verb, change(record), actor="worker host 1")  # noqa: SLF001 - what is sent for it
            calls.append(("move", keys, (text,)))
        return calls

    server.measure("create", count, create)
    looks = moves(Verb.LOOK_LATER, lambda _: Change(due_in=5_000, silent=True))
    server.measure("look_later", count, _sending(scripts, looks))
    claims = [_claim(store, record) for record in records]
    server.measure("claim", count, _sending(scripts, claims))
    records = [replace(record, state=State.SENDING, version=2) for record in records]
    pays = moves(Verb.PAY, _paid)
    server.measure("pay", count, _sending(scripts, pays))
    server.measure(
        "read a record", count, lambda first, last: store.get_many([each.key for each in records[first:last]])
    )


def _claim(store: Ledger, record: Record) -> Call:
    change = Change(
        due_in=_LEASE_MS,
        fields={"claim_nonce": "0123456789abcdef", "rate_slot_at": 0, "evidence": ""},
        times_in={"lease_until": _LEASE_MS},
    )
    keys, text = store._call(record, Verb.CLAIM, change, actor="worker host 1")  # noqa: SLF001 - what is sent for it
    more = ("PAUSES", "BREAKERS", "RATES", "ADDED_PAUSES", "SERVER", "TURNS")
    args = (text, "send", record.terminal, "bank.example", 0, 0, "", record.amount, "", "", "", 0, "")
    return "claim", (*keys, *(getattr(redis_keys, name) for name in more)), args


def _paid(record: Record) -> Change:
    fields = {"code": "0", "evidence": "ANSWERED", "bank_id": f"b{record.key}", "bank_reference": f"42{record.key}"}
    return Change(fields=fields)  # type: ignore[arg-type]  # the names are fields


def vault(server: Server, count: int) -> None:
    scripts, store = Scripts(server.client, ("vault_put", "vault_take", "vault_drop")), Vault(server.client)
    keys = [f"{251124000000 + number}" for number in range(count)]
    place, sealed = redis_keys.card, redis_keys.sealed_card
    puts = [(key, 1_000_001, _SEALED, _TTL_MS) for key in keys]

    server.measure("vault_put", count, lambda first, last: store.put_cards(puts[first:last]))
    takes: list[Call] = [
        store._call("vault_take", (place(key), redis_keys.HIGH_WATER), (1_000_001, at, "n" * 16, sealed(key)))  # noqa: SLF001 - what is sent for it
        for at, key in enumerate(keys)
    ]
    server.measure("vault_take", count, _sending(scripts, takes))
    drops: list[Call] = [store._call("vault_drop", (place(key),), (sealed(key),)) for key in keys]  # noqa: SLF001 - what is sent for it
    server.measure("vault_drop", count, _sending(scripts, drops))
    looks = [store._call("vault_look", (place(key),), ()) for key in keys]  # noqa: SLF001 - what is sent for it
    server.measure("vault_look", count, _sending(Scripts(server.client, ("vault_look",)), looks))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with _server(embedded_servers.LEDGER_OPTIONS) as server:
        server.client.hset(redis_keys.SERVER, "is", _is(server))
        ledger(server, count)
    with _server(embedded_servers.VAULT_OPTIONS) as server:
        vault(server, count)


def _is(server: Server) -> str:
    """As `_server.lua` names it."""
    info = server.client.info()
    return f"{info['run_id'][:16]}:{info['master_replid'][:16]}"


if __name__ == "__main__":
    main()
