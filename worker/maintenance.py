"""The worker's periodic jobs: it checks the servers each minute, looks at pauses, trials, failover and replicas, probes
the bank's hosts whose circuit breaker is open, and trims the event log.

While the servers are not as they must be, the worker claims nothing and probes no host. A restart of the vault raises
an alarm, because the vault has then lost every card.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import RecordUnreadable, VaultUnavailable, VaultWentBack
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import Cause as PauseCause
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.store.replies import Run
from epay_transfers.runtime.health import CLOCKS_APART, REPLICAS_CURE, Finding
from epay_transfers.worker.bank import CodeClass, Consequence, look_up
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.failover import Failover
from epay_transfers.worker.preflight import Cause, Preflight

_LOG = logging.getLogger(__name__)

_EXAMINE_S = 60.0
_UNFIT_S = 5.0  #: sooner, while something is wrong
_TRIM_S = 3600.0
_COPY_S = 5.0
_COUNT_S = 1.0

#: Where a replica's link flaps, its events come no faster, and say how often it changed since the one before.
_REPLICAS_TOLD_S = 60.0


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
        self._failover = Failover(
            server=LedgerServer(ledger.client, actor),
            ledger=ledger,
            custody=custody,
            pauses=pauses,
            mirror=mirror,
            preflight=preflight,
            clock=clock,
            actor=actor,
        )
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
        self._next_count = clock.monotonic()
        self._are_replicas_lacking = self._is_lack_told = False
        self._replicas_changes = 0  #: since the last event of them
        self._next_telling = clock.monotonic()
        self._servers: list[str] = []
        self.replicas_why = ""  #: why nothing is sent for want of replicas of the ledger; empty where there are enough
        self.vault_why = ""  #: why the vault can't be used, as it was seen last; empty where it can
        self.vault_since_ms = 0  #: when its server was started

    def run_once(self) -> None:
        with suppress(VaultUnavailable):  # without it nothing is sent anyway
            self._failover.look()
        standing = self._pauses.standing()
        if self._pauses.vanished(standing):
            # The ledger may be another one, or restored: the old picture holds until then.
            self._next_copy = self._clock.monotonic() + _COPY_S
            self._mirror.keep()
            standing = self._pauses.standing()
        self._pauses.see(standing)
        self._end_what_a_trial_proved_over()
        self._breakers.refresh()
        self._judge_the_breakers_trials()
        self._observe_the_vault()
        self._count_replicas()
        if self._mirror.has_news or self._clock.monotonic() >= self._next_copy:
            self._next_copy = self._clock.monotonic() + _COPY_S
            with suppress(VaultUnavailable):
                self._mirror.keep()
                if self._preflight.is_fit:
                    self._mirror.forget()
        if self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + _UNFIT_S  # also where the alarm can't be raised
            if self._look():
                self._next_look = self._clock.monotonic() + _EXAMINE_S
        if self._clock.monotonic() >= self._next_trim:
            self._next_trim = self._clock.monotonic() + _TRIM_S
            self._events.trim(self._keep_ms, self._actor)

    def _end_what_a_trial_proved_over(self) -> None:
        """The bank served a transfer that a pause let through: its cause is over. The record says so, to any worker.

        Only where the cause was an answer of the bank: that it serves one says nothing of fraud, a limit of ours or a
        ledger that went back, and what a person paused a person ends.
        """
        for pause in self._pauses.trials():
            if pause.cause not in _ENDED_BY_A_TRIAL:
                continue
            with suppress(RecordUnreadable):
                trial = self._ledger.get(pause.trial)
                if trial is not None and _ends_the_pause(trial, pause.lane):
                    reason = f"the bank served {pause.trial}, which was let through"
                    with suppress(VaultUnavailable):  # with the next look
                        self._mirror.end(pause, actor=self._actor, reason=reason)

    def _judge_the_breakers_trials(self) -> None:
        """By the record of the one that was let through, so that any worker may: its own may have died."""
        for breaker in self._breakers.trials():
            trial = None
            with suppress(RecordUnreadable):
                trial = self._ledger.get(breaker.trial)
            if trial is None:
                self._breakers.stay_open(breaker)  # nothing shows that it was served, and no other goes before that
            elif trial.state is _ON_THE_WIRE.get(breaker.lane):
                continue  # its lease is over before the next one may go
            elif _is_served(trial, breaker.lane):
                self._breakers.close(breaker.host)
            else:
                self._breakers.stay_open(breaker)

    def probe_once(self) -> None:
        """Ask the hosts that failed. A bank that hangs takes its time: this has a thread of its own.

        Where a host takes transfers or confirms, an answer to a question does not say that it serves them.
        """
        if not self._preflight.is_fit:
            return
        for host in self._breakers.open_hosts():
            if self._breakers.may_probe(host) and self._ask_harmless(host):
                if self._preflight.takes_money_calls(host):
                    self._breakers.half_open(host)
                else:
                    self._breakers.close(host)

    def _look(self) -> bool:
        """Are the servers still what they were at the start? What was found is said once, and when it is over."""
        findings = self._examine()
        lines = [str(finding) for finding in findings]
        self._servers = lines
        self._preflight.set_fit(Cause.SERVERS, is_fit=not findings)
        if lines != self._logged:
            for line in lines:
                _LOG.error("servers.unfit", extra={"why": line})
            self._logged = lines
        if lines != self._told:  # apart from the log: the ledger may be the one that is away
            if not findings or not all(map(_passes_untold, findings)):
                self._events.alarm(
                    Alarm.SERVERS_UNFIT if lines else Alarm.SERVERS_FIT, actor=self._actor, reason="; ".join(lines)
                )
            self._told = lines
        if not findings:
            self._ledger.seen = max(self._ledger.seen, self._custody.high_water())
            with suppress(VaultWentBack):  # as it was observed
                self._custody.tell()
        return not findings

    @property
    def findings(self) -> list[str]:
        """Of the last look at the servers, and at the ledger's replicas."""
        return self._servers + [self.replicas_why] * bool(self.replicas_why)

    def _count_replicas(self) -> None:
        """Nothing is claimed while too few replicas of the ledger follow it. It goes on by itself once they do.

        A claim that met too few has made this worker unfit already. Its look here waits for them as a claim does.
        """
        if not self._ledger.replicas.count or self._clock.monotonic() < self._next_count:
            return
        self._next_count = self._clock.monotonic() + _COUNT_S
        why = self._ledger.why_too_few()
        self.replicas_why = f"{why}; {REPLICAS_CURE}" if why else ""
        self._preflight.set_fit(Cause.REPLICAS, is_fit=not why)
        self._replicas_changes += bool(why) != self._are_replicas_lacking
        self._are_replicas_lacking = bool(why)
        may_tell = not why or self._clock.monotonic() >= self._next_telling
        if bool(why) != self._is_lack_told and may_tell:
            self._tell_of_replicas()

    def _tell_of_replicas(self) -> None:
        """What is so now. Of a link that flaps the lack is told once a minute at most, and its end at once."""
        is_lacking = self._are_replicas_lacking
        flaps = [f"it changed {self._replicas_changes} times since the event before"] * (self._replicas_changes > 1)
        why = "; ".join([self.replicas_why] * is_lacking + flaps)
        self._events.alarm(Alarm.REPLICAS_LACKING if is_lacking else Alarm.REPLICAS_BACK, actor=self._actor, reason=why)
        if is_lacking:
            _LOG.error("replicas.lacking", extra={"why": why})
        else:
            _LOG.info("replicas.back", extra={"why": why})
        self._is_lack_told, self._replicas_changes = is_lacking, 0
        if is_lacking:
            self._next_telling = self._clock.monotonic() + _REPLICAS_TOLD_S

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
        if self._vault_run is None:
            self._custody.holds_since(self.vault_since_ms)
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


