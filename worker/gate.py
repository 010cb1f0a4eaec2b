"""The gate before the bank: a token, and the ledger's leave to send. Nothing is at stake here, whatever happens.

What is known to be closed (an open breaker, servers that are not what they must be) is not asked again; what is closed
at the ledger's (a paused lane, the rate) burns no try.
"""

import json
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ledger.breakers import Breakers
from ledger.clock import Clock
from ledger.errors import LedgerUnavailable, SpaceDiffers, TerminalUnknown
from ledger.invoice import split_key
from ledger.lanes import Lane, Lanes
from ledger.ledger import Ledger
from ledger.record import Record
from ledger.replies import Behind, Moved, Refused, Stopped, Wait
from ledger.secret import Secret
from ledger.states import Phase, Verb
from ledger.webtier import Places, secret_hash
from worker import bank
from worker.card_custody import CardCustody
from worker.consequences import Consequences
from worker.scribe import Scribe
from worker.tries import Tries

_LOG = logging.getLogger(__name__)

#: How long a stopped lane is left alone before somebody looks at it again, where nobody said until when.
_STOPPED_MS = 30_000

#: How long a try waits before it looks at an open breaker again.
_BREAKER_MS = 5_000


@dataclass(frozen=True, slots=True)
class GateRule:
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

    def stands(self) -> bool:
        return self.clock.monotonic() <= self.last_start


