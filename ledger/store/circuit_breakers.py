"""The breaker of each of the bank's hosts: open, no worker sends there, and no attempt is used up.

Each process counts the failures in a row that it saw itself, which costs nothing, and opens the breaker for all. While
it is open, one process of all asks the host a harmless question now and then, and closes it again. `claim` reads it
inside its script.
"""

import threading
from typing import cast

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.tell import HashChange

#: Failures in a row that one process must see.
FAILURES = 5

#: Between two questions while it is open.
PROBE_MS = 5_000


class Breakers:
    def __init__(self, client: redis.Redis, events: Events, actor: str, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._events = events
        self._actor = actor
        self._scripts = Scripts(client, ("probe",))
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._open: frozenset[str] = frozenset()

    def succeeded(self, host: str) -> None:
        self._failures.pop(host, None)

    def failed(self, host: str, why: str) -> None:
        """A transport failure, never a decline. Opens the breaker for all workers after too many in a row."""
        with self._lock:
            failures = self._failures.get(host, 0) + 1
            self._failures[host] = failures
        if failures == FAILURES:
            self._failures[host] = 0
            self.trip(host, why)

    def trip(self, host: str, why: str) -> None:
        with redis_errors_as(LedgerUnavailable):
            first_ms = ledger_ms(self._client, self._test_clock) + PROBE_MS
        change = HashChange(redis_keys.BREAKERS, set={f"open:{host}": str(first_ms)}, once=True)
        self._events.tell(Alarm.BREAKER_OPENED, {"actor": self._actor, "host": host, "reason": why}, change)
        self._open |= {host}

    def close(self, host: str) -> None:
        change = HashChange(redis_keys.BREAKERS, remove=[f"open:{host}", f"probes:{host}"], once=True)
        self._events.tell(Alarm.BREAKER_CLOSED, {"actor": self._actor, "host": host}, change)
        self._failures.pop(host, None)
        self._open -= {host}

    def refresh(self) -> frozenset[str]:
        """Read which hosts' breakers are open; `is_open` answers from memory until the next time."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("dict[str, str]", self._client.hgetall(redis_keys.BREAKERS))
        self._open = frozenset(name.removeprefix("open:") for name in raw if name.startswith("open:"))
        return self._open

    def is_open(self, host: str) -> bool:
        """As of the last `refresh`: half a second old at the most."""
        return host in self._open

    def may_probe(self, host: str) -> bool:
        """Is it this process's turn to ask the host?"""
        with redis_errors_as(LedgerUnavailable):
            now = self._test_clock.now_ms() if self._test_clock else ""
            reply = self._scripts.run("probe", (redis_keys.BREAKERS,), (host, now, PROBE_MS))
        return reply[0] == "PROBE"
