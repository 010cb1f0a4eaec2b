"""Heartbeats: what each running worker says of itself every five seconds, in one hash, by the ledger's time.

A worker that is killed, stopped or cut off says nothing: after `SILENT_MS` it counts as silent, and after a day it is
forgotten. One that ends in order takes its own out. The thread that writes it vouches for itself alone: so it says for
each other thread when that one last came round, and since when one of them has been at the same transfer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import redis
from pydantic import TypeAdapter, ValidationError

from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: How often a worker says it, and after how long without a word it counts as silent.
TELL_S = 5.0
SILENT_MS = 20_000

_FORGOTTEN_MS = 86_400_000
_MOST = 200

#: Durations are counted in buckets, each a quarter longer than the one before: a percentile is right within a quarter.
_STEP = 1.25

#: How one call of the bank ended.
ANSWERED, REFUSED, UNCLEAR, NOT_SENT = "answered", "refused", "unclear", "not_sent"
_FAILURES = (UNCLEAR, NOT_SENT)


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one kind to the bank in the last five minutes."""

    outcomes: Mapping[str, int] = field(default_factory=dict)
    buckets: Mapping[str, int] = field(default_factory=dict)  #: how long they took
    under_way: int = 0
    longest_s: float = 0.0  #: of those under way
    why: str = ""  #: the word of the last failure

    @property
    def count(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failures(self) -> int:
        return sum(self.outcomes.get(name, 0) for name in _FAILURES)

    def percentile_ms(self, share: float) -> int | None:
        """None where no call has ended."""
        left = math.ceil(sum(self.buckets.values()) * share)
        for bucket in sorted(self.buckets, key=int):
            left -= self.buckets[bucket]
            if left <= 0:
                return round(_STEP ** int(bucket))
        return None

    def and_(self, other: "Calls") -> "Calls":
        """Both together."""
        return Calls(
            _added(self.outcomes, other.outcomes),
            _added(self.buckets, other.buckets),
            self.under_way + other.under_way,
            max(self.longest_s, other.longest_s),
            self.why or other.why,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a worker sees of a server or the bank: `why` it can't be used, empty where it can; and since when (ms)."""

    why: str = ""
    since_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """Durations are as of `at_ms`, the ledger's time at which it was written."""

    worker: str = ""
    at_ms: int = 0
    host: str = "?"
    pid: int = 0
    version: str = ""
    since_ms: int = 0  #: when the worker began
    threads: int = 0
    busy: int = 0  #: threads that are at a transfer
    longest_busy_s: float = 0.0
    patience_s: float = 0.0  #: longer than this, no thread is at one transfer
    loops: Mapping[str, float] = field(default_factory=dict)  #: loop → how long ago it last came round
    queues: Mapping[str, float] = field(default_factory=dict)  #: queue → how long ago its consumer last fetched
    sees: Mapping[str, Sight] = field(default_factory=dict)  #: ledger, vault, queue, bank
    unfit: Sequence[str] = ()  #: why it does no work
    findings: Sequence[str] = ()  #: what its last look at the servers found
    clock_ms: int = 0  #: its machine's clock less the ledger's
    lag_ms: int = 0  #: for how long the first of `due` has been due
    vault_since_ms: int = 0  #: when the vault's server was started, as far as this worker has seen it
    calls: Mapping[str, Calls] = field(default_factory=dict)  #: by kind
    hosts: Mapping[str, str] = field(default_factory=dict)  #: kind → the bank's host that takes such a call
    terminals: Sequence[str] | None = None  #: whose credentials it holds; None: of a version that does not say so
    lacks: Sequence[str] = ()  #: whose credentials it lacks, and was asked for in the last minutes
    vault_keys: Sequence[str] = ()  #: the ids of the vault's keys that it opens with
    is_readable: bool = True

    def silent_ms(self, now_ms: int) -> int:
        """For how long it has said nothing; 0 while it is heard."""
        silent_ms = now_ms - self.at_ms
        return silent_ms if silent_ms > SILENT_MS else 0

    @cached_property
    def hung(self) -> list[str]:
        """The threads that do not come round, though the heartbeat's does."""
        found = [f"{name} {span:.0f} s" for name, span in self.loops.items() if span > self.patience_s]
        if self.busy and self.longest_busy_s > self.patience_s:
            found.append(f"a transfer's thread {self.longest_busy_s:.0f} s")
        if not self.sees.get("queue", Sight()).why:
            found += [f"consumer of {name} {span:.0f} s" for name, span in self.queues.items() if self._is_stuck(span)]
        return found

    def _is_stuck(self, silent_s: float) -> bool:
        """A consumer does not fetch while the threads are at work."""
        return silent_s > self.patience_s and not self.busy


class Heartbeats:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._scripts = Scripts(client, ("remember_worker",))

    def tell(self, worker: str, heartbeat: Heartbeat) -> int:
        """The ledger's time of it (ms)."""
        return self._remember(worker, _ADAPTER.dump_json(heartbeat, exclude=_NOT_TOLD).decode())

    def leave(self, worker: str) -> None:
        """The worker ends in order: it is not missed."""
        self._remember(worker, "")

    def told(self) -> list[Heartbeat]:
        """Of every worker of the last day, the last one; the longest silent first."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("dict[str, str]", self._client.hgetall(redis_keys.WORKERS))
        found = [_read(worker, text) for worker, text in raw.items()]
        return sorted(found, key=lambda heartbeat: (heartbeat.at_ms, heartbeat.worker))

    def alive(self) -> list[Heartbeat]:
        """Of the workers that are heard now."""
        told = self.told()
        if not told:
            return []
        with read_errors_as(LedgerUnavailable):
            now_ms = ledger_ms(self._client, self._test_clock)
        return [heartbeat for heartbeat in told if not heartbeat.silent_ms(now_ms)]

    def _remember(self, worker: str, text: str) -> int:
        now = str(self._test_clock.now_ms()) if self._test_clock else ""
        with redis_errors_as(LedgerUnavailable):
            reply = self._scripts.run(
                "remember_worker", (redis_keys.WORKERS,), (worker, text, now, _FORGOTTEN_MS, _MOST)
            )
        return int(reply[1])


def bucket_of(ms: float) -> str:
    return str(math.ceil(math.log(max(ms, 1.0), _STEP)))


def calls_of(heartbeats: Iterable[Heartbeat]) -> dict[str, Calls]:
    """By kind, of all these workers together."""
    found: dict[str, Calls] = {}
    for heartbeat in heartbeats:
        for kind, calls in heartbeat.calls.items():
            found[kind] = found[kind].and_(calls) if kind in found else calls
    return found


_ADAPTER: TypeAdapter[Heartbeat] = TypeAdapter(Heartbeat)
_NOT_TOLD: Any = {"worker", "at_ms", "is_readable"}


def _read(worker: str, text: str) -> Heartbeat:
    """One of another version, or of none, is shown as what it is: a worker that said something."""
    at, _, told = text.partition(" ")
    at_ms = int(at) if at.isascii() and at.isdigit() and len(at) <= 15 else 0
    try:
        return replace(_ADAPTER.validate_json(told), worker=worker, at_ms=at_ms)
    except ValidationError:
        return Heartbeat(worker=worker, at_ms=at_ms, is_readable=False)


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *(set(other) - set(one)))}