def _passes_untold(finding: Finding) -> bool:
    """Others tell that a server is away, or the ledger's clock wrong. Nothing else tells of the vault's clock."""
    return finding.passing and not (finding.is_of_vault and finding.problem == CLOCKS_APART)


def _is_served(record: Record, lane: str) -> bool:
    """Did the bank itself answer this call of the trial? A confirm that went back unsent is `resumed` again."""
    if record.reason in _ENDED_WITHOUT_AN_ANSWER:
        return False
    return record.state in _SERVED.get(lane, frozenset())


def _ends_the_pause(record: Record, lane: Lane) -> bool:
    """Did the bank deal with it as with any other? Not where its code blames the set-up, or is the terminal's limit."""
    if record.state is State.DECLINED:
        code = look_up(record.code)
        if code.code_class is CodeClass.SETUP or code.consequence is Consequence.PAUSE_TERMINAL:
            return False
    return _is_served(record, lane)


#: By people, or by the bank's letter, which speaks of an order that the bank does not know.
_ENDED_WITHOUT_AN_ANSWER = frozenset(
    {Reason.SETTLED_BY_OPERATOR, Reason.CORRECTED_BY_OPERATORS, Reason.NOT_FOUND_IS_FINAL}
)

#: What a served transfer proves to be over.
_ENDED_BY_A_TRIAL = frozenset({PauseCause.SETUP_CODE, PauseCause.CREDENTIALS, PauseCause.TERMINAL_LIMIT})

_ON_THE_WIRE: Mapping[str, State] = {Lane.SEND: State.SENDING, Lane.CONFIRM: State.CONFIRMING}

_SERVED: Mapping[str, frozenset[State]] = {
    Lane.SEND: frozenset({State.PAID, State.DECLINED, State.PARKED, State.RESUMED, State.CONFIRMING}),
    Lane.CONFIRM: frozenset({State.PAID, State.DECLINED}),
}