class Gate:
    def __init__(
        self,
        *,
        ledger: Ledger,
        bank_client: bank.Bank,
        terminals: dict[str, bank.Terminal],
        breakers: Breakers,
        lanes: Lanes,
        consequences: Consequences,
        scribe: Scribe,
        tries: Tries,
        custody: CardCustody,
        rule: GateRule,
        clock: Clock,
        actor: str,
    ) -> None:
        self._ledger = ledger
        self._bank = bank_client
        self._terminals = terminals
        self._breakers = breakers
        self._lanes = lanes
        self._consequences = consequences
        self._scribe = scribe
        self._tries = tries
        self._custody = custody
        self._rule = rule
        self._clock = clock
        self._actor = actor
        self._unfit = threading.Event()
        self._lacking: set[str] = set()  #: the terminals that this worker was asked for and holds no credentials of
        self._lock = threading.Lock()
        self._batches_wait_until: dict[str, int] = {}  #: by terminal: until then its rate has no turn for a batch

    def terminal(self, record: Record) -> bank.Terminal:
        """Raises `TerminalUnknown` for one that this worker holds no credentials of, or has in another space."""
        if record.terminal not in self._terminals:
            raise TerminalUnknown(record.terminal)
        space = split_key(record.key)[0]
        if self._rule.spaces.get(record.terminal, space) != space:
            raise SpaceDiffers(record.terminal, space)
        return self._terminals[record.terminal]

    def hand_on(self, record: Record) -> bool:
        """Is it left to another worker, which is rung for soon, since this one lacks its terminal's credentials?"""
        if record.terminal in self._terminals:
            return False
        with self._lock:
            is_new = record.terminal not in self._lacking
            self._lacking.add(record.terminal)
        if is_new:
            _LOG.error("terminal.unknown", extra={"terminal": record.terminal})
        return self._tries.hand_on(record)

    def order(self, record: Record) -> bank.Order:
        said, places = json.loads(record.order), self._rule.places
        return bank.Order(
            invoice_id=split_key(record.key)[1],
            amount_minor=record.amount,
            currency=record.currency,
            **(places.fill(said, record.handle) if places else said),
        )

    def closed(self, record: Record, lane: Lane) -> Wait | Stopped | None:
        """Is it known, without a round trip, that nothing can be sent now? Then no token is asked for either.

        Both answers are falsy, as whatever is not `Moved`: ask for None.
        """
        if stop := self._lanes.stopped(lane, record.terminal):
            return Stopped(stop.until_ms)
        hosts = {self._rule.hosts[lane]}
        if lane is Lane.SEND or self._rule.confirm_needs_token:
            hosts.add(self._rule.token_host)
        if any(self._breakers.is_open(host) for host in hosts):
            return Wait(_BREAKER_MS, "breaker")
        batches_wait_ms = self._batches_wait_until.get(record.terminal, 0) - self._clock.now_ms()
        if lane is Lane.SEND and record.urgency == "batch" and batches_wait_ms > 0:
            return Wait(batches_wait_ms, "batch")
        return None

    def set_fit(self, is_fit: bool) -> None:  # noqa: FBT001 - the one thing that the monitor says
        """Are the servers what they must be? Until they are, this worker claims nothing."""
        if is_fit:
            self._unfit.clear()
        else:
            self._unfit.set()

    def lease(self) -> Lease:
        """Taken before the claim, so that it never ends later than the ledger's own."""
        ends_at = self._clock.monotonic() + self._rule.lease_s
        return Lease(self._clock, last_start=ends_at - self._rule.deadline_s, ends_at=ends_at)

    def claim(self, record: Record, lane: Lane) -> Moved | Refused | Wait | Stopped | Behind:
        claim = self._ledger.claim(
            record,
            lane=lane,
            host=self._rule.hosts[lane],
            gap_ms=self._rule.gaps_ms.get(record.terminal, 0),
            lease_ms=int(self._rule.lease_s * 1000),
            actor=self._actor,
            vault=self._custody.vault.seen,
        )
        if isinstance(claim, Wait) and claim.why == "batch":
            self._batches_wait_until[record.terminal] = self._clock.now_ms() + claim.ms
        return claim

    def token(self, record: Record) -> bank.Token | None:
        """The bank's token for this one transfer. None: nothing was at stake, and the next try has its time."""
        order, key = self.order(record), self._rule.hash_key
        if self.hand_on(record):
            return None
        terminal = self.terminal(record)
        token = self._bank.token(terminal, order=order, secret_hash=secret_hash(key, record.key) if key else None)
        if isinstance(token, bank.Token):
            self._breakers.succeeded(self._rule.token_host)
            return token
        if token.evidence is not bank.Evidence.ANSWERED or token.http_status >= 500:
            with suppress(LedgerUnavailable):
                self._breakers.failed(self._rule.token_host, token.why)
        self._tries.again(record, Verb.DEFER, f"token_{token.why}", token.retry_after_s)
        return None

    def postpone(self, record: Record, claim: Refused | Wait | Stopped | Behind) -> None:
        """The ledger said not now. No attempt is burnt."""
        match claim:
            case Wait(ms):
                at = self._clock.now_ms() + ms
            case Stopped(until_ms):
                later = self._clock.now_ms() + _STOPPED_MS  # it may be opened before its time
                at = min(until_ms, later) if until_ms else later
            case Behind(sequence):
                self._consequences.ledger_went_back(sequence)
                at = self._clock.now_ms() + _STOPPED_MS
            case _:
                return  # somebody else has it
        if record.phase is Phase.SEND:
            at = min(at, record.expires)
        self._scribe.move(record, Verb.DEFER, due=at, fields={"next": at, "rings": 0}, quiet=True)

    @property
    def is_fit(self) -> bool:
        return not self._unfit.is_set()

    def inquiries_stopped(self, record: Record) -> bool:
        return not self.is_fit or self._lanes.stopped(Lane.INQUIRE, record.terminal) is not None

    @property
    def confirm_needs_token(self) -> bool:
        return self._rule.confirm_needs_token

    def heard(self, record: Record, outcome: bank.TransferOutcome) -> None:
        """For the breaker: did the bank's host answer as a bank does? A decline is an answer."""
        host = self._rule.hosts[Lane.SEND if record.phase is Phase.SEND else Lane.CONFIRM]
        match outcome:
            case bank.Paid() | bank.Declined() | bank.Challenge():
                self._breakers.succeeded(host)
            case bank.Unclear(http_status=status, evidence=bank.Evidence.ANSWERED) if status < 500:
                pass
            case bank.Unclear() | bank.NotSent():
                self._breakers.failed(host, outcome.why)
