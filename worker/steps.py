"""The steps of a journey: each one a straight line, named by what it does. Which one is taken stands in `journey.py`.

These are the ones that touch the vault or need the card; what came of it is written down by the scribe.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ledger.cards import CardData
from ledger.clock import Clock
from ledger.errors import TransfersError
from ledger.lanes import Lane
from ledger.ledger import Ledger
from ledger.record import Record
from ledger.replies import Behind, Moved, Refused, Stopped, Wait
from ledger.sealing import Opener, Purpose
from ledger.secret import Secret
from ledger.states import Phase, Verb
from ledger.vault import Burnt, Unburn, Vault
from worker import bank, policy
from worker.consequences import Consequences
from worker.doubt import DoubtRule
from worker.policy import RetryRule
from worker.scribe import Scribe

_LOG = logging.getLogger(__name__)

#: How long a stopped lane is left alone before somebody looks at it again, where nobody said until when.
_STOPPED_S = 30


@dataclass(frozen=True, slots=True)
class Rules:
    """The worker's settings, as far as a journey asks for them."""

    retry: RetryRule
    doubt: DoubtRule
    lease_s: float
    deadline_s: float  #: of one HTTP exchange
    park_s: int  #: how long a challenge is kept
    confirm_needs_token: bool
    host: str  #: the bank's, whose breaker a claim asks
    gaps_ms: dict[str, int]  #: by terminal, between two transfers


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's own clock over its claim: it sends only while a whole exchange still fits in."""

    clock: Clock
    last_start: float

    def stands(self) -> bool:
        return self.clock.monotonic() <= self.last_start


