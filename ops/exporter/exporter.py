"""The exporter: it looks at the servers when Prometheus asks, and says what it knows. It changes nothing."""

import threading
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from epay_transfers.ops.context import Context
from epay_transfers.ops.exporter.series import Exposition
from epay_transfers.ops.overview.facts import Facts, gather
from epay_transfers.ops.overview.judge import judge

#: Two Prometheus servers that ask at once cost one look.
_SHARED_S = 1.0

#: A probe takes the last look, which is at most so old.
_PROBED_S = 15.0

#: Each server is asked with a timeout: a look that takes so long hangs.
_HANGS_S = 60.0


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    facts: Facts
    took_s: float


class Exporter:
    """For any number of callers; one of them looks, the others wait for what it sees."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clock = context.clock
        self._lock = threading.Lock()
        self._look: _Look | None = None
        self._looking_since: float | None = None
        self._process = ProcessCollector(registry=None)

    def metrics(self) -> bytes:
        look = self._recent(_SHARED_S)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Exposition(look.facts, judge(look.facts)))
        registry.register(Own(look.took_s))
        registry.register(self._process)
        return generate_latest(registry)

    def live(self) -> list[str]:
        """Why it should be started anew. It waits for no look."""
        since = self._looking_since
        span_s = 0.0 if since is None else self._clock.monotonic() - since
        return [f"hangs: a look at the servers takes {span_s:.0f} s"] if span_s > _HANGS_S else []

    def ready(self) -> list[str]:
        """Why it knows little."""
        facts = self._recent(_PROBED_S).facts
        return [f"the ledger can't be asked ({facts.ledger.setting})"] if facts.ledger.is_away else []

    def _recent(self, within_s: float) -> _Look:
        with self._lock:
            began = self._clock.monotonic()
            if self._look is None or began - self._look.at > within_s:
                self._looking_since = began
                try:
                    facts = gather(self._context, reads_records=False)
                finally:
                    self._looking_since = None
                ended = self._clock.monotonic()
                self._look = _Look(ended, facts, ended - began)
            return self._look


class Own(Collector):
    def __init__(self, took_s: float) -> None:
        self._took_s = took_s

    def collect(self) -> list[GaugeMetricFamily]:
        text = "How long the exporter's look at the servers took."
        return [GaugeMetricFamily("transfers_exporter_look_seconds", text, value=self._took_s)]
