"""Checks before a bank call: token and claim. Nothing has been sent yet, so every failure is safe to retry.

An open circuit breaker or unfit servers stop a transfer before it asks for a token. A paused lane or a used-up rate
uses up no attempt.
"""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable, SpaceDiffers, TerminalUnknown
from epay_transfers.ledger.invoice import split_key
from epay_transfers.ledger.limits import NO_LIMITS, Day
from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Phase, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.store.reader import Leave
from epay_transfers.ledger.store.replies import (
    Behind,
    Claim,
    ClockApart,
    Due,
    LimitReached,
    OtherServer,
    Paused,
    Refused,
    Wait,
)
from epay_transfers.ledger.transfer import moment
from epay_transfers.runtime.web_addresses import Places, secret_hash
from epay_transfers.worker import bank
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.ledger_clock import LedgerClock
from epay_transfers.worker.limits import MoneyLimits
from epay_transfers.worker.recorder import Recorder

_LOG = logging.getLogger(__name__)

#: How long a transfer waits for a paused lane without an end, before it is looked at again.
_PAUSED_MS = 30_000

#: How long a try waits before it looks at an open breaker again.
_BREAKER_MS = 5_000


#: How long a transfer waits for the workers to compare another ledger's server with the vault.
_COMPARED_MS = 2_000

#: How long a transfer waits that the bank is not to be asked about yet, since so many are asked about.
_ASKED_MS = 1_000

#: A terminal whose credentials a worker lacks is named for so long after they were needed; so many are.
_LACKED_S = 180.0
_MOST_LACKED = 20

NotClaimed = Refused | Wait | Paused | Behind | OtherServer | ClockApart | LimitReached


class Cause(StrEnum):
    """Why a worker may be unfit to send, sweep, inquire and probe. Each is over by itself, and none hides another."""

    SERVERS = "servers"  #: they are not what they must be
    CLOCK = "clock"  #: this machine's and the ledger's are too far apart
    VAULT = "vault"  #: it is an older copy of itself
    REPLICAS = "replicas"  #: too few of the ledger's have what it confirmed
    FAILOVER = "failover"  #: another server is the ledger's, or another start of it: it is compared first


