"""The journeys of one transfer, step by step: execute, confirm, inquire; and sweep, which repairs what a worker left.

Read it from top to bottom. What one bank answer leads to is in `card_steps.record_outcome` and `inquiry_rules.judge`.

The ledger and the vault are two servers: the ledger keeps the state of each transfer, the vault its card (and later its
PaRes), which it gives out once. A queue message says only *look at this transfer*; what happens depends on the ledger
alone, so each journey may run at any time, twice, late, or be cut off between any two lines: the sweeper finds the
transfer in `due`. The order is always: claim in the ledger (and on its replicas, where `LEDGER_REPLICAS` says so), take
from the vault, call the bank, record.
"""

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import TerminalUnknown, TransferUnknown
from epay_transfers.ledger.reasons import TAKEN_UNSENT, Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Fenced, Gone, Taken, TakeUnanswered
from epay_transfers.worker.bank import Bank, Evidence, StatusReport, StatusWord
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.card_steps import CardSteps
from epay_transfers.worker.inquiry_rules import (
    AskAgain,
    InquiryRule,
    NothingThere,
    NotifiedDecline,
    Settled,
    Unsettled,
    judge,
    not_found_is_final,
    noticed,
    settles,
)
from epay_transfers.worker.preflight import Preflight
from epay_transfers.worker.questions import NO_STATUS_ADDRESS, Questions
from epay_transfers.worker.recorder import Recorder

#: What an operator reads of a dead transfer that can't be sent again.
_CARD_GONE = "its card is gone: pay it under a new reference"
_ORDER_CHANGED = "its record is not what its producer ordered: pay it under a new reference"


