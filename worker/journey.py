"""The journey of one transfer: all of its control flow is here, and nothing else is.

Read it from top to bottom. A message only says *look at this transfer*; what happens depends on the ledger alone, so
each of the three journeys may run at any time, twice, late, or be cut off between any two lines. "Record, then send"
stands on adjacent lines: `claim`, `burn`, and only then the bank.
"""

from ledger.clock import Clock
from ledger.errors import TerminalUnknown, TransferUnknown
from ledger.lanes import Lane
from ledger.ledger import Ledger
from ledger.record import Record
from ledger.replies import Moved
from ledger.sealing import Purpose
from ledger.states import Phase, State, Verb
from ledger.vault import TOMBSTONE_STANDS_S, Burnt, Gone, Later, There, Vault
from worker.bank import Bank, Evidence, StatusReport, StatusWord
from worker.doubt import AskAgain, DoubtRule, Known, NothingThere, Unsettled, judge, noticed, settles
from worker.gate import Gate
from worker.scribe import Scribe
from worker.steps import Steps


class Journey:
    def __init__(
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        bank: Bank,
        gate: Gate,
        steps: Steps,
        scribe: Scribe,
        rule: DoubtRule,
        clock: Clock,
    ) -> None:
        self.ledger = ledger
        self.vault = vault
        self.bank = bank
        self.gate = gate
        self.steps = steps
        self.scribe = scribe
        self.rule = rule
        self.clock = clock

    def execute(self, key: str) -> None:
        """A queued transfer: token, claim, burn, send, record."""
        record, gate, steps, scribe = self._known(key), self.gate, self.steps, self.scribe
        if record.state is not State.QUEUED:
            return None  # an old ring
        if not gate.is_fit:
            return None  # not by this clock, and not on these servers
        if self.clock.now_ms() >= record.expires:
            return self._expire(record)
        if self.clock.now_ms() < record.next:
            return None  # an early ring: its time stands in `due`
        if steps.is_card_missing(record):
            return None  # its producer may bring it again, until the deadline
        closed = gate.closed(record, Lane.SEND)
        if closed is not None:
            return gate.postpone(record, closed)
        token = gate.token(record)
        if token is None:
            return None  # nothing was at stake; the next try has its time
        if self.clock.now_ms() >= record.expires or steps.is_card_missing(record):
            return None  # as above, asked again: a token takes its time

        lease = gate.lease()
        claim = gate.claim(record, Lane.SEND)
        if not isinstance(claim, Moved):
            return gate.postpone(record, claim)
        burnt = steps.burn(Purpose.CARD, record, claim)
        if not isinstance(burnt, Burnt):
            return self._nothing_to_send(record, burnt)
        with steps.doubt_unless_recorded(record):
            cards = steps.open_cards(record, burnt)
            if cards is None:
                return scribe.die(record, "card_unreadable")
            if not lease.stands():
                return steps.give_back(record, burnt, "lease_over")
            outcome = self.bank.transfer(gate.terminal(record), token, order=gate.order(record), cards=cards)
            return steps.record_outcome(record, burnt, outcome)

    def confirm(self, key: str) -> None:
        """A resumed transfer: token, claim, burn the PaRes, confirm, record."""
        record, gate, steps, scribe = self._known(key), self.gate, self.steps, self.scribe
        if record.state is not State.RESUMED or not gate.is_fit or self.clock.now_ms() < record.next:
            return None  # as above
        challenge = self.ledger.challenge(record)
        closed = gate.closed(record, Lane.CONFIRM)
        if closed is not None:
            return gate.postpone(record, closed)
        token = gate.token(record) if gate.confirm_needs_token else None
        if token is None and gate.confirm_needs_token:
            return None  # as above

        lease = gate.lease()
        claim = gate.claim(record, Lane.CONFIRM)
        if not isinstance(claim, Moved):
            return gate.postpone(record, claim)
        burnt = steps.burn(Purpose.PARES, record, claim)
        if not isinstance(burnt, Burnt):
            return self._nothing_to_send(record, burnt)
        with steps.doubt_unless_recorded(record):
            pa_res = steps.open_pares(record, burnt)
            if pa_res is None or challenge is None:
                return scribe.doubt(record, "pares_unreadable")
            if not lease.stands():
                return steps.give_back(record, burnt, "lease_over")
            outcome = self.bank.confirm(
                token, order=gate.order(record), bank_id=record.bank_id, pa_res=pa_res, md=challenge.md
            )
            return steps.record_outcome(record, burnt, outcome)

    def inquire(self, key: str) -> None:
        """A transfer of which somebody wants to know more: in doubt, held, parked past its time, or asked for."""
        record, gate, steps, scribe = self._known(key), self.gate, self.steps, self.scribe
        if record.state not in {State.IN_DOUBT, State.HELD, State.PARKED, State.DEAD}:
            return None
        if self.clock.now_ms() < record.next and not record.asked:
            return None  # an early ring
        if gate.inquiries_stopped(record):
            return None  # the lane is paused: rung again later
        if record.state is State.DEAD:
            return self._inquire_dead(record)
        if record.state is State.IN_DOUBT and record.phase is Phase.SEND and steps.take_back(record):
            return None  # the card was still there: nothing was sent, and it is queued again
        if not self.bank.has_status:
            return self._nobody_to_ask(record)

        asked_at = self.clock.now_ms()
        report = self._ask(record)
        if record.state is State.PARKED and settles(report) is None:
            return self._end_parked(record, report)
        match judge(record, report, asked_at_ms=asked_at, rule=self.rule):
            case Known(verb):
                scribe.learn(record, verb, report)
            case NothingThere() if self._was_sent(record):
                scribe.hold(record, "bank_says_not_found")
            case NothingThere():
                scribe.die(record, "card_lost")
            case Unsettled():
                scribe.hold(record, f"bank_says_{report.status_name or report.word}")
            case AskAgain(reads, at_ms):
                scribe.ask_again(record, reads, report, at_ms)

    def sweep(self, record: Record) -> None:
        """Who is due and is not rung for: a lease that ran out, a deadline that passed."""
        match record.state:
            case State.QUEUED:
                self._expire(record)
            case State.SENDING if not self.steps.take_back(record, after=record.lease):
                self.scribe.doubt(record, "lease_over", fields={"evidence": self._witness(record)}, after=record.lease)
            case State.CONFIRMING:
                self.scribe.doubt(record, "lease_over", after=record.lease)
            case _:
                pass

    def _expire(self, record: Record) -> None:
        """The vault is closed before the ledger is told, so the ledger is asked first: by its time it must be over."""
        if self.ledger.now_ms() >= record.expires:
            self.steps.end_unsent(record, Verb.EXPIRE, reason="deadline")

    def _known(self, key: str) -> Record:
        record = self.ledger.get(key)
        if record is None:
            raise TransferUnknown
        return record

    def _nothing_to_send(self, record: Record, burnt: Later | Gone) -> None:
        if isinstance(burnt, Gone):
            evidence = Evidence.MAYBE_SENT if burnt.there is There.TOMBSTONE else ""  # nothing there is never a proof
            self.scribe.doubt(record, f"vault_{burnt.there}", fields={"evidence": evidence})
        # Later: the sweeper fenced this job off, and has queued the transfer again

    def _inquire_dead(self, record: Record) -> None:
        """What a person asked for a dead transfer. The bank is asked all the same before it is queued again."""
        steps, scribe = self.steps, self.scribe
        if record.asked == "discard" and record.reason == "card_unreadable":
            return scribe.end(record, Verb.CANCEL, reason="discarded")  # the tombstone is of who could not open it
        if record.asked == "discard":
            return steps.end_unsent(record, Verb.CANCEL, reason="discarded")
        if record.asked != "requeue":
            return (
                scribe.drop(record, "a dead transfer can be requeued, discarded or cancelled") if record.asked else None
            )
        if record.reason == "card_lost":
            return scribe.drop(record, "its card is gone: pay it under a new reference")
        if not self.bank.has_status:
            return scribe.drop(record, "the bank can't be asked: no status address is set")
        report = self._ask(record)
        verb = settles(report)
        if verb:
            return scribe.learn(record, verb, report)
        if report.word is not StatusWord.NOT_FOUND:
            return scribe.drop(record, f"the bank says {report.word}")
        if self.vault.refence(Purpose.CARD, record.key, record.epoch):
            return scribe.revive(record)
        if record.reason != "card_unreadable" and self._was_burnt(record, Purpose.CARD):
            return scribe.remember(record)
        return scribe.drop(record, "its card is gone: pay it under a new reference")

    def _end_parked(self, record: Record, report: StatusReport | None) -> None:
        """The challenge's time is over, or its producer cancels: the bank was asked first, where it can be."""
        now_ms = self.clock.now_ms()
        is_over = record.asked == "cancel" or now_ms >= record.parked_until
        word = report.word if report else StatusWord.NOT_FOUND
        match word:
            case _ if not is_over:
                return self.scribe.ask_again(record, 0, report)
            case StatusWord.NOT_FOUND:
                pass
            case StatusWord.CHALLENGE_OPEN if not record.otherwise:
                pass
            case _ if now_ms < record.parked_until + self.rule.horizon_s * 1000:
                return self.scribe.ask_again(record, 0, report)
            case StatusWord.UNANSWERED | StatusWord.CHALLENGE_OPEN:
                pass  # so long: our own evidence has to do
            case _:
                return self.scribe.doubt(record, f"bank_says_{word}", verb=Verb.REMEMBER_CONFIRM)
        if self._was_burnt(record, Purpose.PARES):
            return self.scribe.doubt(record, "vault_remembers", verb=Verb.REMEMBER_CONFIRM)
        if record.otherwise and word is not StatusWord.CHALLENGE_OPEN:
            return self.scribe.doubt(record, "answered_by_secure_2", verb=Verb.REMEMBER_CONFIRM)
        verb = Verb.CANCEL if record.asked == "cancel" else Verb.EXPIRE
        return self.scribe.end(record, verb, reason="cancelled" if record.asked == "cancel" else "challenge_unanswered")

    def _nobody_to_ask(self, record: Record) -> None:
        """No status address is set: our own evidence, the bank's notification, or a person."""
        match record.state:
            case State.PARKED | State.IN_DOUBT | State.HELD if notice := noticed(record):
                self.scribe.noticed(record, *notice)
            case State.PARKED:
                self._end_parked(record, None)
            case State.IN_DOUBT:
                self.scribe.hold(record, "no_status_address")
            case _:
                self.scribe.tomorrow(record)

    def _ask(self, record: Record) -> StatusReport:
        """The bank's word; for a terminal whose credentials were taken away there is none."""
        try:
            terminal = self.gate.terminal(record)
        except TerminalUnknown:
            return StatusReport(StatusWord.UNANSWERED, why="terminal_unknown")
        return self.bank.status(terminal, order=self.gate.order(record))

    def _witness(self, record: Record) -> str:
        """Was it taken out of the vault? The record keeps it, for it lives longer than the tombstone does."""
        is_too_late = self.clock.now_ms() >= record.lease + TOMBSTONE_STANDS_S * 1000
        return Evidence.MAYBE_SENT if is_too_late or self._was_burnt(record, Purpose.CARD) else ""

    def _was_sent(self, record: Record) -> bool:
        """May it have been? By the worker's own word, or by the vault's: without either, its card is lost."""
        if record.phase is Phase.CONFIRM or record.evidence in {Evidence.MAYBE_SENT, Evidence.ANSWERED}:
            return True
        return self._was_burnt(record, Purpose.CARD)

    def _was_burnt(self, record: Record, purpose: Purpose) -> bool:
        return self.vault.look(purpose, record.key) is There.TOMBSTONE