@dataclass(frozen=True, slots=True)
class PreflightRule:
    lease_s: float
    deadline_s: float  #: of one HTTP exchange
    confirm_needs_token: bool
    token_host: str  #: the bank's hosts, each with a breaker of its own
    hosts: dict[Lane, str]
    gaps_ms: dict[str, int]  #: by terminal, between two transfers
    places: Places | None = None  #: what fills an intent's empty links
    hash_key: Secret | None = None  #: with it, a token's request carries a hash that a notification gives back
    spaces: Mapping[str, str] = field(default_factory=dict)  #: by terminal; without one, a transfer's own is taken


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's own clock over its claim: an exchange begins only while a whole one still fits in.

    Its end goes with the exchange: a process that is stopped after its look sends nothing when it wakes too late.
    """

    clock: Clock
    last_start: float
    ends_at: float

    def is_valid(self) -> bool:
        return self.clock.monotonic() <= self.last_start


class Preflight:
    def __init__(
        self,
        *,
        ledger: Ledger,
        bank_client: bank.Bank,
        terminals: dict[str, bank.Terminal],
        breakers: Breakers,
        pauses: Pauses,
        consequences: Consequences,
        recorder: Recorder,
        custody: CardCustody,
        rule: PreflightRule,
        clock: Clock,
        ledger_clock: LedgerClock,
        limits: MoneyLimits,
        actor: str,
    ) -> None:
        self._ledger = ledger
        self._bank = bank_client
        self._terminals = terminals
        self._breakers = breakers
        self._pauses = pauses
        self._consequences = consequences
        self._recorder = recorder
        self._custody = custody
        self._rule = rule
        self._clock = clock
        self._ledger_clock = ledger_clock
        self._limits = limits
        self._actor = actor
        self._unfit: frozenset[Cause] = frozenset()
        self._fitness = threading.Lock()
        self._telling = threading.Lock()
        self._clock_told = True  #: what the events say of the clock: that it agrees, or that it does not
        self._lacking: dict[str, float] = {}  #: a terminal whose credentials are lacking → when they were needed last
        self._lock = threading.Lock()
        self._batches_wait_until: dict[str, float] = {}  #: by terminal: until then its rate has no turn for a batch

    def terminal(self, record: Record) -> bank.Terminal:
        """Raises `TerminalUnknown` for one that this worker holds no credentials of, or has in another space."""
        if record.terminal not in self._terminals:
            raise TerminalUnknown(record.terminal)
        space = split_key(record.key)[0]
        if self._rule.spaces.get(record.terminal, space) != space:
            raise SpaceDiffers(record.terminal, space)
        return self._terminals[record.terminal]

    def holds(self, record: Record) -> bool:
        """Has this worker the credentials of its terminal? What it lacks its log and its heartbeat name."""
        try:
            self.terminal(record)
        except TerminalUnknown as error:
            why = type(error).__name__
        else:
            return True
        with self._lock:
            is_new = record.terminal not in self._lacking
            self._lacking[record.terminal] = self._clock.monotonic()
        if is_new:
            _LOG.error("terminal.unknown", extra={"terminal": record.terminal, "why": why})
        return False

    @property
    def terminals(self) -> list[str]:
        """Whose credentials this worker holds."""
        return sorted(self._terminals)

    @property
    def lacks(self) -> list[str]:
        """Whose credentials it lacks, and was asked for in the last minutes."""
        since = self._clock.monotonic() - _LACKED_S
        with self._lock:
            return sorted(terminal for terminal, at in self._lacking.items() if at >= since)[:_MOST_LACKED]

    def hand_on(self, record: Record, *, waits: bool = False) -> bool:
        """Is it left to another worker, since this one lacks its terminal's credentials? `waits`: however long."""
        return not self.holds(record) and self._recorder.hand_on(record, waits=waits)

    def order(self, record: Record) -> bank.Order:
        details, places = OrderDetails.from_json(record.order_details), self._rule.places
        return bank.Order.with_details(
            places.fill(details, record.handle) if places else details,
            invoice_id=split_key(record.key)[1],
            amount_minor=record.amount,
            currency=record.currency,
        )

    def why_not_now(self, record: Record, lane: Lane) -> Wait | Paused | None:
        """What keeps it from being sent now, as far as it is known without a round trip: then no token is fetched.

        Where one transfer is let through to try, the ledger is asked whether this one may go for it: a bank that is
        coming back does not get the token requests of all that wait.
        """
        now_ms = self._ledger_clock.now_ms()
        if stop := self._pauses.holding(lane, record.terminal, now_ms):
            return Paused(stop.until_ms)
        hosts = {self._rule.hosts[lane]}
        if lane is Lane.SEND or self._rule.confirm_needs_token:
            hosts.add(self._rule.token_host)
        if any(self._breakers.is_open(host) for host in hosts):
            return Wait(_BREAKER_MS, "breaker")
        batches_wait_ms = (self._batches_wait_until.get(record.terminal, 0.0) - self._clock.monotonic()) * 1000
        if lane is Lane.SEND and record.urgency == "batch" and batches_wait_ms > 0:
            return Wait(round(batches_wait_ms), "batch")
        host = self._rule.hosts[lane]
        lets_through = [f"pause {pause.field_name}" for pause in self._pauses.trying(lane, record.terminal, now_ms)]
        lets_through += [f"host {host}"] * self._breakers.is_half_open(host)
        if lets_through and not self._breakers.has_turn(record.key, lets_through):
            return Wait(_BREAKER_MS, "another goes for the try")
        return None

    def set_fit(self, cause: Cause, *, is_fit: bool) -> bool:
        """Is this as it must be? Until it is, this worker claims nothing. True: it was not known yet."""
        with self._fitness:
            before = self._unfit
            self._unfit = before - {cause} if is_fit else before | {cause}
            return self._unfit != before

    def look(self, limit: int, leave: Leave | None = None) -> Due:
        """The transfers that are due, and whether the clocks agree. An unfit worker asks for the time alone.

        `leave`: see `Reader.due`.
        """
        asked_at = self._clock.monotonic()
        due = self._ledger.due(limit if self.is_fit else 0, leave)
        self._heard_time(due.now_ms, asked_at)
        return due

    def _heard_time(self, ledger_ms: int, asked_at: float) -> None:
        """Unfit at once where the clocks disagree, and fit again once they agree; each said once."""
        own_ms, agrees = self._ledger_clock.own_ms(), self._ledger_clock.told(ledger_ms, asked_at)
        if self.set_fit(Cause.CLOCK, is_fit=agrees):
            times = {"own": f"{moment(own_ms):%F %T}", "ledger": f"{moment(ledger_ms):%F %T}"}
            _LOG.critical("clock.right" if agrees else "clock.wrong", extra=times)
        if self._clock_told != agrees and self._telling.acquire(blocking=False):
            try:
                self._consequences.clock(own_ms, ledger_ms, agrees=agrees)
                self._clock_told = agrees
            except LedgerUnavailable:
                pass  # with the next look
            finally:
                self._telling.release()

    def lease(self) -> Lease:
        """Taken before the claim, so that it never ends later than the ledger's own."""
        ends_at = self._clock.monotonic() + self._rule.lease_s
        return Lease(self._clock, last_start=ends_at - self._rule.deadline_s, ends_at=ends_at)

    def claim(self, record: Record, lane: Lane) -> Claim:
        asked_at = self._clock.monotonic()
        is_send = lane is Lane.SEND  # a confirm is of a transfer that was counted when it was sent
        claim = self._ledger.claim(
            record,
            lane=lane,
            host=self._rule.hosts[lane],
            gap_ms=self._rule.gaps_ms.get(record.terminal, 0),
            lease_ms=int(self._rule.lease_s * 1000),
            actor=self._actor,
            vault=self._custody.vault.seen,
            own_ms=self._ledger_clock.own_ms(),
            limits=self._limits.of(record.terminal, record.currency) if is_send else NO_LIMITS,
            counts=self._limits.counts(record, Day.of(self._ledger_clock.now_ms())) if is_send else None,
        )
        if claim.at_ms:
            self._heard_time(claim.at_ms, asked_at)
        if isinstance(claim, Wait) and claim.why == "batch":
            self._batches_wait_until[record.terminal] = self._clock.monotonic() + claim.ms / 1000
        return claim

    def token(self, record: Record, order: bank.Order) -> bank.Token | None:
        """The bank's token for this one transfer. None: nothing was at stake, and the next try has its time."""
        if self.hand_on(record):
            return None
        if record.phase is Phase.CONFIRM and self._are_credentials_refused(record):
            reason = record.reason if record.reason.startswith("token_") else "token_refused"
            self._recorder.wait(record, reason, _PAUSED_MS)
            return None
        terminal, key = self.terminal(record), self._rule.hash_key
        token = self._bank.token(terminal, order=order, secret_hash=secret_hash(key, record.key) if key else None)
        if isinstance(token, bank.Token):
            self._breakers.succeeded(self._rule.token_host)
            self._consequences.credentials_taken(record.terminal)
            return token
        if token.is_of_credentials:
            self._consequences.credentials_refused(record, token.why, token.http_status)
            self._recorder.wait(record, f"token_{token.why}", _PAUSED_MS)
            return None
        if token.evidence is not bank.Evidence.ANSWERED or token.http_status >= 500:
            with suppress(LedgerUnavailable):
                self._breakers.failed(self._rule.token_host, token.why)
        self._recorder.try_again(record, Verb.DEFER, f"token_{token.why}", token.retry_after_s)
        return None

    def _are_credentials_refused(self, record: Record) -> bool:
        """The pause is of the send lane, and a confirm needs the same token: it asks for none before the pause ends."""
        return self._pauses.credentials_refused(record.terminal, self._ledger_clock.now_ms()) is not None

    def postpone(self, record: Record, claim: NotClaimed) -> None:
        """The ledger said not now. No attempt is taken."""
        ends = [record.deadline_at] if record.phase is Phase.SEND else []
        match claim:
            case Wait(ms):
                in_ms = ms
            case Paused(until_ms):
                in_ms = _PAUSED_MS  # it may be opened before its time
                ends += [until_ms] if until_ms else []
            case LimitReached(limit):
                self._consequences.limit_reached(record, limit)
                in_ms = _PAUSED_MS
            case OtherServer():
                in_ms = _COMPARED_MS
            case Behind(sequence):
                self._consequences.ledger_went_back(sequence)
                in_ms = _PAUSED_MS
            case _:
                return  # another worker has it, or gets it
        no_later = min(ends, default=None)
        change = Change(look_again_in=in_ms, no_later=no_later, fields={"wakeups": 0}, silent=True)
        self._recorder.move(record, Verb.DEFER, change)

    @property
    def unfit(self) -> list[str]:
        """Why it claims nothing; empty where it is fit."""
        return sorted(self._unfit)

    @property
    def is_fit(self) -> bool:
        return not self._unfit

    def takes_money_calls(self, host: str) -> bool:
        return host in {self._rule.hosts[Lane.SEND], self._rule.hosts[Lane.CONFIRM]}

    def inquiries_paused(self, record: Record) -> bool:
        if not self.is_fit:
            return True
        return self._pauses.holding(Lane.INQUIRE, record.terminal, self._ledger_clock.now_ms()) is not None

    def may_inquire(self, record: Record) -> bool:
        """May the bank be asked about it now, by the rate of all workers? Else it is looked at again soon, quietly."""
        if self._ledger.may_inquire():
            return True
        self._recorder.move(record, Verb.LOOK_LATER, Change(due_in=_ASKED_MS, fields={"wakeups": 0}, silent=True))
        return False

    @property
    def confirm_needs_token(self) -> bool:
        return self._rule.confirm_needs_token

    def heard(self, record: Record, outcome: bank.TransferOutcome) -> None:
        """For the breaker: did the bank's host answer as a bank does? A decline is an answer."""
        host = self._rule.hosts[Lane.SEND if record.phase is Phase.SEND else Lane.CONFIRM]
        match outcome:
            case bank.Paid() | bank.Declined() | bank.ChallengeRequired():
                self._breakers.succeeded(host)
            case bank.Unclear(http_status=status, evidence=bank.Evidence.ANSWERED) if status < 500:
                pass
            case bank.Unclear() | bank.NotSent():
                self._breakers.failed(host, outcome.why)