class Journey:
    def __init__(
        self,
        *,
        ledger: Ledger,
        custody: CardCustody,
        bank: Bank,
        preflight: Preflight,
        card_steps: CardSteps,
        recorder: Recorder,
        questions: Questions,
        rule: InquiryRule,
        clock: Clock,
    ) -> None:
        self.ledger = ledger
        self.custody = custody
        self.bank = bank
        self.preflight = preflight
        self.card_steps = card_steps
        self.recorder = recorder
        self.questions = questions
        self.rule = rule
        self.clock = clock

    def execute(self, key: str) -> None:
        """A queued transfer: the bank's token, claim, take, send, record. 3-D Secure parks it; then comes `confirm`."""
        record, preflight, recorder = self._record(key), self.preflight, self.recorder
        if record.state is not State.QUEUED:
            return None  # an old wake-up
        if not preflight.is_fit:
            return None  # this machine's clock or the servers are not as they must be: this worker sends nothing
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if self.clock.now_ms() >= record.deadline_at:
            return self._expire(record)
        if self.clock.now_ms() < record.next_attempt_at:
            return None  # an early wake-up: `due` has its time
        if self.custody.is_card_missing(record):
            return None  # its producer may bring the card again; else the sweeper expires it
        why_not_now = preflight.why_not_now(record, Lane.SEND)
        if why_not_now is not None:
            return preflight.postpone(record, why_not_now)
        order = preflight.order(record)
        token = preflight.token(record, order)
        if token is None:
            return None  # nothing was sent, and the next try has its time
        terminal = preflight.terminal(record)
        if self.clock.now_ms() >= record.deadline_at or self.custody.is_card_missing(record):
            return None  # asked again, since a token takes its time; the sweeper expires it

        lease = preflight.lease()
        claim = preflight.claim(record, Lane.SEND)
        if not isinstance(claim, Moved):
            return preflight.postpone(record, claim)
        if claim.too_few:
            return self.card_steps.give_up_claim(record, claim)
        taken = self.custody.take(Purpose.CARD, record, claim)
        if not isinstance(taken, Taken):
            return self._take_failed(record, claim, taken)
        steps = self.card_steps
        with steps.doubt_unless_recorded(record, claim):
            if why_not := steps.why_not_to_send(record, claim, taken):
                return steps.return_to_queue(record, taken, why_not)
            opened = steps.open_cards(record, taken)
            if opened is None:
                return recorder.fail(record, Reason.CARD_UNREADABLE, nonce=claim.claim_nonce)
            if changed := opened.order.differing(record):  # the request is built from this very record
                return steps.refuse_changed_order(record, taken, changed)
            counts = steps.counts_of(record, claim, opened.cards)
            if why_not := steps.count_receiver(record, counts):
                return steps.return_uncounted(record, taken, counts, why_not)
            if not lease.is_valid():
                return steps.return_to_queue(record, taken, Reason.LEASE_OVER, counts)
            outcome = self.bank.transfer(terminal, token, order=order, cards=opened.cards, lease_ends_at=lease.ends_at)
            return steps.record_outcome(record, taken, outcome, counts)

    def confirm(self, key: str) -> None:
        """A resumed transfer, whose client answered 3-D Secure: token, claim, take the PaRes, confirm, record."""
        record, preflight, recorder = self._record(key), self.preflight, self.recorder
        if record.state is not State.RESUMED or not preflight.is_fit or self.clock.now_ms() < record.next_attempt_at:
            return None  # an old or an early wake-up, or an unfit worker
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        challenge = self.ledger.challenge(record)
        why_not_now = preflight.why_not_now(record, Lane.CONFIRM)
        if why_not_now is not None:
            return preflight.postpone(record, why_not_now)
        order = preflight.order(record)
        token = preflight.token(record, order) if preflight.confirm_needs_token else None
        if token is None and preflight.confirm_needs_token:
            return None  # nothing was sent, and the next try has its time

        lease = preflight.lease()
        claim = preflight.claim(record, Lane.CONFIRM)
        if not isinstance(claim, Moved):
            return preflight.postpone(record, claim)
        taken = self.custody.take(Purpose.PARES, record, claim)
        if not isinstance(taken, Taken):
            return self._take_failed(record, claim, taken)
        steps = self.card_steps
        with steps.doubt_unless_recorded(record, claim):
            if why_not := steps.why_not_to_send(record, claim, taken):
                return steps.return_to_queue(record, taken, why_not)
            pa_res = steps.open_pares(record, taken)
            if pa_res is None or challenge is None:
                recorder.doubt(record, Reason.PARES_UNREADABLE, evidence=Evidence.NOT_SENT, nonce=claim.claim_nonce)
                return None
            if not lease.is_valid():
                return steps.return_to_queue(record, taken, Reason.LEASE_OVER)
            outcome = self.bank.confirm(
                token,
                order=order,
                bank_id=record.bank_id,
                pa_res=pa_res,
                md=challenge.md,
                lease_ends_at=lease.ends_at,
            )
            return steps.record_outcome(record, taken, outcome)

    def inquire(self, key: str) -> None:
        """The bank is asked about a transfer: in doubt, in review, parked past its time, or dead with a request."""
        record, preflight, recorder = self._record(key), self.preflight, self.recorder
        if self.questions.is_due(record):
            return self._ask(record)  # an operator asked, or it has ended and is asked about once more
        if record.state not in {State.IN_DOUBT, State.NEEDS_REVIEW, State.PARKED, State.DEAD}:
            return None  # an old wake-up
        if self.clock.now_ms() < record.next_attempt_at and not record.requested_action:
            return None  # an early wake-up
        if preflight.inquiries_paused(record):
            return None  # inquiries are paused: the sweeper sends the next wake-up
        if record.state is State.DEAD:
            return self._inquire_dead(record)
        if record.state is State.IN_DOUBT and self._worker_sent_nothing(record):
            # The vault gives a card out once: one that is still there was not sent.
            is_queued_again = self.card_steps.requeue_if_untouched(record)
            if is_queued_again:
                return None
        if not self.bank.has_status:
            return self._no_status_address(record)
        if preflight.hand_on(record, waits=self._waits_for_credentials(record)):
            return None  # another worker may hold its terminal's credentials
        if not preflight.may_inquire(record):
            return None  # many are asked about: it comes again in a second

        asked_at = self.clock.now_ms()
        report = self._report(record)
        if record.state is State.PARKED and settles(report) is None:
            return self._end_parked(record, report)
        horizon_at = record.in_doubt_since + self.rule.horizon_s * 1000
        match judge(record, report, asked_at_ms=asked_at, rule=self.rule):
            case Settled(Verb.CHALLENGE_EXPIRED) if self.custody.was_taken(Purpose.PARES, record):
                recorder.send_to_review(record, Reason.VAULT_REMEMBERS)  # of a confirm, which the ledger forgot
            case Settled(verb):
                only_after = horizon_at if verb is Verb.CHALLENGE_EXPIRED else None
                recorder.inquiry_settled(record, verb, report, only_after=only_after)
            case NothingThere() if not self._may_have_been_sent(record):
                recorder.fail(record, Reason.CARD_LOST, verb=Verb.LOSE_CARD)
            case NothingThere() if not_found_is_final(record, self.rule):
                if self.custody.was_taken(Purpose.PARES, record):  # the bank did name it, in a challenge
                    recorder.send_to_review(record, Reason.VAULT_REMEMBERS)
                else:
                    recorder.not_found_ends(record, self.rule.not_found_letter, only_after=horizon_at)
            case NothingThere():
                recorder.send_to_review(record, Reason.BANK_SAYS_NOT_FOUND)
            case Unsettled():
                recorder.unsettled(record, report)
            case AskAgain(reads, at_ms):
                recorder.inquire_again(record, reads, report, at_ms)

    def _ask(self, record: Record) -> None:
        """It changes only what an inquiry may change; an operator's decision waits for what the bank says."""
        if self.preflight.inquiries_paused(record):
            return  # the sweeper sends the next wake-up
        if not self.bank.has_status:
            self._ask_no_bank(record)
        elif not self.questions.is_anothers(record):
            self.questions.answered(record, self._report(record))

    def _ask_no_bank(self, record: Record) -> None:
        """The bank's proved notification of a payment is its word then, whatever an operator said."""
        match noticed(record):
            case Settled(verb) if record.state in verb.row.moves and self.recorder.notified_paid(record, verb):
                return
            case _:
                self.questions.answered(record, NO_STATUS_ADDRESS)

    def sweep(self, record: Record) -> None:
        """A transfer that no message moves on: the lease of its claim ran out, or its deadline passed."""
        match record.state:
            case State.QUEUED if record.is_paid_by_notification:
                self.recorder.doubt_paid_by_notification(record)
            case State.QUEUED:
                self._expire(record)
            case State.SENDING:
                is_queued_again = self.card_steps.requeue_if_untouched(record, only_after=record.lease_until)
                if not is_queued_again:
                    self._doubt_lost_claim(record)
            case State.CONFIRMING:  # never fenced and repeated: its client's next PaRes could land under the old epoch
                self._doubt_lost_claim(record)
            case _:
                pass

    def _doubt_lost_claim(self, record: Record) -> None:
        """Its worker said nothing before the lease ended: silence proves nothing."""
        self.recorder.doubt(record, Reason.LEASE_OVER, evidence=Evidence.MAYBE_SENT, only_after=record.lease_until)

    def _expire(self, record: Record) -> None:
        """Closing the card's place can't be undone: so the deadline is checked first, by the ledger's own time."""
        if self.ledger.now_ms() >= record.deadline_at:
            self.recorder.withdraw(record, Verb.EXPIRE, reason=Reason.DEADLINE)

    def _record(self, key: str) -> Record:
        record = self.ledger.get(key)
        if record is None:
            raise TransferUnknown
        return record

    def _take_failed(self, record: Record, claim: Moved, taken: Fenced | Gone | TakeUnanswered) -> None:
        """The claim sends nothing, but an earlier one may have sent: in doubt, and the bank is asked."""
        nonce = claim.claim_nonce
        match taken:
            case Gone(Content.TOMBSTONE, epoch):
                evidence = Evidence.MAYBE_SENT
                is_claim_held = self.recorder.doubt(record, Reason.VAULT_TOMBSTONE, evidence=evidence, nonce=nonce)
                # The ledger has this claim, and the vault says that the card was taken out before it: the ledger forgot
                # the claim that took it, so it went back. A worker that slept has lost its claim, which is no alarm. A
                # tombstone of a lower epoch is left by a vault that went back itself.
                if is_claim_held and epoch >= record.epoch:
                    self.card_steps.ledger_went_back(claim)
            case Gone(there):
                self.recorder.doubt(record, f"vault_{there}", evidence=Evidence.NOT_SENT, nonce=nonce)
            case TakeUnanswered():
                self.recorder.doubt(record, Reason.VAULT_UNANSWERED, evidence=Evidence.NOT_SENT, nonce=nonce)
            case Fenced() if record.phase is Phase.CONFIRM:
                # A blob of a later epoch: the ledger forgot tries that put the PaRes back unsent, for a confirm is
                # fenced off by its own claim alone. It goes to the next epoch, until it has reached the blob's.
                self.recorder.try_again(record, Verb.REQUEUE_CONFIRM, Reason.VAULT_LATER, nonce=nonce)
            case Fenced():  # the card is kept for a newer claim; the sweeper that moved it may have died half-way
                self.recorder.doubt(record, Reason.VAULT_LATER, evidence=Evidence.NOT_SENT, nonce=nonce)

    def _inquire_dead(self, record: Record) -> None:
        """What an operator requested for a dead transfer. Before it is queued again the bank is asked."""
        recorder, request = self.recorder, record.requested_action
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if not request:
            return None
        if request == RequestedAction.DISCARD:
            return recorder.withdraw(record, Verb.CANCEL, reason=Reason.DISCARDED)
        if request != RequestedAction.REQUEUE:
            return recorder.refuse_request(record, "a dead transfer can be requeued or discarded")
        if record.reason == Reason.CARD_LOST:
            return recorder.refuse_request(record, _CARD_GONE)
        if record.reason == Reason.ORDER_CHANGED:
            return recorder.refuse_request(record, _ORDER_CHANGED)
        if not self.bank.has_status:
            return recorder.refuse_request(record, "the bank can't be asked: no status address is set")
        if self.preflight.hand_on(record, waits=True) or not self.preflight.may_inquire(record):
            return None  # another worker may hold its terminal's credentials; or many are asked about
        report = self._report(record)
        verb = settles(report)
        if verb:
            recorder.inquiry_settled(record, verb, report)
            return None
        if report.word is not StatusWord.NOT_FOUND:
            return recorder.refuse_request(record, f"the bank says {report.word}")
        if self.custody.is_untouched(record):
            return recorder.requeue_dead(record)
        if record.reason not in TAKEN_UNSENT and self.custody.was_taken(Purpose.CARD, record):
            return recorder.found_taken(record)
        return recorder.refuse_request(record, _CARD_GONE)

    def _end_parked(self, record: Record, report: StatusReport | None) -> None:
        """The challenge's time is over, or its producer cancels. `report` is None where the bank can't be asked."""
        recorder, now_ms = self.recorder, self.clock.now_ms()
        word = report.word if report else None
        is_cancel = record.requested_action == RequestedAction.CANCEL
        is_open = word is StatusWord.CHALLENGE_OPEN
        # With 3-D Secure 2 fields the client may have answered at the bank: an open challenge counts later, if at all.
        is_not_answered = word in {None, StatusWord.NOT_FOUND} or (is_open and not record.three_ds2_fields)
        if not is_cancel and now_ms < record.parked_until:
            return recorder.inquire_again(record, 0, report)
        if not is_not_answered and now_ms < record.parked_until + self.rule.horizon_s * 1000:
            return recorder.inquire_again(record, 0, report)
        if not is_not_answered and not is_open and word is not StatusWord.UNANSWERED:
            return self._doubt_the_confirm(record, f"bank_says_{word}")
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if self.custody.was_taken(Purpose.PARES, record):
            return self._doubt_the_confirm(record, Reason.VAULT_REMEMBERS)
        if record.three_ds2_fields and not is_open:
            return self._doubt_the_confirm(record, Reason.ANSWERED_BY_SECURE_2)
        if is_cancel:
            return recorder.end_parked(record, Verb.CANCEL, reason=Reason.CANCELLED)
        return recorder.end_parked(record, Verb.EXPIRE, reason=Reason.CHALLENGE_UNANSWERED)

    def _doubt_the_confirm(self, record: Record, reason: str) -> None:
        self.recorder.doubt(record, reason, verb=Verb.FOUND_TAKEN_CONFIRM, evidence=Evidence.MAYBE_SENT)

    def _no_status_address(self, record: Record) -> None:
        """The bank can't be asked: its notification of a payment decides, our own evidence, or an operator."""
        match record.state, noticed(record):
            case _, Settled(verb):
                self.recorder.notified_paid(record, verb)
            case _, NotifiedDecline(code):
                self.recorder.notified_decline(record, code)
            case State.PARKED, None:
                self._end_parked(record, None)
            case State.IN_DOUBT, None:
                self.recorder.send_to_review(record, Reason.NO_STATUS_ADDRESS)
            case _:  # in review: an operator has it
                self.recorder.look_tomorrow(record)

    def _report(self, record: Record) -> StatusReport:
        """The bank's word; there is none for a terminal whose credentials no worker that took it over has."""
        try:
            terminal = self.preflight.terminal(record)
        except TerminalUnknown:
            return StatusReport(StatusWord.UNANSWERED, why=Reason.TERMINAL_UNKNOWN)
        return self.bank.status(terminal, order=self.preflight.order(record))

    def _waits_for_credentials(self, record: Record) -> bool:
        """A worker that can ask the bank answers what an operator asked; but no doubt is kept from a person by it."""
        is_patient = self.clock.now_ms() < record.in_doubt_since + self.rule.patience_s * 1000
        return record.requested_action == RequestedAction.INQUIRE and (record.state is not State.IN_DOUBT or is_patient)

    def _worker_sent_nothing(self, record: Record) -> bool:
        """Only NOT_SENT that the claim's own worker wrote says so: a card in the vault does not change another word."""
        return record.phase is Phase.SEND and record.evidence == Evidence.NOT_SENT

    def _may_have_been_sent(self, record: Record) -> bool:
        """Unless its worker sent nothing, no notification says that it paid, and no other claim took the card."""
        is_unsent = self._worker_sent_nothing(record) and not record.is_paid_by_notification
        return not is_unsent or self.custody.was_taken_by_another(record)
