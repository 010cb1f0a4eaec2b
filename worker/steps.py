"""The steps of a journey: each one a straight line, named by what it does. Which one is taken stands in `journey.py`.

These are the ones that touch the vault or need the card; what came of it is written down by the scribe.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ledger.cards import CardData
from ledger.clock import Clock
from ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable
from ledger.record import Record
from ledger.replies import Moved
from ledger.sealing import Opener, Purpose
from ledger.secret import Secret
from ledger.states import Phase, Verb
from ledger.vault import Burnt, Gone, Later, There, Unburn, Vault
from worker import bank
from worker.consequences import Consequences
from worker.gate import Gate
from worker.scribe import Scribe
from worker.tries import Tries

_LOG = logging.getLogger(__name__)

#: What a worker knows of the ledger's time is no further off than this.
_SKEW_MS = 2_000

#: How a transfer of which nothing was sent comes back to its queue.
_BACK = {Phase.SEND: Verb.REQUEUE, Phase.CONFIRM: Verb.REQUEUE_CONFIRM}


class Steps:
    def __init__(
        self,
        *,
        vault: Vault,
        opener: Opener,
        scribe: Scribe,
        tries: Tries,
        consequences: Consequences,
        gate: Gate,
        clock: Clock,
        park_s: int,
    ) -> None:
        self._vault = vault
        self._opener = opener
        self._scribe = scribe
        self._tries = tries
        self._consequences = consequences
        self._gate = gate
        self._clock = clock
        self._park_ms = park_s * 1000
        self._forgot_at = clock.now_ms()  #: what the vault held then it may have forgotten

    def end_unsent(self, record: Record, verb: Verb, *, reason: str) -> None:
        """Whatever ends a transfer that was never sent closes the vault first."""
        with self._heeding_the_vault():
            is_closed = self._vault.close(Purpose.CARD, record.key, record.epoch)
        if is_closed:
            self._scribe.end(record, verb, reason=reason)
        else:
            self._scribe.remember(record)

    def is_card_missing(self, record: Record) -> bool:
        """Is it known to be? Who is claimed without a card is lost; who is queued can have it brought again.

        Nobody looks for a card that was put in since the vault was last seen to forget: it would cost a round trip.
        """
        if not record.rings and record.created > self._forgot_at + _SKEW_MS:
            return False
        with self._heeding_the_vault():
            there = self._vault.look(Purpose.CARD, record.key, record.epoch)
        if there is There.NOTHING:
            self.vault_forgot()
        return there in {There.NOTHING, There.CLOSED}

    def burn(self, purpose: Purpose, record: Record, claim: Moved) -> Burnt | Later | Gone:
        """Take the card out, or the PaRes: once."""
        with self._heeding_the_vault():
            burnt = self._vault.burn(purpose, record.key, record.epoch, claim.sequence)
        if isinstance(burnt, Gone) and burnt.there is There.NOTHING:
            self.vault_forgot()
        return burnt

    def vault_forgot(self) -> None:
        """It keeps nothing over a restart: where one card is gone, or it was away, others may be gone too."""
        self._forgot_at = self._clock.now_ms()

    @contextmanager
    def doubt_unless_recorded(self, record: Record) -> Iterator[None]:
        """If anything breaks between the card and the record of what came of it, that is doubt."""
        try:
            yield
        except BaseException:
            with suppress(TransfersError):
                self._scribe.doubt(record, "worker_error", fields={"evidence": bank.Evidence.MAYBE_SENT})
            raise

    def open_cards(self, record: Record, burnt: Burnt) -> CardData | None:
        try:
            return CardData.from_bytes(self._opener.open(burnt.sealed, Purpose.CARD, record.key))
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def open_pares(self, record: Record, burnt: Burnt) -> Secret | None:
        try:
            return Secret(self._opener.open(burnt.sealed, Purpose.PARES, record.key).decode(errors="replace"))
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def record_outcome(self, record: Record, burnt: Burnt, outcome: bank.TransferOutcome) -> None:
        """The transfer's own record first: whatever else an answer means can wait."""
        match outcome:
            case bank.Paid():
                self._scribe.settle(record, Verb.PAY, _told(outcome))
            case bank.Declined():
                self._scribe.settle(record, Verb.DECLINE, _told(outcome) | self._consequences.not_before(outcome))
            case bank.Challenge():
                self._scribe.park(record, outcome)
            case bank.NotSent():
                self.give_back(record, burnt, outcome.why)
            case bank.Unclear():
                self._scribe.doubt(record, outcome.why, fields={"code": outcome.code, "evidence": outcome.evidence})
        with suppress(LedgerUnavailable):
            self._gate.heard(record, outcome)
        with suppress(LedgerUnavailable):
            self._consequences.heard(record, outcome)

    def give_back(self, record: Record, burnt: Burnt, reason: str) -> None:
        """Proved not sent: the blob goes back into the vault, the transfer back into the queue."""
        is_card = record.phase is Phase.SEND
        purpose = Purpose.CARD if is_card else Purpose.PARES
        ttl_ms = max(record.expires - self._clock.now_ms(), 1) if is_card else self._park_ms
        with self._heeding_the_vault():
            unburnt = self._scribe.insist(
                lambda: self._vault.unburn(purpose, record.key, record.epoch, burnt.sealed, ttl_ms, record.pares)
            )
        if unburnt is Unburn.NOTHING:
            self.vault_forgot()
        match unburnt:
            case Unburn.DONE | Unburn.ALREADY:
                self._tries.again(record, _BACK[record.phase], reason)
            case Unburn.NOTHING if record.phase is Phase.SEND:
                self._scribe.die(record, "card_lost")
            case Unburn.NOTHING:
                self._scribe.doubt(record, "pares_lost")
            case Unburn.OTHER:
                pass  # somebody else is at it, under a later epoch

    def take_back(self, record: Record, *, after: int | None = None) -> bool:
        """Is the card still there under this epoch? Then nothing was sent, and it is queued again.

        `after`: a sweeper waits for the end of the claim's lease (ms), by the ledger's time.
        """
        with self._heeding_the_vault():
            is_untouched = self._vault.refence(Purpose.CARD, record.key, record.epoch)
        if not is_untouched:
            return False
        self._tries.again(record, Verb.REQUEUE, "worker_lost", after=after)
        return True

    @contextmanager
    def _heeding_the_vault(self) -> Iterator[None]:
        try:
            yield
        except VaultUnavailable:
            self.vault_forgot()
            raise


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
