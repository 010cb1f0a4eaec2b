"""The housekeeper does what is nobody's transfer: it asks closed hosts whether they are back, looks at the servers each
minute, and trims the event log. While the servers are not what they must be, it shuts the gate; and it says so when the
vault was restarted, for then it has forgotten everything. A worker that is unfit asks no host.
"""

import logging
from collections.abc import Callable

from ledger.breakers import Breakers
from ledger.clock import Clock
from ledger.events import Events
from ledger.health import Finding
from ledger.lanes import Lanes
from ledger.ledger import Ledger
from ledger.vault import Vault
from worker.gate import Cause, Gate
from worker.steps import Steps

_LOG = logging.getLogger(__name__)

_EXAMINE_S = 60.0
_UNFIT_S = 5.0  #: sooner, while something is wrong
_TRIM_S = 3600.0


class Housekeeper:
    def __init__(
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        breakers: Breakers,
        lanes: Lanes,
        events: Events,
        gate: Gate,
        steps: Steps,
        ask_harmless: Callable[[str], bool],
        examine: Callable[[], list[Finding]],
        keep_ms: int,
        clock: Clock,
        actor: str,
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._breakers = breakers
        self._lanes = lanes
        self._events = events
        self._gate = gate
        self._steps = steps
        self._ask_harmless = ask_harmless
        self._examine = examine
        self._keep_ms = keep_ms
        self._clock = clock
        self._actor = actor
        self._said: list[str] = []
        self._vault_run = ""
        self._next_look = self._next_trim = clock.monotonic()

    def run_once(self) -> None:
        self._lanes.refresh()
        self._breakers.refresh()
        if self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + (_EXAMINE_S if self._look() else _UNFIT_S)
        if self._clock.monotonic() >= self._next_trim:
            self._next_trim = self._clock.monotonic() + _TRIM_S
            self._events.trim(self._keep_ms)

    def probe_once(self) -> None:
        """Ask the closed hosts. A bank that hangs takes its time: this has a thread of its own."""
        if not self._gate.is_fit:
            return
        for host in self._breakers.refresh():
            if self._breakers.may_probe(host) and self._ask_harmless(host):
                self._breakers.close(host)

    def _look(self) -> bool:
        """Are the servers still what they were at the start? What was found is said once, and when it is over."""
        findings = self._examine()
        if not findings:
            self._look_whether_it_is_the_same_vault()
        said = [str(finding) for finding in findings]
        self._gate.set_fit(Cause.SERVERS, is_fit=not findings)
        if said != self._said:
            for line in said:
                _LOG.error("servers.unfit", extra={"why": line})
            if not findings or not all(finding.passing for finding in findings):
                self._events.alarm(
                    "servers_unfit" if said else "servers_fit", actor=self._actor, reason="; ".join(said)
                )
            self._said = said
        if not findings:
            self._ledger.seen = max(self._ledger.seen, self._vault.high_water())
        return not findings

    def _look_whether_it_is_the_same_vault(self) -> None:
        """Before the gate is opened. Remembered when it has been told, so that a ledger that is away hides nothing."""
        run = self._vault.run_id()
        if self._vault_run not in {"", run}:
            _LOG.error("vault.forgot")
            self._steps.vault_forgot()
            self._events.alarm("vault_forgot", actor=self._actor)
        self._vault_run = run
