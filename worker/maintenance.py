"""The worker's periodic jobs: it probes the bank's hosts whose circuit breaker is open, checks the servers each minute,
and trims the event log.

While the servers are not as they must be, the worker claims nothing and probes no host. A restart of the vault raises
an alarm, because the vault has then lost every card.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import RecordUnreadable, VaultUnavailable, VaultWentBack
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ledger.store.replies import Run
from epay_transfers.runtime.health import Finding
from epay_transfers.worker.bank import CodeClass, look_up
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.preflight import Cause, Preflight

_LOG = logging.getLogger(__name__)

_EXAMINE_S = 60.0
_UNFIT_S = 5.0  #: sooner, while something is wrong
_TRIM_S = 3600.0
_COPY_S = 5.0


class Maintenance:
    def __init__(
        self,
        *,
        ledger: Ledger,
        custody: CardCustody,
        breakers: Breakers,
        pauses: Pauses,
        mirror: PauseMirror,
        events: Events,
        preflight: Preflight,
        ask_harmless: Callable[[str], bool],
        examine: Callable[[], list[Finding]],
        keep_ms: int,
        clock: Clock,
        actor: str,
    ) -> None:
        self._ledger = ledger
        self._custody = custody
        self._breakers = breakers
        self._pauses = pauses
        self._mirror = mirror
        self._events = events
        self._preflight = preflight
        self._ask_harmless = ask_harmless
        self._examine = examine
        self._keep_ms = keep_ms
        self._clock = clock
        self._actor = actor
        self._logged: list[str] = []
        self._told: list[str] = []
        self._vault_run: Run | None = None
        self._said_back = False
        self._next_look = self._next_trim = self._next_copy = clock.monotonic()
        self.findings: list[str] = []  #: of the last look at the servers
        self.vault_why = ""  #: why the vault can't be used, as it was seen last; empty where it can
        self.vault_since_ms = 0  #: when its server was started

    def run_once(self) -> None:
        self._pauses.refresh()
        self._end_what_a_trial_proved_over()
        self._breakers.refresh()
        self._judge_the_breakers_trials()
        self._observe_the_vault()
        if self._clock.monotonic() >= self._next_copy:
            self._next_copy = self._clock.monotonic() + _COPY_S
            with suppress(VaultUnavailable):
                self._mirror.keep()
        if self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + _UNFIT_S  # also where the alarm can't be raised
            if self._look():
                self._next_look = self._clock.monotonic() + _EXAMINE_S
        if self._clock.monotonic() >= self._next_trim:
            self._next_trim = self._clock.monotonic() + _TRIM_S
            self._events.trim(self._keep_ms, self._actor)

    def _end_what_a_trial_proved_over(self) -> None:
        """The bank served a transfer that a pause let through: its cause is over. The record says so, to any worker."""
        for pause in self._pauses.trials():
            with suppress(RecordUnreadable):
                trial = self._ledger.get(pause.trial)
                if trial is not None and _is_served(trial):
                    reason = f"the bank served {pause.trial}, which was let through"
                    with suppress(VaultUnavailable):  # with the next look
                        self._mirror.end(pause, actor=self._actor, reason=reason)

    def _judge_the_breakers_trials(self) -> None:
        """By the record of the one that was let through, so that any worker may: its own may have died."""
        for breaker in self._breakers.trials():
            with suppress(RecordUnreadable):
                trial = self._ledger.get(breaker.trial)
                if trial is None or trial.state in {State.SENDING, State.CONFIRMING}:
                    continue  # its lease is over before the next one may go
                if trial.state is State.DECLINED or trial.state in _SERVED:
                    self._breakers.close(breaker.host)
                else:
                    self._breakers.stay_open(breaker)

    def probe_once(self) -> None:
        """Ask the hosts that failed. A bank that hangs takes its time: this has a thread of its own.

        Where a host takes transfers or confirms, an answer to a question does not say that it serves them.
        """
        if not self._preflight.is_fit:
            return
        for host in self._breakers.refresh():
            if self._breakers.may_probe(host) and self._ask_harmless(host):
                if self._preflight.takes_money_calls(host):
                    self._breakers.half_open(host)
                else:
                    self._breakers.close(host)

    def _look(self) -> bool:
        """Are the servers still what they were at the start? What was found is said once, and when it is over."""
        findings = self._examine()
        lines = [str(finding) for finding in findings]
        self.findings = lines
        self._preflight.set_fit(Cause.SERVERS, is_fit=not findings)
        if lines != self._logged:
            for line in lines:
                _LOG.error("servers.unfit", extra={"why": line})
            self._logged = lines
        if lines != self._told:  # apart from the log: the ledger may be the one that is away
            if not findings or not all(finding.passing for finding in findings):
                self._events.alarm(
                    Alarm.SERVERS_UNFIT if lines else Alarm.SERVERS_FIT, actor=self._actor, reason="; ".join(lines)
                )
            self._told = lines
        if not findings:
            self._ledger.seen = max(self._ledger.seen, self._custody.high_water())
            with suppress(VaultWentBack):  # as it was observed
                self._custody.tell()
        return not findings

    def _observe_the_vault(self) -> None:
        """Another run has forgotten all; fewer writes of one run: its machine was put back to a copy of its memory.

        A run that went back is told to the ledger at each look, so that no process trusts it again: neither one that
        starts later, nor after the writes of others have made its count level. Another run ends it.
        What is new is remembered when it has been told, so that a ledger that is away hides nothing. A vault that is
        away is the next look's to say.
        """
        try:
            run = self._custody.observe()
        except VaultWentBack as error:
            self.vault_why = str(error)
            self._preflight.set_fit(Cause.VAULT, is_fit=False)
            self._custody.remember()
            self._say_that_the_vault_went_back()
            return
        except VaultUnavailable as error:
            self.vault_why = str(error)
            return
        self.vault_why = ""
        if self._vault_run is None or self._vault_run.id != run.id:
            self.vault_since_ms = self._ledger.now_ms() - self._custody.vault.uptime_s() * 1000
        if self._vault_run and self._vault_run.id != run.id:
            _LOG.error("vault.forgot")
            self._custody.forgot()
            self._events.alarm(Alarm.VAULT_FORGOT, actor=self._actor)
        self._vault_run = run
        self._preflight.set_fit(Cause.VAULT, is_fit=True)
        self._said_back = False

    def _say_that_the_vault_went_back(self) -> None:
        """Until its server is restarted, nothing is taken out of it, and nothing is proved by it."""
        if self._said_back:
            return
        _LOG.critical("vault.went_back")
        self._events.alarm(Alarm.VAULT_WENT_BACK, actor=self._actor)
        self._said_back = True


def _is_served(record: Record) -> bool:
    """Did the bank deal with it as with any other? A code that blames the merchant's set-up says that it did not."""
    if record.state is State.DECLINED:
        return look_up(record.code).code_class is not CodeClass.SETUP
    return record.state in _SERVED


_SERVED = frozenset({State.PAID, State.PARKED, State.RESUMED, State.CONFIRMING, State.REVERSED})
