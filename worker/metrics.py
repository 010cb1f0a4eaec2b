"""What this worker counts for Prometheus: calls to the bank, moves of transfers, its breakers' failures.

Each label has few values, all of them words of this program or names from the settings: no key, no card, no text of the
bank. What belongs to a label is made once and kept, so a count costs a look into a dict and an addition.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from epay_transfers.ledger.states import Verb
from epay_transfers.worker.activity import Activity

#: A call ends within `HTTP_DEADLINE`, 45 s where nothing else is set.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0)


class Metrics:
    """Of one worker: a registry of its own, so that two in one process don't share a count."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        calls = Counter(
            "transfers_bank_calls",
            "Calls to the bank, by kind, by how they ended, and by how far the request is known to have got.",
            ("kind", "outcome", "evidence"),
            registry=registry,
        )
        seconds = Histogram(
            "transfers_bank_call_seconds",
            "How long calls to the bank took, by kind.",
            ("kind",),
            buckets=_SECONDS,
            registry=registry,
        )
        moves = Counter(
            "transfers_moves",
            "Moves that this worker wrote, by verb: `claim` begins a try, `requeue` is one that was not sent.",
            ("verb",),
            registry=registry,
        )
        failures = Counter(
            "transfers_breaker_failures",
            "Calls without an answer that this worker counted for the breaker of a bank's host.",
            ("host",),
            registry=registry,
        )
        trips = Counter(
            "transfers_breaker_trips", "Breakers that this worker opened, by the bank's host.", ("host",),
            registry=registry,
        )  # fmt: skip
        self._threads = Gauge("transfers_worker_threads", "Threads for transfers.", registry=registry)
        self._busy = Gauge("transfers_worker_busy_threads", "Threads that are at a transfer.", registry=registry)
        self._longest = Gauge(
            "transfers_worker_longest_busy_seconds", "For how long the longest one is at its transfer.",
            registry=registry,
        )  # fmt: skip
        self._fit = Gauge("transfers_worker_fit", "1: this worker claims transfers. 0: it stands still.",
                          registry=registry)  # fmt: skip
        self._calls: dict[tuple[str, str, str], Counter] = {}
        self._seconds: dict[str, Histogram] = {}
        self._moves = {verb: moves.labels(str(verb)) for verb in Verb}
        self._failures: dict[str, Counter] = {}
        self._trips: dict[str, Counter] = {}
        self._make_call, self._make_seconds = calls.labels, seconds.labels
        self._make_failure, self._make_trip = failures.labels, trips.labels

    def called(self, kind: str, outcome: str, evidence: str, span_s: float) -> None:
        """A call to the bank has ended."""
        key = (kind, outcome, evidence)
        counter = self._calls.get(key)
        if counter is None:
            counter = self._calls.setdefault(key, self._make_call(*key))
        counter.inc()
        histogram = self._seconds.get(kind)
        if histogram is None:
            histogram = self._seconds.setdefault(kind, self._make_seconds(kind))
        histogram.observe(span_s)

    def moved(self, verb: Verb) -> None:
        """A transfer was moved."""
        self._moves[verb].inc()

    def failed(self, host: str) -> None:
        """The breaker of this host counted a failure."""
        _kept(self._failures, self._make_failure, host).inc()

    def tripped(self, host: str) -> None:
        """The breaker of this host was opened."""
        _kept(self._trips, self._make_trip, host).inc()

    def text(self, activity: Activity, threads: int, *, is_fit: bool) -> bytes:
        """As Prometheus reads it."""
        busy, longest_s = activity.busy()
        self._threads.set(threads)
        self._busy.set(busy)
        self._longest.set(longest_s)
        self._fit.set(is_fit)
        return generate_latest(self._registry)


def _kept(there: dict[str, Counter], make: Callable[[str], Counter], label: str) -> Counter:
    counter = there.get(label)
    return there.setdefault(label, make(label)) if counter is None else counter