class Steps:
    def __init__(
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        opener: Opener,
        terminals: dict[str, bank.Terminal],
        consequences: Consequences,
        scribe: Scribe,
        rules: Rules,
        clock: Clock,
        actor: str,
        chance: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._opener = opener
        self._terminals = terminals
        self._consequences = consequences
        self._rules = rules
        self._clock = clock
        self._actor = actor
        self._chance = chance
        self._scribe = scribe

    # Before anything is at stake.

    def now(self) -> int:
        return self._clock.now_ms()

    def terminal(self, record: Record) -> bank.Terminal:
        return self._terminals[record.terminal]

    def order(self, record: Record) -> bank.Order:
        return bank.Order(
            invoice_id=record.key.rpartition(":")[2],
            amount_minor=record.amount,
            currency=record.currency,
            **json.loads(record.order),
        )

    def lease(self) -> Lease:
        """Taken before the claim, so that it never ends later than the ledger's own."""
        return Lease(self._clock, self._clock.monotonic() + self._rules.lease_s - self._rules.deadline_s)

    def claim(self, record: Record, lane: Lane) -> Moved | Refused | Wait | Stopped | Behind:
        return self._ledger.claim(
            record,
            lane=lane,
            host=self._rules.host,
            gap_ms=self._rules.gaps_ms.get(record.terminal, 0),
            lease_ms=int(self._rules.lease_s * 1000),
            actor=self._actor,
        )

    def back_off(self, record: Record, reason: str, retry_after_s: float | None) -> None:
        """No token: nothing was at stake."""
        attempts = record.attempts + 1
        decision = self._decide(record, attempts, retry_after_s)
        if isinstance(decision, policy.Retry):
            fields = {"attempts": attempts, "next": decision.at_ms, "rings": 0, "reason": reason}
            self._scribe.move(record, Verb.DEFER, due=decision.at_ms, fields=fields)
        elif record.phase is Phase.CONFIRM:
            self._scribe.doubt(record, "confirm_attempts_used_up")
        else:
            self._scribe.die(record, "attempts_used_up", fields={"attempts": attempts, "message": reason})

    def postpone(self, record: Record, claim: Refused | Wait | Stopped | Behind) -> None:
        """The ledger said not now. No attempt is burnt."""
        match claim:
            case Wait(ms):
                at = self.now() + ms
            case Stopped(until_ms):
                at = max(until_ms, self.now() + _STOPPED_S * 1000)
            case Behind(sequence):
                self._consequences.ledger_went_back(sequence)
                at = self.now() + _STOPPED_S * 1000
            case _:
                return  # somebody else has it
        self._scribe.move(record, Verb.DEFER, due=at, fields={"next": at, "rings": 0}, quiet=True)

    def end_unsent(self, record: Record, verb: Verb, *, reason: str) -> None:
        """Whatever ends a transfer that was never sent closes the vault first."""
        if self._vault.close(Purpose.CARD, record.key, record.epoch):
            self._scribe.end(record, verb, reason=reason)
        else:
            self._scribe.doubt(record, "vault_remembers", verb=Verb.REMEMBER)

    @property
    def doubt_rule(self) -> DoubtRule:
        return self._rules.doubt

    @property
    def confirm_needs_token(self) -> bool:
        return self._rules.confirm_needs_token

    # With the card in hand.

    @contextmanager
    def doubt_unless_recorded(self, record: Record) -> Iterator[None]:
        """If anything breaks between the card and the record of what came of it, that is doubt."""
        try:
            yield
        except BaseException:
            with suppress(TransfersError):
                self._scribe.doubt(record, "worker_error")
            raise

    def open_cards(self, record: Record, burnt: Burnt) -> CardData | None:
        try:
            return CardData.from_bytes(self._opener.open(burnt.sealed, Purpose.CARD, record.key))
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def open_pares(self, record: Record, burnt: Burnt) -> Secret | None:
        try:
            return Secret(self._opener.open(burnt.sealed, Purpose.PARES, record.key).decode())
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def record_outcome(self, record: Record, burnt: Burnt, outcome: bank.TransferOutcome) -> None:
        self._consequences.heard(record, outcome)
        match outcome:
            case bank.Paid():
                self._scribe.settle(record, Verb.PAY, _told(outcome))
            case bank.Declined():
                self._scribe.settle(record, Verb.DECLINE, _told(outcome) | self._consequences.not_before(outcome))
            case bank.Challenge():
                self._scribe.park(record, outcome)
            case bank.NotSent():
                self.give_back(record, burnt, outcome.why, outcome.retry_after_s)
            case bank.Unclear():
                self._scribe.doubt(record, outcome.why, fields={"code": outcome.code, "evidence": outcome.evidence})

    def give_back(self, record: Record, burnt: Burnt, reason: str, retry_after_s: float | None = None) -> None:
        """Proved not sent: the blob goes back into the vault, the transfer back into the queue."""
        purpose = Purpose.CARD if record.phase is Phase.SEND else Purpose.PARES
        ttl_ms = max(record.expires - self.now(), 60_000)
        unburnt = self._scribe.insist(
            lambda: self._vault.unburn(purpose, record.key, record.epoch, burnt.sealed, ttl_ms, record.pares)
        )
        match unburnt:
            case Unburn.DONE | Unburn.ALREADY:
                self._try_again(record, reason, retry_after_s)
            case Unburn.NOTHING if record.phase is Phase.SEND:
                self._scribe.die(record, "card_lost")
            case Unburn.NOTHING:
                self._scribe.doubt(record, "pares_lost")
            case Unburn.OTHER:
                pass  # somebody else is at it, under a later epoch

    def take_back(self, record: Record) -> bool:
        """Is the card still there under this epoch? Then nothing was sent, and it is queued again."""
        if not self._vault.refence(Purpose.CARD, record.key, record.epoch):
            return False
        self._try_again(record, "worker_lost", None)
        return True

    def _try_again(self, record: Record, reason: str, retry_after_s: float | None) -> None:
        attempts = record.attempts + 1
        decision = self._decide(record, attempts, retry_after_s)
        fields: dict[str, str | int] = {"attempts": attempts, "rings": 0, "reason": reason}
        fields["evidence"] = bank.Evidence.NOT_SENT
        verb = Verb.REQUEUE if record.phase is Phase.SEND else Verb.REQUEUE_CONFIRM
        if isinstance(decision, policy.Retry):
            self._scribe.move(
                record, verb, due=decision.at_ms, fields=fields | {"next": decision.at_ms}, unset=("asks", "reads")
            )
        elif record.phase is Phase.SEND:
            self._scribe.die(record, "attempts_used_up", fields={"attempts": attempts, "message": reason})
        else:
            self._scribe.doubt(record, "confirm_attempts_used_up", fields={"attempts": attempts})

    def _decide(self, record: Record, attempts: int, retry_after_s: float | None) -> policy.Retry | policy.GiveUp:
        deadline = record.expires if record.phase is Phase.SEND else record.parked_until + self._rules.park_s * 1000
        return policy.next_try(
            self._rules.retry,
            attempts=attempts,
            now_ms=self.now(),
            deadline_ms=max(deadline, self.now()),
            retry_after_s=retry_after_s,
            chance=self._chance,
        )


def _told(outcome: bank.Paid | bank.Declined) -> dict[str, str | int]:
    """What the record keeps of the bank's answer; a card's mask only where the bank gave one."""
    told: dict[str, str | int] = {"code": outcome.code, "evidence": outcome.evidence, "reason": ""}
    if isinstance(outcome, bank.Declined):
        told |= {"message": outcome.message, "reason": f"declined_{outcome.code_class}"}
    names = {
        "bank_id": "bank_id",
        "reference": "bank_reference",
        "int_reference": "int_reference",
        "sender_card": "sender_card",
        "receiver_card": "receiver_card",
        "sender_card_id": "sender_card_id",
        "receiver_card_id": "receiver_card_id",
    }
    return told | {ours: value for theirs, ours in names.items() if (value := getattr(outcome, theirs, ""))}
