"""The breaker of each of the bank's hosts: open, no worker sends there, and no attempt is used up.

Each process counts the failures in a row that it saw itself, which costs nothing, and opens the breaker for all. While
it is open, one process of all asks the host a harmless question now and then. An answer makes it half-open: `claim`,
which reads it inside its script, lets one real transfer through, since a host may answer questions and hang on
transfers. What becomes of that one closes the breaker, or keeps it open for twice as long.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

#: The longest that it stays open after a trial.
LONGEST_MS = 300_000

#: So long a transfer may take to fetch a token for a try, before another may go for it.
_TURN_MS = 10_000

#: No rule sets a time that is farther ahead: the longest, or a lease.
FARTHEST_MS = 2 * LONGEST_MS


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """`trial`: the key of the transfer that was let through, and that is not judged yet. `lane`: of its call."""

    host: str
    is_half_open: bool = False
    trial: str = ""
    failed_trials: int = 0
    lane: str = ""


class Breakers:
    def __init__(self, client: redis.Redis, events: Events, actor: str, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._events = events
        self._actor = actor
        self._scripts = Scripts(client, ("probe", "half_open", "turn"))
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._open: dict[str, OpenBreaker] = {}
        self._asked_in: dict[str, str] = {}  #: by host, the round of its breaker when this process last asked it
        self.on_failure: Callable[[str], None] = _nothing  #: is told the host; neither of these may raise
        self.on_trip: Callable[[str], None] = _nothing

    def succeeded(self, host: str) -> None:
        self._failures.pop(host, None)

    def failed(self, host: str, why: str) -> None:
        """A transport failure, never a decline. Opens the breaker for all workers after too many in a row."""
        with self._lock:
            failures = self._failures.get(host, 0) + 1
            self._failures[host] = failures
        self.on_failure(host)
        if failures == FAILURES:
            self._failures[host] = 0
            self.trip(host, why)

    def trip(self, host: str, why: str) -> None:
        until = self._in(PROBE_MS)
        change = HashChange(
            redis_keys.BREAKERS,
            set={f"open:{host}": until, f"round:{host}": until},
            remove=[f"half:{host}"],
            was={f"open:{host}": ""},
        )
        self._events.tell(Alarm.BREAKER_OPENED, {"actor": self._actor, "host": host, "reason": why}, change)
        self._open = {host: OpenBreaker(host)} | self._open
        self.on_trip(host)

    def half_open(self, host: str) -> bool:
        """The host answers: the next claim goes through, and no other.

        False: the breaker has been closed, opened anew, or held open for longer since the host was asked, or a transfer
        that was let through is not judged yet. An answer of before says nothing then.
        """
        with redis_errors_as(LedgerUnavailable):
            reply = self._scripts.run("half_open", (redis_keys.BREAKERS,), (host, self._asked_in.get(host, "")))
        return reply[0] == "HALF"

    def has_turn(self, key: str, lets_through: Sequence[str]) -> bool:
        """May this transfer go for the try that these let through, `host NAME` or `pause FIELD`? One at a time may."""
        keys = (redis_keys.TURNS, redis_keys.BREAKERS, redis_keys.PAUSES)
        now = self._test_clock.now_ms() if self._test_clock else ""
        with redis_errors_as(LedgerUnavailable):
            return self._scripts.run("turn", keys, (now, _TURN_MS, key, *lets_through))[0] == "YES"

    def stay_open(self, breaker: OpenBreaker) -> None:
        """The trial was not served: nothing goes there for twice as long as after the one before it."""
        failed = breaker.failed_trials + 1
        wait_ms = min(PROBE_MS * 2**failed, LONGEST_MS)
        until = self._in(wait_ms)
        told = {"actor": self._actor, "host": breaker.host, "trial": breaker.trial, "in_s": str(wait_ms // 1000)}
        change = HashChange(
            redis_keys.BREAKERS,
            set={
                f"open:{breaker.host}": until,
                f"round:{breaker.host}": until,
                f"failed:{breaker.host}": str(failed),
            },
            remove=[f"trial:{breaker.host}", f"half:{breaker.host}"],
            was={f"trial:{breaker.host}": f"{breaker.trial} {breaker.lane}"},
        )
        self._events.tell(Alarm.BREAKER_STAYS, told, change)

    def close(self, host: str) -> None:
        names = [f"{kind}:{host}" for kind in ("open", "probes", "half", "trial", "failed", "round")]
        change = HashChange(redis_keys.BREAKERS, remove=names, once=True)
        self._events.tell(Alarm.BREAKER_CLOSED, {"actor": self._actor, "host": host}, change)
        self._failures.pop(host, None)
        self._open = {name: breaker for name, breaker in self._open.items() if name != host}

    def refresh(self) -> frozenset[str]:
        """Read which hosts' breakers are open; `is_open` answers from memory until the next time."""
        self._open = {breaker.host: breaker for breaker in read_open(self._client)}
        return self.open_hosts()

    def open_hosts(self) -> frozenset[str]:
        """As of the last `refresh`."""
        return frozenset(self._open)

    def is_open(self, host: str) -> bool:
        """Does it keep every call back? As of the last `refresh`: half a second old at the most."""
        breaker = self._open.get(host)
        return breaker is not None and not breaker.is_half_open

    def is_half_open(self, host: str) -> bool:
        """Does it let one transfer through? As of the last `refresh`."""
        breaker = self._open.get(host)
        return breaker is not None and breaker.is_half_open

    def trials(self) -> list[OpenBreaker]:
        """Those that have let a transfer through which is not judged yet, as of the last `refresh`."""
        return [breaker for breaker in self._open.values() if breaker.trial]

    def may_probe(self, host: str) -> bool:
        """Is it this process's turn to ask the host?"""
        with redis_errors_as(LedgerUnavailable):
            now = self._test_clock.now_ms() if self._test_clock else ""
            reply = self._scripts.run("probe", (redis_keys.BREAKERS,), (host, now, PROBE_MS, FARTHEST_MS))
        if reply[0] != "PROBE":
            return False
        self._asked_in[host] = reply[2]
        return True

    def _in(self, ms: int) -> str:
        with redis_errors_as(LedgerUnavailable):
            return str(ledger_ms(self._client, self._test_clock) + ms)


def read_open(client: redis.Redis) -> list[OpenBreaker]:
    """Those that are open, half-open ones among them."""
    with read_errors_as(LedgerUnavailable):
        raw = cast("dict[str, str]", client.hgetall(redis_keys.BREAKERS))
    return [
        OpenBreaker(
            host,
            is_half_open=f"half:{host}" in raw,
            trial=raw.get(f"trial:{host}", "").partition(" ")[0],
            lane=raw.get(f"trial:{host}", "").partition(" ")[2],
            failed_trials=_number(raw.get(f"failed:{host}", "")),
        )
        for host in (name.removeprefix("open:") for name in raw if name.startswith("open:"))
    ]


def _nothing(_host: str) -> None:
    """A process without metrics."""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
