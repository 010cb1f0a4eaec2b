"""The journey of one transfer: all of its control flow is here, and nothing else is.

Read it from top to bottom. A message only says *look at this transfer*; what happens depends on the ledger alone, so
each of the three journeys may run at any time, twice, late, or be cut off between any two lines. "Record, then send"
stands on adjacent lines: `claim`, `take`, and only then the bank.
"""

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import TerminalUnknown, TransferUnknown
from epay_transfers.ledger.record import Record
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
    Known,
    NothingThere,
    Unsettled,
    judge,
    noticed,
    settles,
)
from epay_transfers.worker.preflight import Preflight
from epay_transfers.worker.recorder import Recorder


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
            self._known(key),
            self.preflight,
            self.card_steps,
            self.recorder,
            self.custody,
        )
        if record.state is not State.QUEUED:
            return None  # an old ring
        if not preflight.is_fit:
            return None  # not by this clock, and not on these servers
        if record.is_paid_by_notification:
            return recorder.heed_notification(record)
        if self.clock.now_ms() >= record.deadline_at:
            return self._expire(record)
        if self.clock.now_ms() < record.next_attempt_at:
            return None  # an early ring: its time stands in `due`
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
                return recorder.die(record, "card_unreadable", nonce=claim.claim_nonce)
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
            self._known(key),
            self.preflight,
            self.card_steps,
            self.recorder,
            self.custody,
        )
        if record.state is not State.RESUMED or not preflight.is_fit or self.clock.now_ms() < record.next_attempt_at:
            return None  # as above
        if record.is_paid_by_notification:
            return recorder.heed_notification(record)
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
        """A transfer of which somebody wants to know more: in doubt, held, parked past its time, or asked for."""
        record, preflight, card_steps, recorder = self._known(key), self.preflight, self.card_steps, self.recorder
        if record.state not in {State.IN_DOUBT, State.NEEDS_REVIEW, State.PARKED, State.DEAD}:
            return None
        if self.clock.now_ms() < record.next_attempt_at and not record.requested_action:
            return None  # an early ring
        if preflight.inquiries_paused(record):
            return None  # the lane is paused: rung again later
        if record.state is State.DEAD:
            return self._inquire_dead(record)
        if record.state is State.IN_DOUBT and self._may_be_unsent(record) and card_steps.take_back(record):
            return None  # the card was still there: nothing was sent, and it is queued again
        if not self.bank.has_status:
            return self._nobody_to_ask(record)
        if preflight.hand_on(record):
            return None  # another worker may hold its terminal's credentials

        asked_at = self.clock.now_ms()
        report = self._ask(record)
        if record.state is State.PARKED and settles(report) is None:
            return self._end_parked(record, report)
        match judge(record, report, asked_at_ms=asked_at, rule=self.rule):
            case Known(verb):
                after = record.in_doubt_since + self.rule.horizon_s * 1000 if verb is Verb.CHALLENGE_EXPIRED else None
                recorder.learn(record, verb, report, after=after)
            case NothingThere() if self._was_sent(record):
                recorder.hold(record, "bank_says_not_found")
            case NothingThere():
                recorder.die(record, "card_lost", verb=Verb.LOSE_CARD)
            case Unsettled():
                recorder.hold(record, f"bank_says_{report.status_name or report.word}")
            case AskAgain(reads, at_ms):
                recorder.ask_again(record, reads, report, at_ms)

    def sweep(self, record: Record) -> None:
        """Who is due and is not rung for: a lease that ran out, a deadline that passed."""
        match record.state:
            case State.QUEUED if record.is_paid_by_notification:
                self.recorder.heed_notification(record)
            case State.QUEUED:
                self._expire(record)
            case State.SENDING if not self.card_steps.take_back(record, after=record.lease_until):
                self.recorder.doubt(record, "lease_over", evidence=Evidence.MAYBE_SENT, after=record.lease_until)
            case State.CONFIRMING:
                self.recorder.doubt(record, "lease_over", evidence=Evidence.MAYBE_SENT, after=record.lease_until)
            case _:
                pass

    def _expire(self, record: Record) -> None:
        """The vault is closed before the ledger is told, so the ledger is asked first: by its time it must be over."""
        if self.ledger.now_ms() >= record.deadline_at:
            self.card_steps.end_unsent(record, Verb.EXPIRE, reason="deadline")

    def _known(self, key: str) -> Record:
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
            case Fenced():  # fenced off: it is queued again already, or the sweeper that did it may be lost
                self.recorder.doubt(record, "vault_later", evidence=Evidence.NOT_SENT, nonce=nonce)

    def _inquire_dead(self, record: Record) -> None:
        """What a person asked for a dead transfer. The bank is asked all the same before it is queued again."""
        card_steps, recorder = self.card_steps, self.recorder
        if record.is_paid_by_notification:
            return recorder.heed_notification(record)
        if record.requested_action == "discard" and record.reason == "card_unreadable":
            return recorder.end(record, Verb.CANCEL, reason="discarded")  # the tombstone is of who could not open it
        if record.requested_action == "discard":
            return card_steps.end_unsent(record, Verb.CANCEL, reason="discarded")
        if record.requested_action != "requeue":
            return (
                recorder.drop(record, "a dead transfer can be requeued, discarded or cancelled")
                if record.requested_action
                else None
            )
        if record.reason == "card_lost":
            return recorder.drop(record, "its card is gone: pay it under a new reference")
        if not self.bank.has_status:
            return recorder.drop(record, "the bank can't be asked: no status address is set")
        if self.preflight.hand_on(record):
            return None  # as above
        report = self._ask(record)
        verb = settles(report)
        if verb:
            return recorder.learn(record, verb, report)
        if report.word is not StatusWord.NOT_FOUND:
            return recorder.drop(record, f"the bank says {report.word}")
        if self.custody.is_untouched(record):
            return recorder.requeue_dead(record)
        if record.reason != "card_unreadable" and self.custody.was_taken(Purpose.CARD, record):
            return recorder.remember(record)
        return recorder.drop(record, "its card is gone: pay it under a new reference")

    def _end_parked(self, record: Record, report: StatusReport | None) -> None:
        """The challenge's time is over, or its producer cancels: the bank was asked first, where it can be."""
        now_ms = self.clock.now_ms()
        is_over = record.requested_action == "cancel" or now_ms >= record.parked_until
        word = report.word if report else StatusWord.NOT_FOUND
        match word:
            case _ if not is_over:
                return self.recorder.ask_again(record, 0, report)
            case StatusWord.NOT_FOUND:
                pass
            case StatusWord.CHALLENGE_OPEN if not record.three_ds2_fields:
                pass
            case _ if now_ms < record.parked_until + self.rule.horizon_s * 1000:
                return self.recorder.ask_again(record, 0, report)
            case StatusWord.UNANSWERED | StatusWord.CHALLENGE_OPEN:
                pass  # so long: our own evidence has to do
            case _:
                return self._remember_confirm(record, f"bank_says_{word}")
        if record.is_paid_by_notification:
            return self.recorder.heed_notification(record)
        if self.custody.was_taken(Purpose.PARES, record):
            return self._remember_confirm(record, "vault_remembers")
        if record.three_ds2_fields and word is not StatusWord.CHALLENGE_OPEN:
            return self._remember_confirm(record, "answered_by_secure_2")
        verb = Verb.CANCEL if record.requested_action == "cancel" else Verb.EXPIRE
        return self.recorder.end(
            record, verb, reason="cancelled" if record.requested_action == "cancel" else "challenge_unanswered"
        )

    def _remember_confirm(self, record: Record, reason: str) -> None:
        self.recorder.doubt(record, reason, verb=Verb.FOUND_TAKEN_CONFIRM, evidence=Evidence.MAYBE_SENT)

    def _nobody_to_ask(self, record: Record) -> None:
        """No status address is set: our own evidence, the bank's notification, or a person."""
        match record.state:
            case State.PARKED | State.IN_DOUBT | State.NEEDS_REVIEW if notice := noticed(record):
                self.recorder.noticed(record, *notice)
            case State.PARKED:
                self._end_parked(record, None)
            case State.IN_DOUBT:
                self.recorder.hold(record, "no_status_address")
            case _:
                self.recorder.tomorrow(record)

    def _ask(self, record: Record) -> StatusReport:
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
