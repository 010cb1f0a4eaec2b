"""The steps of a transfer's journey that need its card. Each is a straight line; `journey.py` decides which one runs.

The recorder writes down what came of it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import cast

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable
from epay_transfers.ledger.limits import Counts, Day, Limit
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Phase, Verb
from epay_transfers.ledger.store.change import RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replicas import TooFewReplicas
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.ledger.vault.sealed_card import SealedCard
from epay_transfers.ledger.vault.sealing import Opener, Purpose
from epay_transfers.ledger.vault.vault import PutBack, Taken
from epay_transfers.worker import bank
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.limits import MoneyLimits
from epay_transfers.worker.preflight import Cause, Preflight
from epay_transfers.worker.recorder import Recorder
from epay_transfers.worker.said_by_bank import unbelieved

_LOG = logging.getLogger(__name__)

#: How a transfer of which nothing was sent comes back to its queue.
_BACK = {Phase.SEND: Verb.REQUEUE, Phase.CONFIRM: Verb.REQUEUE_CONFIRM}


class CardSteps:
    def __init__(
        self,
        *,
        ledger: Ledger,
        custody: CardCustody,
        opener: Opener,
        recorder: Recorder,
        consequences: Consequences,
        preflight: Preflight,
        limits: MoneyLimits,
    ) -> None:
        self._ledger = ledger
        self._custody = custody
        self._opener = opener
        self._recorder = recorder
        self._consequences = consequences
        self._preflight = preflight
        self._limits = limits

    def ledger_went_back(self, claim: Moved) -> None:
        """The vault remembers what the ledger does not: no worker sends anything more."""
        self._ledger.behind = claim.sequence
        self._consequences.ledger_went_back(claim.sequence)

    def why_not_to_send(self, record: Record, claim: Moved, taken: Taken) -> str:
        """Has the ledger forgotten moves that the vault remembers? Then this transfer may have been sent before.

        The vault's mark is often above the claim's sequence, for claims are made faster than cards are taken out: then
        the ledger's present sequence says. Two claims with one sequence can't be.
        """
        if claim.too_few:
            return self._too_few(record, claim.too_few)
        if taken.mark < claim.sequence:
            return ""
        try:
            if taken.mark > claim.sequence and self._ledger.sequence() >= taken.mark:  # which is above our own claim's
                return ""
            self.ledger_went_back(claim)
        except LedgerUnavailable:
            return Reason.LEDGER_UNANSWERED
        return Reason.LEDGER_WENT_BACK

    @contextmanager
    def doubt_unless_recorded(self, record: Record, claim: Moved) -> Iterator[None]:
        """If anything breaks between the card and the record of what came of it, that is doubt."""
        try:
            yield
        except BaseException:
            with suppress(TransfersError):
                nonce = claim.claim_nonce
                self._recorder.doubt(record, Reason.WORKER_ERROR, evidence=bank.Evidence.MAYBE_SENT, nonce=nonce)
            raise

    def open_cards(self, record: Record, taken: Taken) -> SealedCard | None:
        try:
            return SealedCard.from_bytes(self._opener.open(taken.sealed, Purpose.CARD, record.key))
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def refuse_changed_order(self, record: Record, taken: Taken, fields: tuple[str, ...]) -> None:
        """Its record is not what its producer sealed with the card: nothing is sent, and an operator must look."""
        self._recorder.fail(record, Reason.ORDER_CHANGED, nonce=taken.nonce)
        self._recorder.insist(lambda: self._consequences.order_changed(record, fields))

    def counts_of(self, record: Record, claim: Moved, cards: CardData) -> Counts:
        """As what this claim counts: to its terminal, on the day of the claim, and to its receiver's card."""
        return self._limits.with_card(self._limits.counts(record, Day.of(claim.at_ms)), record, cards.receiver)

    def count_receiver(self, record: Record, counts: Counts) -> str:
        """Counts what is about to be sent to this card. Why it may not be sent; or "".

        What if we die after it? It is counted and was not sent, which is the safe side: its next claim counts anew.
        """
        most = self._limits.of(record.terminal, record.currency).receiver_day
        if most is None:
            return ""
        try:
            may_go = self._ledger.count_receiver(counts, most=most)
        except TooFewReplicas as error:
            return self._too_few(record, str(error))
        except LedgerUnavailable:
            return Reason.LEDGER_UNANSWERED
        return "" if may_go else Reason.LIMIT_REACHED

    def return_uncounted(self, record: Record, taken: Taken, counts: Counts, why_not: str) -> None:
        """The card goes back and the transfer is queued again; then the terminal stops, if it is for a limit."""
        is_counted = why_not == Reason.TOO_FEW_REPLICAS
        self.return_to_queue(record, taken, why_not, counts if is_counted else replace(counts, card=""))
        if why_not == Reason.LIMIT_REACHED:
            self._recorder.insist(lambda: self._consequences.limit_reached(record, Limit.RECEIVER_DAY))

    def open_pares(self, record: Record, taken: Taken) -> Secret | None:
        try:
            return Secret(self._opener.open(taken.sealed, Purpose.PARES, record.key).decode(errors="replace"))
        except TransfersError as error:
            _LOG.error("vault.unreadable", extra={"key": record.key, "why": str(error)})
            return None

    def record_outcome(
        self, record: Record, taken: Taken, outcome: bank.TransferOutcome, counts: Counts | None = None
    ) -> None:
        """The transfer's own record first: whatever else an answer means can wait."""
        match outcome:
            case bank.Paid():
                self._recorder.final_answer(record, Verb.PAY, _told(outcome))
            case bank.Declined():
                fields = _told(outcome) | self._consequences.not_before(outcome)
                self._recorder.final_answer(record, Verb.DECLINE, fields)
            case bank.ChallengeRequired():
                self._recorder.park(record, outcome)
            case bank.NotSent():
                self.return_to_queue(record, taken, outcome.why, counts)
            case bank.Unclear():
                said = unbelieved(bank_id=outcome.bank_id, reference=outcome.reference, message=outcome.message)
                self._recorder.doubt(
                    record,
                    outcome.why,
                    evidence=outcome.evidence,
                    nonce=taken.nonce,
                    fields={"code": outcome.code},
                    said=said,
                )
        with suppress(LedgerUnavailable):
            self._preflight.heard(record, outcome)
        with suppress(LedgerUnavailable):
            self._consequences.heard(record, outcome)

    def return_to_queue(self, record: Record, taken: Taken, reason: str, counts: Counts | None = None) -> None:
        """Proved not sent: the blob goes back into the vault, the transfer back into the queue.

        `counts`: as what the claim was counted. Where it can't be given back, its next claim counts once more.
        """
        put_back = None
        with suppress(VaultUnavailable):
            put_back = self._recorder.insist(lambda: self._custody.put_back(record, taken))
        match put_back:
            case None:
                self._recorder.doubt(record, reason, evidence=bank.Evidence.NOT_SENT, nonce=taken.nonce)
            case PutBack.DONE | PutBack.ALREADY:
                self._queue_again(record, reason, taken.nonce, counts)
            case PutBack.NOTHING if record.phase is Phase.SEND:
                self._recorder.fail(record, Reason.CARD_LOST, nonce=taken.nonce)
            case PutBack.NOTHING:
                self._recorder.doubt(record, Reason.PARES_LOST, evidence=bank.Evidence.NOT_SENT, nonce=taken.nonce)
            case PutBack.OTHER:  # it is kept for a later epoch, or another claim has it
                self._recorder.doubt(record, reason, evidence=bank.Evidence.NOT_SENT, nonce=taken.nonce)

    def give_up_claim(self, record: Record, claim: Moved) -> None:
        """Too few replicas have the claim, and its card was not taken out: it stays, and this claim can't take it.

        What if we die here? The claim's lease runs out, and the sweeper does the same. A replica that takes over may
        have the claim or not: without it the transfer is queued there, and its card is in the vault.
        """
        reason, nonce = self._too_few(record, claim.too_few), claim.claim_nonce
        is_untouched = False
        with suppress(VaultUnavailable, LedgerUnavailable):
            is_untouched = self._custody.is_untouched(record)
        if is_untouched:
            self._queue_again(record, reason, nonce, self._limits.counts(record, Day.of(claim.at_ms)))
        else:
            self._recorder.doubt(record, reason, evidence=bank.Evidence.NOT_SENT, nonce=nonce)

    def _queue_again(self, record: Record, reason: str, nonce: str, counts: Counts | None) -> None:
        if counts:
            with suppress(LedgerUnavailable):
                self._ledger.give_back(counts)
        self._recorder.try_again(record, _BACK[record.phase], reason, nonce=nonce)

    def _too_few(self, record: Record, why: str) -> Reason:
        """The worker claims nothing more before its maintenance has seen enough replicas again."""
        _LOG.error("replicas.too_few", extra={"key": record.key, "why": why})
        self._preflight.set_fit(Cause.REPLICAS, is_fit=False)
        return Reason.TOO_FEW_REPLICAS

    def requeue_if_untouched(self, record: Record, *, only_after: int | None = None) -> bool:
        """Is the card still there under this epoch? Then nothing was sent, and it is queued again.

        Not where the bank has proved that it paid: whatever the vault says, that speaks against sending.
        `only_after`: a sweeper waits for the end of the claim's lease (ms), by the ledger's time.
        """
        if record.is_paid_by_notification or not self._custody.is_untouched(record):
            return False
        self._recorder.try_again(record, Verb.REQUEUE, Reason.WORKER_LOST, only_after=only_after)
        return True


def _told(outcome: bank.Paid | bank.Declined) -> RecordFields:
    """What the record keeps of the bank's answer; an id or a mask only where the bank gave one."""
    told: RecordFields = {"code": outcome.code, "evidence": outcome.evidence, "reason": ""}
    given: RecordFields = {"bank_id": outcome.bank_id, "bank_reference": outcome.reference}
    match outcome:
        case bank.Declined():
            told |= {"message": outcome.message, "reason": f"declined_{outcome.code_class}"}
        case bank.Paid():
            given |= {
                "int_reference": outcome.int_reference,
                "sender_card": outcome.sender_card,
                "receiver_card": outcome.receiver_card,
                "sender_card_id": outcome.sender_card_id,
                "receiver_card_id": outcome.receiver_card_id,
            }
    return told | cast("RecordFields", {name: text for name, text in given.items() if text})
