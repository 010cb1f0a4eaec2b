"""The journey of one transfer: all of its control flow is here, and nothing else is.

Read it from top to bottom. A message only says *look at this transfer*; what happens depends on the ledger alone, so
each of the three journeys may run at any time, twice, late, or be cut off between any two lines. "Record, then send"
stands on adjacent lines: `claim`, `take`, and only then the bank.
"""

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import TerminalUnknown, TransferUnknown
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store.lanes import Lane
from epay_transfers.ledger.store.ledger import Ledger
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
    Settled,
    Unsettled,
    judge,
    noticed,
    settles,
)
from epay_transfers.worker.preflight import Preflight
from epay_transfers.worker.recorder import Recorder

#: What an operator reads of a dead transfer that can't be sent again.
_CARD_GONE = "its card is gone: pay it under a new reference"


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
        rule: InquiryRule,
        clock: Clock,
    ) -> None:
        self.ledger = ledger
        self.custody = custody
        self.bank = bank
        self.preflight = preflight
        self.card_steps = card_steps
        self.recorder = recorder
        self.rule = rule
        self.clock = clock

    def execute(self, key: str) -> None:
        """A queued transfer: token, claim, take, send, record."""
        record, preflight, card_steps, recorder, custody = (
            self._record(key),
            self.preflight,
            self.card_steps,
            self.recorder,
            self.custody,
        )
        if record.state is not State.QUEUED:
            return None  # an old wake-up
        if not preflight.is_fit:
            return None  # not by this clock, and not on these servers
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if self.clock.now_ms() >= record.deadline_at:
            return self._expire(record)
        if self.clock.now_ms() < record.next_attempt_at:
            return None  # an early wake-up: its time stands in `due`
        if custody.is_card_missing(record):
            return None  # its producer may bring it again, until the deadline
        closed = preflight.closed(record, Lane.SEND)
        if closed is not None:
            return preflight.postpone(record, closed)
        token = preflight.token(record)
        if token is None:
            return None  # nothing was at stake; the next try has its time
        if self.clock.now_ms() >= record.deadline_at or custody.is_card_missing(record):
            return None  # as above, asked again: a token takes its time

        lease = preflight.lease()
        claim = preflight.claim(record, Lane.SEND)
        if not isinstance(claim, Moved):
            return preflight.postpone(record, claim)
        taken = custody.take(Purpose.CARD, record, claim)
        if not isinstance(taken, Taken):
            return self._nothing_to_send(record, claim, taken)
        with card_steps.doubt_unless_recorded(record, claim):
            if why_not := card_steps.why_not_to_send(claim, taken):
                return card_steps.give_back(record, taken, why_not)
            cards = card_steps.open_cards(record, taken)
            if cards is None:
                return recorder.fail(record, "card_unreadable", nonce=claim.claim_nonce)
            if not lease.stands():
                return card_steps.give_back(record, taken, "lease_over")
            outcome = self.bank.transfer(
                preflight.terminal(record),
                token,
                order=preflight.order(record),
                cards=cards,
                lease_ends_at=lease.ends_at,
            )
            return card_steps.record_outcome(record, taken, outcome)

    def confirm(self, key: str) -> None:
        """A resumed transfer: token, claim, take the PaRes, confirm, record."""
        record, preflight, card_steps, recorder, custody = (
            self._record(key),
            self.preflight,
            self.card_steps,
            self.recorder,
            self.custody,
        )
        if record.state is not State.RESUMED or not preflight.is_fit or self.clock.now_ms() < record.next_attempt_at:
            return None  # as above
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        challenge = self.ledger.challenge(record)
        closed = preflight.closed(record, Lane.CONFIRM)
        if closed is not None:
            return preflight.postpone(record, closed)
        token = preflight.token(record) if preflight.confirm_needs_token else None
        if token is None and preflight.confirm_needs_token:
            return None  # as above

        lease = preflight.lease()
        claim = preflight.claim(record, Lane.CONFIRM)
        if not isinstance(claim, Moved):
            return preflight.postpone(record, claim)
        taken = custody.take(Purpose.PARES, record, claim)
        if not isinstance(taken, Taken):
            return self._nothing_to_send(record, claim, taken)
        with card_steps.doubt_unless_recorded(record, claim):
            if why_not := card_steps.why_not_to_send(claim, taken):
                return card_steps.give_back(record, taken, why_not)
            pa_res = card_steps.open_pares(record, taken)
            if pa_res is None or challenge is None:
                recorder.doubt(record, "pares_unreadable", evidence=Evidence.NOT_SENT, nonce=claim.claim_nonce)
                return None
            if not lease.stands():
                return card_steps.give_back(record, taken, "lease_over")
            outcome = self.bank.confirm(
                token,
                order=preflight.order(record),
                bank_id=record.bank_id,
                pa_res=pa_res,
                md=challenge.md,
                lease_ends_at=lease.ends_at,
            )
            return card_steps.record_outcome(record, taken, outcome)

    def inquire(self, key: str) -> None:
        """A transfer about which the bank is asked: in doubt, in review, parked past its time, or by request."""
        record, preflight, card_steps, recorder = self._record(key), self.preflight, self.card_steps, self.recorder
        if record.state not in {State.IN_DOUBT, State.NEEDS_REVIEW, State.PARKED, State.DEAD}:
            return None
        if self.clock.now_ms() < record.next_attempt_at and not record.requested_action:
            return None  # an early wake-up
        if preflight.inquiries_paused(record):
            return None  # the lane is paused: the sweeper sends the next wake-up
        if record.state is State.DEAD:
            return self._inquire_dead(record)
        if record.state is State.IN_DOUBT and self._may_be_unsent(record) and card_steps.take_back(record):
            return None  # the card was still there: nothing was sent, and it is queued again
        if not self.bank.has_status:
            return self._no_status_address(record)
        if preflight.hand_on(record):
            return None  # another worker may hold its terminal's credentials

        asked_at = self.clock.now_ms()
        report = self._report(record)
        if record.state is State.PARKED and settles(report) is None:
            return self._end_parked(record, report)
        match judge(record, report, asked_at_ms=asked_at, rule=self.rule):
            case Settled(verb):
                horizon_at = record.in_doubt_since + self.rule.horizon_s * 1000
                only_after = horizon_at if verb is Verb.CHALLENGE_EXPIRED else None
                recorder.inquiry_settled(record, verb, report, only_after=only_after)
            case NothingThere() if self._was_sent(record):
                recorder.send_to_review(record, "bank_says_not_found")
            case NothingThere():
                recorder.fail(record, "card_lost", verb=Verb.LOSE_CARD)
            case Unsettled():
                recorder.send_to_review(record, f"bank_says_{report.status_name or report.word}")
            case AskAgain(reads, at_ms):
                recorder.inquire_again(record, reads, report, at_ms)

    def sweep(self, record: Record) -> None:
        """A transfer that needs no wake-up to go on: its lease ran out, or its deadline passed."""
        match record.state:
            case State.QUEUED if record.is_paid_by_notification:
                self.recorder.doubt_paid_by_notification(record)
            case State.QUEUED:
                self._expire(record)
            case State.SENDING if not self.card_steps.take_back(record, only_after=record.lease_until):
                self.recorder.doubt(record, "lease_over", evidence=Evidence.MAYBE_SENT, only_after=record.lease_until)
            case State.CONFIRMING:
                self.recorder.doubt(record, "lease_over", evidence=Evidence.MAYBE_SENT, only_after=record.lease_until)
            case _:
                pass

    def _expire(self, record: Record) -> None:
        """The vault is closed before the ledger is told, so the ledger is asked first: by its time it must be over."""
        if self.ledger.now_ms() >= record.deadline_at:
            self.recorder.withdraw(record, Verb.EXPIRE, reason="deadline")

    def _record(self, key: str) -> Record:
        record = self.ledger.get(key)
        if record is None:
            raise TransferUnknown
        return record

    def _nothing_to_send(self, record: Record, claim: Moved, taken: Fenced | Gone | TakeUnanswered) -> None:
        """The claim sends nothing, which proves nothing of an earlier one: in doubt, and the bank is asked."""
        nonce = claim.claim_nonce
        match taken:
            case Gone(Content.TOMBSTONE, epoch):
                evidence = Evidence.MAYBE_SENT
                is_ours = self.recorder.doubt(record, "vault_tombstone", evidence=evidence, nonce=nonce)
                # The claim stands, and the ledger knows nothing of the one that took the card out. A worker that slept
                # finds its claim gone; a lower epoch is of a vault that went back to before the card was put back.
                if is_ours and epoch >= record.epoch:
                    self.card_steps.ledger_went_back(claim)
            case Gone(there):
                self.recorder.doubt(record, f"vault_{there}", evidence=Evidence.NOT_SENT, nonce=nonce)
            case TakeUnanswered():
                self.recorder.doubt(record, "vault_unanswered", evidence=Evidence.NOT_SENT, nonce=nonce)
            case Fenced():  # for a later epoch: it is queued again already, or the sweeper that did it may be lost
                self.recorder.doubt(record, "vault_later", evidence=Evidence.NOT_SENT, nonce=nonce)

    def _inquire_dead(self, record: Record) -> None:
        """What was requested for a dead transfer. The bank is asked all the same before it is queued again."""
        recorder, request = self.recorder, record.requested_action
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if not request:
            return None
        if request == RequestedAction.DISCARD:
            return recorder.withdraw(record, Verb.CANCEL, reason="discarded")
        if request != RequestedAction.REQUEUE:
            return recorder.refuse_request(record, "a dead transfer can be requeued, discarded or cancelled")
        if record.reason == "card_lost":
            return recorder.refuse_request(record, _CARD_GONE)
        if not self.bank.has_status:
            return recorder.refuse_request(record, "the bank can't be asked: no status address is set")
        if self.preflight.hand_on(record):
            return None  # another worker may hold its terminal's credentials
        report = self._report(record)
        verb = settles(report)
        if verb:
            return recorder.inquiry_settled(record, verb, report)
        if report.word is not StatusWord.NOT_FOUND:
            return recorder.refuse_request(record, f"the bank says {report.word}")
        if self.custody.is_untouched(record):
            return recorder.requeue_dead(record)
        if record.reason != "card_unreadable" and self.custody.was_taken(Purpose.CARD, record):
            return recorder.found_taken(record)
        return recorder.refuse_request(record, _CARD_GONE)

    def _end_parked(self, record: Record, report: StatusReport | None) -> None:
        """The challenge's time is over, or its producer cancels: the bank was asked first, where it can be."""
        recorder, now_ms = self.recorder, self.clock.now_ms()
        word = report.word if report else StatusWord.NOT_FOUND
        is_cancel = record.requested_action == RequestedAction.CANCEL
        is_before_horizon = now_ms < record.parked_until + self.rule.horizon_s * 1000
        # What the client brought by 3-D Secure 2 may have been an answer: an open challenge proves nothing then.
        says_unanswered = word is StatusWord.NOT_FOUND or (
            word is StatusWord.CHALLENGE_OPEN and not record.three_ds2_fields
        )
        if not is_cancel and now_ms < record.parked_until:
            return recorder.inquire_again(record, 0, report)
        if not says_unanswered and is_before_horizon:
            return recorder.inquire_again(record, 0, report)
        if not says_unanswered and word not in {StatusWord.UNANSWERED, StatusWord.CHALLENGE_OPEN}:
            return self._doubt_the_confirm(record, f"bank_says_{word}")
        # From here on our own evidence decides.
        if record.is_paid_by_notification:
            return recorder.doubt_paid_by_notification(record)
        if self.custody.was_taken(Purpose.PARES, record):
            return self._doubt_the_confirm(record, "vault_remembers")
        if record.three_ds2_fields and word is not StatusWord.CHALLENGE_OPEN:
            return self._doubt_the_confirm(record, "answered_by_secure_2")
        if is_cancel:
            return recorder.end_parked(record, Verb.CANCEL, reason="cancelled")
        return recorder.end_parked(record, Verb.EXPIRE, reason="challenge_unanswered")

    def _doubt_the_confirm(self, record: Record, reason: str) -> None:
        self.recorder.doubt(record, reason, verb=Verb.FOUND_TAKEN_CONFIRM, evidence=Evidence.MAYBE_SENT)

    def _no_status_address(self, record: Record) -> None:
        """No status address is set: our own evidence, the bank's notification, or a person."""
        match record.state:
            case State.PARKED | State.IN_DOUBT | State.NEEDS_REVIEW if notice := noticed(record):
                self.recorder.notification_settled(record, *notice)
            case State.PARKED:
                self._end_parked(record, None)
            case State.IN_DOUBT:
                self.recorder.send_to_review(record, "no_status_address")
            case _:
                self.recorder.look_tomorrow(record)

    def _report(self, record: Record) -> StatusReport:
        """The bank's word; for a terminal whose credentials no worker seems to hold there is none."""
        try:
            terminal = self.preflight.terminal(record)
        except TerminalUnknown:
            return StatusReport(StatusWord.UNANSWERED, why="terminal_unknown")
        return self.bank.status(terminal, order=self.preflight.order(record))

    def _may_be_unsent(self, record: Record) -> bool:
        """Only of the worker's own word is it known that it sent nothing; the vault never overrules another word."""
        return record.phase is Phase.SEND and record.evidence == Evidence.NOT_SENT

    def _was_sent(self, record: Record) -> bool:
        """May it have been? Not where its own worker says that it sent nothing, and no other claim took the card."""
        is_unsent = self._may_be_unsent(record) and not record.is_paid_by_notification
        return not is_unsent or self.custody.was_taken_by_another(record)
