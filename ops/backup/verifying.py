"""Is a backup a ledger of this version, whole and in itself consistent? Looked at on a server of its own.

The server is an embedded one, on a private copy, on loopback, behind a password that no other process is told. Nothing
is written to the given files, and no other machine is spoken to.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import NAMESPACE
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import FIELD, check_format
from epay_transfers.ops.backup import copies
from epay_transfers.ops.backup.copies import Backup
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.audit import Audit, Discrepancy
from epay_transfers.runtime.card_scan import Report
from epay_transfers.runtime.embedded_servers import NotStarted
from epay_transfers.runtime.server_scan import scan_servers

_USER = "verify"
_LOADS_WITHIN_S = 3600.0

#: What a backup can't say anything about: time has passed since, and its queue is no part of it.
_OF_THE_MOMENT = ("clock", "queue", "bank", "vault")

_TAIL = "aof-load-truncated"
_MOST_DATABASES = 16

#: Keys that stand in a vault alone.
_OF_A_VAULT = (redis_keys.HIGH_WATER, redis_keys.WRITES)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a backup is. Times are ms since 1970; `last_event_at` is 0 for a log without events."""

    transfers: int
    unfinished: int
    archived: int
    format: str
    sequence: int
    last_event: int
    last_event_at: int
    now_ms: int
    is_cut_off: bool
    discrepancies: Sequence[Discrepancy]
    card_numbers: int
    places_not_read: int

    @property
    def is_good(self) -> bool:
        return not (self.is_cut_off or self.discrepancies or self.card_numbers)


def verify(path: Path, server: str = "") -> Verified:
    """Raises `Refusal` for what is no backup of a ledger, or can't be read. `server`: another server's program."""
    backup = copies.find(path)
    try:
        with _running(backup, server, cut_off_too=False) as url:
            return _look(url, is_cut_off=False)
    except NotStarted:
        pass
    try:
        with _running(backup, server, cut_off_too=True) as url:
            return _look(url, is_cut_off=True)
    except NotStarted:
        raise Refusal(
            f"{path}: no server can read it: it is damaged, or a newer server wrote it than the one that this command "
            "brings (give that one's program with --server). Keep it, and take an older backup"
        ) from None


@contextmanager
def _running(backup: Backup, server: str, *, cut_off_too: bool) -> Iterator[str]:
    password = secrets.token_urlsafe(24)
    digest = hashlib.sha256(password.encode()).hexdigest()
    with TemporaryDirectory(prefix="transfers-backup-") as folder:
        home = Path(folder)
        backup.copy(home)
        copies.write_manifest(backup, home)
        users = home / "users.acl"
        users.touch(0o600)
        users.write_text(f"user default off ~* &* +@all\nuser {_USER} on #{digest} ~* &* +@all\n", encoding="utf-8")
        options = {
            "save": "",
            "maxmemory-policy": "noeviction",
            "crash-log-enabled": "no",
            "crash-memcheck-enabled": "no",
            "appendfsync": "no",
            "auto-aof-rewrite-percentage": "0",
            "aclfile": str(users),
            _TAIL: "yes" if cut_off_too else "no",
        } | backup.options
        running = embedded_servers.start(
            home,
            options,
            named=lambda url: url.replace("//", f"//{_USER}:{password}@"),
            binary=server,
            starts_within_s=_LOADS_WITHIN_S,
        )
        try:
            yield running.url
        finally:
            running.stop()


def _look(url: str, *, is_cut_off: bool) -> Verified:
    own = _ledgers_database(url)
    with connect(own) as client, connect(_with_database(url, _MOST_DATABASES - 1)) as no_queue:
        check_format(client)
        ledger, events = Ledger(client), Events(client)
        counters = ledger.counters()
        found = [odd for odd in Audit(ledger, no_queue, None).run() if not _is_of_the_moment(odd)]
        report = Report()
        scan_servers(own, own, report, ("*",))
        last = events.newest(1)
        totals = ledger.totals()
        return Verified(
            transfers=totals.count,
            unfinished=totals.of(*(state for state in State if not state.final)).count,
            archived=counters.get("archived", 0),
            format=str(counters.get(FIELD, "")),
            sequence=counters.get("sequence", 0),
            last_event=counters.get("events", 0),
            last_event_at=last[0].at_ms if last else 0,
            now_ms=SystemClock().now_ms(),
            is_cut_off=is_cut_off,
            discrepancies=found,
            card_numbers=len(report.finds) + report.more,
            places_not_read=sum(report.unread.values()),
        )


def _ledgers_database(url: str) -> str:
    """The address with the database that has a ledger. Raises `Refusal` where none has."""
    is_vault = is_queue = False
    with connect(url) as client:
        databases = sorted(int(name.removeprefix("db")) for name in client.info("keyspace"))
    for database in databases:
        with connect(_with_database(url, database)) as client:
            if client.exists(redis_keys.COUNTERS):
                return _with_database(url, database)
            is_vault = is_vault or bool(client.exists(*_OF_A_VAULT))
            is_queue = is_queue or next(client.scan_iter(f"{NAMESPACE}*", count=1000), None) is not None
    if is_vault:
        raise Refusal(
            "this is a copy of a vault: it may hold sealed cards, and no vault is ever backed up or restored. Delete "
            "it, and see that the vault's server writes no file"
        )
    if is_queue:
        raise Refusal("this is a queue's, and no ledger: a queue needs no backup, for its messages are sent anew")
    raise Refusal("this is no ledger: a server reads it, and none of the ledger's keys is in it")


def _with_database(url: str, database: int) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def _is_of_the_moment(odd: Discrepancy) -> bool:
    return any(word in odd.where for word in _OF_THE_MOMENT)
