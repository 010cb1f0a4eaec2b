"""The worker's heartbeat: what it tells the ledger of itself every five seconds, and a sample of each minute.

Its thread vouches for no other: `Activity` says when each of them came round last.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.heartbeats import SILENT_MS, Heartbeat, Heartbeats, Sight, calls_of
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.samples import Sample, Samples
from epay_transfers.ledger.store.totals import NUMBER, Totals
from epay_transfers.worker.activity import Activity
from epay_transfers.worker.bank import Bank
from epay_transfers.worker.maintenance import Maintenance
from epay_transfers.worker.preflight import Preflight

_VERSION = importlib.metadata.version("epay-transfers")


@dataclass(frozen=True, slots=True)
class Self:
    """What does not change while the worker runs."""

    actor: str
    host: str
    pid: int
    threads: int
    patience_s: float
    hosts: dict[str, str]
    vault_keys: list[str]


class Pulse:
    def __init__(
        self,
        ledger: Ledger,
        bank: Bank,
        activity: Activity,
        maintenance: Maintenance,
        preflight: Preflight,
        queue_why: Callable[[], str],
        clock: Clock,
        about: Self,
    ) -> None:
        self._ledger = ledger
        self._heartbeats = Heartbeats(ledger.client, ledger.test_clock)
        self._samples = Samples(ledger.client)
        self._bank = bank
        self._activity = activity
        self._maintenance = maintenance
        self._preflight = preflight
        self._queue_why = queue_why
        self._clock = clock
        self._about = about
        self._since_ms = self._clock_ms = 0
        self._told_at: float | None = None
        self._sees: dict[str, Sight] = {}

    def run_once(self) -> None:
        now_ms = self._ledger.now_ms()
        self._since_ms = self._since_ms or now_ms
        self._clock_ms = self._clock.now_ms() - now_ms
        self._heartbeats.tell(self._about.actor, self._heartbeat(now_ms))
        self._told_at = self._clock.monotonic()
        if self._samples.is_turn():
            self._samples.put(self._sample(now_ms))

    def hung(self) -> list[str]:
        """The threads of this process that hang now, as its heartbeat would say. It asks no server."""
        busy, longest_s = self._activity.busy()
        return Heartbeat(
            busy=busy,
            longest_busy_s=longest_s,
            patience_s=self._about.patience_s,
            loops=self._activity.rounds(),
            queues=self._activity.fetches(),
            sees={"queue": Sight(self._queue_why())},
        ).hung

    def is_heard(self) -> bool:
        """Has the ledger its word? Else operators see it as silent."""
        return self._told_at is not None and (self._clock.monotonic() - self._told_at) * 1000 <= SILENT_MS

    def leave(self) -> None:
        """The worker takes nothing new any more."""
        self._heartbeats.leave(self._about.actor)

    def _heartbeat(self, now_ms: int) -> Heartbeat:
        busy, longest_s = self._activity.busy()
        about = self._about
        return Heartbeat(
            host=about.host,
            pid=about.pid,
            version=_VERSION,
            since_ms=self._since_ms,
            threads=about.threads,
            busy=busy,
            longest_busy_s=longest_s,
            patience_s=about.patience_s,
            loops=self._activity.rounds(),
            queues=self._activity.fetches(),
            sees=self._look(now_ms),
            unfit=self._preflight.unfit,
            findings=self._maintenance.findings,
            clock_ms=self._clock_ms,
            lag_ms=self._ledger.lag_ms(now_ms),
            vault_since_ms=self._maintenance.vault_since_ms,
            calls=self._bank.calls.read(),
            hosts=about.hosts,
            terminals=self._preflight.terminals,
            lacks=self._preflight.lacks,
            vault_keys=about.vault_keys,
        )

    def _look(self, now_ms: int) -> dict[str, Sight]:
        """What it sees of each server and of the bank. That the ledger answers, the heartbeat itself says."""
        whys = {"ledger": "", "vault": self._maintenance.vault_why, "queue": self._queue_why()}
        if self._bank.calls.fails is not None:
            whys["bank"] = self._bank.calls.fails
        for name, why in whys.items():
            if name not in self._sees or self._sees[name].why != why:
                self._sees[name] = Sight(why, now_ms)
        return self._sees

    def _sample(self, now_ms: int) -> Sample:
        counts: dict[str, int] = {}
        used = {}
        counters = self._ledger.counters()
        for name, number in counters.items():
            kind, _, place = name.partition(":")
            if kind == NUMBER and number:
                state = place.partition(":")[0]
                counts[state] = counts.get(state, 0) + number
            elif kind == "used":
                used[place] = number
        totals = Totals.of_counters(counters)
        calls = calls_of(self._heartbeats.alive())
        memory, limit = self._ledger.memory()
        return Sample(
            at_ms=now_ms,
            counts=counts,
            p95_ms={kind: p95 for kind, its in calls.items() if (p95 := its.percentile_ms(0.95)) is not None},
            calls={kind: its.count for kind, its in calls.items()},
            used=used,
            memory=memory,
            limit=limit,
            sums={state: its.amounts for state in State if (its := totals.of(state)).each},
        )
