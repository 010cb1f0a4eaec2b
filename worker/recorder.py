"""The recorder writes what became of a transfer into the ledger. While that is away it tries again, for five minutes.

What it writes is known to this process alone. If the process dies meanwhile, the lease runs out into doubt, and an
inquiry finds the same truth again. Every move may be made twice: the second one is refused.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from epay_transfers.ledger import decisions
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.errors import LedgerUnavailable, VaultUnavailable
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import PAID_CODE, Record, RequestedAction, StoredChallenge
from epay_transfers.ledger.states import FINAL, Phase, State, Verb
from epay_transfers.ledger.store.change import NOTHING_ELSE, Change, EventFields, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Foreign, Moved, Noted, Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.withdraw import withdraw
from epay_transfers.worker import backoff, bank, client_answers
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.said_by_bank import event_of_report, event_of_unbelieved, unbelieved, unbelieved_report

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a result is held while the ledger is away.
INSIST_S = 300.0

#: How long a transfer at least waits that was not sent for want of replicas; at most twice as long.
_REPLICAS_MS = 2_000

#: The bank's word that it did not pay: an hour later it is asked about such a transfer once more.
_DECLINES = frozenset({Verb.DECLINE, Verb.INQUIRY_DECLINED})
_AFTER_DECLINE_MS = 3_600_000

#: What ended without the bank's own word about it is asked about daily, so often.
WATCHES = 7

#: What an operator may decide, and the word for it.
DECIDED: Mapping[str, str] = {
    Verb.OPERATOR_PAID.value: "paid",
    Verb.OPERATOR_NOT_PAID.value: "not_paid",
    Verb.OPERATOR_REVERSED.value: "reversed",
    Verb.CORRECT_PAID.value: "paid",
    Verb.CORRECT_NOT_PAID.value: "not_paid",
    Verb.CORRECT_REVERSED.value: "reversed",
}

#: How a transfer of which the bank says what can't be so comes to where an operator looks at it.
_UNSETTLED = {State.PARKED: Verb.FOUND_TAKEN_CONFIRM, State.DEAD: Verb.FOUND_TAKEN}

#: So often evidence is added again, where an inquiry moved the record meanwhile.
_EVIDENCE_TRIES = 3


class Recorder:
    def __init__(
        self,
        *,
        ledger: Ledger,
        custody: CardCustody,
        consequences: Consequences,
        retry: backoff.RetryRule,
        clock: Clock,
        chance: Callable[[], float],
        actor: str,
        has_status: bool,
        park_s: int,
    ) -> None:
        self._ledger = ledger
        self._custody = custody
        self._consequences = consequences
        self._retry = retry
        self._clock = clock
        self._chance = chance
        self._actor = actor
        self._has_status = has_status
        self._park_ms = park_s * 1000
        self._ending = threading.Event()

    # The bank's answer to a worker.

    def final_answer(self, record: Record, verb: Verb, fields: RecordFields) -> None:
        """The bank's own word, for good. It counts in every unfinished state, and must not be lost."""
        moved = self.move(record, verb, self._asked_once_more(verb, Change(fields=fields)))
        code: RecordFields = {"code": fields.get("code", "")}
        said = _unbelieved_of(fields)
        match moved:
            case Noted():
                why = Reason.BANK_NOTIFIED_OTHERWISE
                self.doubt(record, why, evidence=bank.Evidence.ANSWERED, fields=code, said=said)
                self._consequences.contradiction(record, verb, Verb.NOTIFICATION_PAID)
            case Foreign(key=other):
                self.doubt(record, Reason.FOREIGN_BANK_ID, evidence=bank.Evidence.ANSWERED, fields=code, said=said)
                self._consequences.foreign_id(record, verb, other)
            case Refused():
                self._consequences.refused(record, verb, moved)

    def _asked_once_more(self, verb: Verb, change: Change) -> Change:
        """A gateway that doubles a request may answer with the second one's decline, and the first one was executed.

        So may its status: it tells of the request that it saw last.
        """
        if verb not in _DECLINES or not self._has_status:
            return change
        once: RecordFields = {"watches": 1}
        return replace(change, fields=change.fields | once, watch_in=_AFTER_DECLINE_MS, unwatch=False)

    def park(self, record: Record, challenge: bank.ChallengeRequired) -> None:
        change = Change(
            due_in=min(client_answers.FIRST_LOOK_MS, self._park_ms),
            fields={"bank_id": challenge.bank_id, "reason": ""},
            times_in={"parked_until": self._park_ms, "next_attempt_at": self._park_ms},
            challenge=StoredChallenge(challenge.pa_req, challenge.md, challenge.action),
        )
        moved = self.move(record, Verb.PARK, change)
        if isinstance(moved, Foreign):
            said = unbelieved(bank_id=challenge.bank_id, reference="")
            self.doubt(record, Reason.FOREIGN_BANK_ID, evidence=bank.Evidence.ANSWERED, said=said)
            self._consequences.foreign_id(record, Verb.PARK, moved.key)

    def doubt(
        self,
        record: Record,
        reason: str,
        *,
        evidence: bank.Evidence,
        verb: Verb = Verb.DOUBT,
        nonce: str = "",
        fields: RecordFields | None = None,
        said: RecordFields | None = None,
        only_after: int | None = None,
    ) -> bool:
        """Returns whether it is in doubt by this: the record may say something else by now.

        `said`: by the bank, not believed (`said_by_bank`).
        `evidence`: how far this try got, or may have got. `nonce`: of the claim, where its own worker says so.
        `only_after`: a sweeper waits for the end of the claim's lease (ms), by the ledger's time.
        """
        known: RecordFields = {"reason": reason, "evidence": evidence}
        change = Change(
            look_again_in=backoff.INQUIRY_LADDER_S[0] * 1000 if self._has_status else 0,
            fields=known | (fields or {}) | (said or {}),
            event=event_of_unbelieved(said or {}),
            only_after=only_after,
            claim=nonce if evidence is bank.Evidence.NOT_SENT else "",  # another claim's worker may be sending
        )
        moved = self.move(record, verb, change)
        if isinstance(moved, Refused) and nonce:
            self._add_evidence(record, evidence, nonce, said or {})
        return isinstance(moved, Moved)

    def found_taken(self, record: Record) -> None:
        """The ledger says that it was never sent, and the vault has its tombstone: it may have been."""
        self.doubt(record, Reason.VAULT_REMEMBERS, verb=Verb.FOUND_TAKEN, evidence=bank.Evidence.MAYBE_SENT)

    def doubt_what_the_bank_has(self, record: Record) -> Record | None:
        """The bank paid what the ledger is about to send. The record as it is in doubt by this; or None."""
        verb = Verb.DOUBT if record.state is State.RESUMED else Verb.FOUND_TAKEN
        is_in_doubt = self.doubt(record, Reason.BANK_HAS_IT, verb=verb, evidence=bank.Evidence.ANSWERED)
        return self.insist(lambda: self._ledger.get(record.key)) if is_in_doubt else None

    def doubt_paid_by_notification(self, record: Record) -> None:
        """The bank's proved notification says that it paid what is about to be sent, or to end: so neither happens."""
        verb = {State.RESUMED: Verb.DOUBT, State.PARKED: Verb.FOUND_TAKEN_CONFIRM}.get(record.state, Verb.FOUND_TAKEN)
        self.doubt(record, Reason.BANK_NOTIFIED_PAID, verb=verb, evidence=bank.Evidence.ANSWERED)

    def _add_evidence(self, record: Record, evidence: bank.Evidence, nonce: str, said: RecordFields) -> None:
        """A sweeper recorded the doubt first, without our evidence; add it.

        That nothing was sent is believed only of the claim that the record still names: another one may have sent.
        """
        for _ in range(_EVIDENCE_TRIES):
            there = self.insist(lambda: self._ledger.get(record.key))
            if there is None or there.epoch != record.epoch or there.state not in {State.IN_DOUBT, State.NEEDS_REVIEW}:
                return
            if evidence is bank.Evidence.NOT_SENT and there.claim_nonce != nonce:
                return
            if there.evidence == evidence and not said:
                return
            known: RecordFields = {"evidence": evidence}
            event = event_of_unbelieved(said)
            change = Change(look_again_at=there.next_attempt_at, fields=known | said, event=event)
            if isinstance(self.move(there, Verb.ADD_EVIDENCE, change), Moved):
                return

    # Nothing was sent: again, later, or not any more.

    def try_again(
        self,
        record: Record,
        verb: Verb,
        reason: str,
        retry_after_s: float | None = None,
        *,
        nonce: str = "",
        only_after: int | None = None,
    ) -> None:
        """One more try is over without a byte sent. `verb` is how the transfer comes back to its queue.

        `nonce`: of the claim, where its own worker says so. A sweeper says so of the record as it has read it, and
        waits for the end of the claim's lease (`only_after`, ms), by the ledger's time. Where replicas were lacking no
        try is over: it waits for them, however long.
        """
        is_tried = reason != Reason.TOO_FEW_REPLICAS
        attempts = record.attempts + is_tried
        deadline_ms = record.deadline_at if record.phase is Phase.SEND else record.parked_until + self._park_ms
        decision: backoff.Retry | backoff.GiveUp = backoff.Retry(int(_REPLICAS_MS * (1 + self._chance())))
        if is_tried:
            decision = backoff.next_try(
                self._retry, attempts=attempts, retry_after_s=retry_after_s, chance=self._chance
            )
        is_proof_of_sweeper = not nonce and verb is not Verb.DEFER
        is_over = record.phase is Phase.CONFIRM and self._clock.now_ms() >= deadline_ms
        fields: RecordFields = {"attempts": attempts, "evidence": bank.Evidence.NOT_SENT}
        if isinstance(decision, backoff.Retry) and not is_over:
            change = Change(
                look_again_in=decision.in_ms,
                no_later=deadline_ms,
                fields=fields | {"wakeups": 0, "reason": reason},
                only_after=only_after,
                claim=nonce,
                as_seen=is_proof_of_sweeper,
            )
            self.move(record, verb, change)
        elif record.phase is Phase.CONFIRM:  # the bank still holds the challenge
            counted: RecordFields = {"attempts": attempts}
            why = Reason.CONFIRM_ATTEMPTS_USED_UP
            self.doubt(record, why, evidence=bank.Evidence.NOT_SENT, nonce=nonce, fields=counted)
        elif verb is Verb.DEFER:
            self._fail_queued(record, fields | {"message": reason})
        else:
            fields |= {"message": reason}
            self.fail(
                record,
                Reason.ATTEMPTS_USED_UP,
                fields=fields,
                nonce=nonce,
                as_seen=is_proof_of_sweeper,
                only_after=only_after,
            )

    def wait(self, record: Record, reason: str, in_ms: int) -> None:
        """Nothing was sent, and nothing will be before an operator has looked: it takes no try.

        A confirm waits no longer than it may be tried: the bank still holds the challenge.
        """
        if record.state is State.RESUMED and self._clock.now_ms() >= record.parked_until + self._park_ms:
            self.doubt(record, reason, evidence=bank.Evidence.NOT_SENT)
            return
        no_later = record.deadline_at if record.phase is Phase.SEND else None
        fields: RecordFields = {"reason": reason, "wakeups": 0}
        change = Change(look_again_in=in_ms, no_later=no_later, fields=fields, silent=record.reason == reason)
        self.move(record, Verb.DEFER, change)

    def hand_on(self, record: Record, *, waits: bool = False) -> bool:
        """Leave it to another worker, which may hold what this one lacks. No try is over by it, so it takes none.

        An inquiry is left to others for some time only: after that it is one that the bank did not answer. What an
        operator asked for `waits`, however long.
        """
        is_late = self._clock.now_ms() >= record.parked_until + self._park_ms
        if record.state is State.RESUMED and is_late:
            self.doubt(record, Reason.TERMINAL_UNKNOWN, evidence=bank.Evidence.NOT_SENT)
            return True
        is_unsent = record.state in {State.QUEUED, State.RESUMED}
        if not is_unsent and not waits and record.wakeups >= backoff.HAND_ON_WAKEUPS:
            return False
        change = Change(
            due_in=backoff.hand_on_ms(record.wakeups),
            no_later=record.deadline_at if record.state is State.QUEUED else None,
            increments=("wakeups",),
            fields={"woken_at": 0},  # the wake-up is still to be sent
            silent=True,
        )
        self.move(record, Verb.SCHEDULE_WAKEUP, change)
        return True

    def fail(
        self,
        record: Record,
        reason: str,
        *,
        verb: Verb = Verb.FAIL_CLAIMED,
        nonce: str = "",
        as_seen: bool = False,
        fields: RecordFields | None = None,
        only_after: int | None = None,
    ) -> None:
        """Dead: proved not sent.

        `nonce`: of the claim whose worker has the proof; `as_seen`: the proof is of the record as it was read.
        `only_after`: as in `doubt`.
        """
        known: RecordFields = {"reason": reason, "evidence": bank.Evidence.NOT_SENT}
        change = Change(
            fields=known | (fields or {}),
            claim=nonce,
            as_seen=as_seen,
            only_after=only_after,
        )
        self._move_until_tomorrow(record, verb, change)

    def _fail_queued(self, record: Record, fields: RecordFields) -> None:
        """Never sent, says the ledger. A card that is moved to the next epoch proves it; a requeue finds it there."""
        if self._custody.is_untouched(record):
            self.fail(record, Reason.ATTEMPTS_USED_UP, verb=Verb.FAIL_QUEUED, fields=fields)
        elif self._custody.was_taken(Purpose.CARD, record):
            self.found_taken(record)
        # Else its card is missing: its producer may bring it again, until the deadline.

    def withdraw(self, record: Record, verb: Verb, *, reason: str) -> None:
        """A transfer that was never sent ends: its card is locked away first."""
        withdraw(record, verb, reason=reason, cards=self._custody, move=self.move)

    def end_parked(self, record: Record, verb: Verb, *, reason: str) -> None:
        """A parked transfer ends unconfirmed, after the bank was asked."""
        if isinstance(self.move(record, verb, Change(fields={"reason": reason})), Moved):
            with suppress(VaultUnavailable):  # what is left there times out
                self._custody.drop(record)

    # What an inquiry or a notification says.

    def inquiry_settled(
        self, record: Record, verb: Verb, report: bank.StatusReport, *, only_after: int | None = None
    ) -> bool:
        """`only_after`: what rests on the horizon waits for it (ms), by the ledger's time. Returns whether it ended."""
        fields: RecordFields = {
            "reason": f"bank_status_{report.status_name or report.word}",
            "code": report.code,
            "evidence": bank.Evidence.ANSWERED,
        }
        if report.bank_id:
            fields["bank_id"] = report.bank_id
        if report.reference:
            fields["bank_reference"] = report.reference
        change = Change(fields=fields, only_after=only_after)
        if record.question_id:
            fields["question_id"] = ""
            after = self._clock.now_ms() - decisions.STANDS_MS
            standing = decisions.standing(record.decisions, record.state, record.state_since, DECIDED, after=after)
            change = Change(fields=fields, event=event_of_report(report) | decided(standing), unwatch=True)
        return self._settle_unfinished(record, verb, self._asked_once_more(verb, change))

    def not_found_ends(self, record: Record, letter: str, *, only_after: int) -> None:
        """The bank has no such order, and its letter says that this is final (`EPAY_NOT_FOUND_LETTER`).

        The bank has said no word about this very transfer: it is asked daily for a week, as of what people settled.
        """
        fields: RecordFields = {"reason": Reason.NOT_FOUND_IS_FINAL, "watches": WATCHES}
        event: EventFields = {"bank_said": bank.StatusWord.NOT_FOUND, "proof": letter}
        change = Change(fields=fields, event=event, as_seen=True, only_after=only_after, watch_in=backoff.TOMORROW_MS)
        self._settle_unfinished(record, Verb.INQUIRY_DECLINED, change)

    def notified_paid(self, record: Record, verb: Verb) -> bool:
        """The bank's notification settles it as paid, where there is no status address. Returns whether it ended."""
        fields: RecordFields = {"reason": Reason.BANK_NOTIFIED, "code": PAID_CODE, "evidence": bank.Evidence.ANSWERED}
        if not record.question_id:
            return self._settle_unfinished(record, verb, Change(fields=fields))
        fields["question_id"] = ""
        event: EventFields = {"bank_said": "paid, by its notification"}
        return self._settle_unfinished(record, verb, Change(fields=fields, event=event, unwatch=True))

    def notified_decline(self, record: Record, code: str) -> None:
        """A notification says that the bank declined, and the bank can't be asked: an operator decides.

        The code is told by the event and by the kept notification, and is not the record's: the web tier may have
        changed it, and the operator may find that the bank paid.
        """
        self._leave_to_operator(record, Reason.BANK_NOTIFIED_DECLINE, {"bank_said": f"code {code}"})

    def _settle_unfinished(self, record: Record, verb: Verb, change: Change) -> bool:
        """A transfer that has moved on meanwhile will be asked about again, or has ended."""
        moved = self.move(record, verb, change)
        match moved:
            case Foreign(key=other):
                if self._leave_to_operator(record, Reason.FOREIGN_BANK_ID, said=_unbelieved_of(change.fields)):
                    self._consequences.foreign_id(record, verb, other)
            case Noted():
                if self._leave_to_operator(record, Reason.BANK_NOTIFIED_OTHERWISE, said=_unbelieved_of(change.fields)):
                    self._consequences.contradiction(record, verb, Verb.NOTIFICATION_PAID)
            case Refused(state=state) if state in FINAL:
                self._consequences.refused(record, verb, moved)
        return isinstance(moved, Moved)

    def _leave_to_operator(
        self, record: Record, reason: str, event: EventFields | None = None, *, said: RecordFields | None = None
    ) -> bool:
        """What the bank says can't be so, or can't be believed. Is it new? However often the bank repeats it, once."""
        if record.state.final:
            return True  # nothing leads from an end to where an operator looks at it
        is_told = record.reason == reason
        said, event = said or {}, event or event_of_unbelieved(said or {})
        if record.state is State.NEEDS_REVIEW:
            fields: RecordFields = {"reason": reason, "wakeups": 0, "requested_action": ""}
            change = Change(fields=fields | said, event=event, silent=is_told)
            self._move_until_tomorrow(record, Verb.INQUIRY_INCONCLUSIVE, change)
        elif record.state is State.IN_DOUBT:
            self.send_to_review(record, reason, event, said)
        else:
            self.doubt(record, reason, verb=_UNSETTLED[record.state], evidence=bank.Evidence.ANSWERED, said=said)
        return not is_told

    def inquire_again(
        self, record: Record, agreeing_reads: int, report: bank.StatusReport | None, at_ms: int | None = None
    ) -> None:
        """`at_ms`: when, by the ledger's time, if not as the ladder has it."""
        is_answered = report is None or report.word is not bank.StatusWord.UNANSWERED
        inquiries = record.inquiries + is_answered
        unanswered = 0 if is_answered else record.unanswered + 1  # an outage has a ladder of its own, and a lower one
        in_ms = backoff.next_inquiry_ms(inquiries) if is_answered else backoff.after_silence_ms(unanswered)
        if record.state is State.NEEDS_REVIEW:
            in_ms, at_ms = backoff.TOMORROW_MS, None
        elif record.state is State.PARKED and self._clock.now_ms() < record.parked_until:
            at_ms = record.parked_until  # it was asked about before its time
        event = event_of_report(report) if report else {}
        said = event.get("bank_said", "")
        fields: RecordFields = {
            "inquiries": inquiries,
            "agreeing_reads": agreeing_reads,
            "unanswered": unanswered,
            "bank_said": said,
            "wakeups": 0,
        }
        if report and record.state in {State.IN_DOUBT, State.NEEDS_REVIEW}:
            fields |= unbelieved_report(record, report)
        if report and is_answered:
            fields["last_read"] = report.word if agreeing_reads else ""
        is_requested = record.requested_action == RequestedAction.INQUIRE
        if is_requested:
            fields["requested_action"] = ""
        # Unanswered again, it has learnt nothing, in whatever word the bank failed.
        is_new_word = said != record.bank_said and (is_answered or not record.unanswered)
        has_learnt = is_requested or is_new_word or agreeing_reads != record.agreeing_reads
        # With thousands in doubt, most inquiries learn nothing, and none of these is an event.
        change = Change(fields=fields, event=event, silent=not has_learnt)
        when = replace(change, look_again_in=in_ms) if at_ms is None else replace(change, look_again_at=at_ms)
        self.move(record, Verb.INQUIRY_INCONCLUSIVE, when)

    def unsettled(self, record: Record, report: bank.StatusReport) -> None:
        """The bank was asked for long enough, and its answers do not settle it."""
        reason = f"bank_says_{report.status_name or report.word}"
        self.send_to_review(record, reason, event_of_report(report), unbelieved_report(record, report))

    def send_to_review(
        self, record: Record, reason: str, event: EventFields | None = None, said: RecordFields | None = None
    ) -> None:
        """The bank's words do not settle it: an operator must."""
        fields: RecordFields = {"reason": reason}
        change = Change(fields=fields | (said or {}), event=event or {})
        self._move_until_tomorrow(record, Verb.SEND_TO_REVIEW, change)

    def look_tomorrow(self, record: Record) -> None:
        """Nothing is to be learnt today."""
        fields: RecordFields = {"wakeups": 0, "requested_action": ""}
        self._move_until_tomorrow(record, Verb.LOOK_LATER, Change(fields=fields, silent=True))

    # What an operator or a producer requested.

    def refuse_request(self, record: Record, why: str) -> None:
        """It can't be done; the reason stands in the event."""
        change = Change(
            fields={"wakeups": 0, "requested_action": ""},
            event={"why": why, "refused": record.requested_action},
        )
        self._move_until_tomorrow(record, Verb.REFUSE_REQUEST, change)

    def requeue_dead(self, record: Record) -> None:
        fields: RecordFields = {"attempts": 0, "reason": Reason.REQUEUED, "message": "", "next_attempt_at": 0}
        # At once, and by no clock: a worker whose time lags by some ms would drop the wake-up as an early one.
        self.move(record, Verb.REQUEUE_DEAD, Change(due_in=0, fields=fields))

    # The move itself.

    def _move_until_tomorrow(self, record: Record, verb: Verb, change: Change) -> None:
        """Nothing is due today: a person must act, or the bank may say more another day. The one place of this wait."""
        self.move(record, verb, replace(change, look_again_in=backoff.TOMORROW_MS))

    def stop_insisting(self) -> None:
        """The process is to end: what can't be recorded now is left to the lease."""
        self._ending.set()

    def move(self, record: Record, verb: Verb, change: Change = NOTHING_ELSE, *, actor: str = "") -> Moved | Refused:
        """`actor`: the operators whose decision it is; else this worker."""
        try:
            vault, name = self._custody.vault.seen, actor or self._actor
            moved = self.insist(lambda: self._ledger.move(record, verb, change, actor=name, vault=vault))
        except LedgerUnavailable:
            _LOG.critical("transfer.unrecorded", extra={"key": record.key, "verb": verb})
            raise
        is_made = isinstance(moved, Moved)
        if isinstance(moved, Moved) and verb.row.ends and (record.request_id or record.question_id):
            self.raise_mark(moved)
        told: dict[str, object] = {"key": record.key, "state": moved.state, "made": is_made}
        if reason := change.fields.get("reason"):
            told["reason"] = str(reason)
        _LOG.info("transfer.%s", verb, extra=told)
        return moved

    def raise_mark(self, moved: Moved) -> None:
        """The move stands already: where the vault is away, the next take or the next such move raises it."""
        try:
            self._custody.raise_mark(moved.sequence)
        except VaultUnavailable:
            _LOG.warning("mark.not_raised", extra={"sequence": moved.sequence})

    def insist(self, call: Callable[[], T]) -> T:
        """Make the call again until the server answers: a move, or a card that is put back."""
        give_up_at = self._clock.monotonic() + INSIST_S
        wait_s = 0.05
        while True:
            try:
                return call()
            except (LedgerUnavailable, VaultUnavailable):
                if self._clock.monotonic() > give_up_at or self._ending.wait(wait_s):
                    raise
                wait_s = min(wait_s * 2, 1.0)


def decided(standing: Sequence[Decision]) -> EventFields:
    """Of the decisions that stand, which one it is and by whom: for the event that says what the bank said to it."""
    if not standing:
        return {}
    return {"decided": DECIDED[standing[0].what], "by": ", ".join(each.by for each in standing)}


def _unbelieved_of(fields: RecordFields) -> RecordFields:
    """Of an answer that was to be the last word, and can't be so."""
    return unbelieved(
        bank_id=fields.get("bank_id", ""),
        reference=fields.get("bank_reference", ""),
        message=fields.get("message", ""),
    )
