"""What an inquiry's answer means for a transfer in doubt. Pure: the record and the report in, a verdict out.

Time alone never settles anything: what is no final word of the bank counts only where it was asked for after the
horizon, and only after several answers that agree.
"""

from dataclasses import dataclass

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.worker.bank import CodeClass, Evidence, StatusReport, StatusWord, look_up

#: Why it is in doubt, where the bank has named the order.
_NAMED_BY_THE_BANK = frozenset(
    {Reason.BANK_HAS_IT, Reason.STATEMENT_HAS_IT, Reason.BANK_NOTIFIED_PAID, Reason.FOREIGN_BANK_ID}
)


@dataclass(frozen=True, slots=True)
class InquiryRule:
    """`DOUBT_HORIZON`, `DOUBT_READS` and `EPAY_NOT_FOUND_LETTER`."""

    horizon_s: int = 86_400
    reads: int = 3
    not_found_letter: str = ""  #: the bank's letter by which "not found" is final then; "" for none

    @property
    def between_reads_s(self) -> int:
        """How far apart the reads after the horizon are: an hour, or less where the horizon is short."""
        return min(3600, max(15, self.horizon_s // 24))

    @property
    def patience_s(self) -> int:
        """How long the bank is asked before a person must: two horizons, and the time that the reads take."""
        return 2 * self.horizon_s + self.reads * self.between_reads_s


@dataclass(frozen=True, slots=True)
class Settled:
    """The bank's word settles it."""

    verb: Verb


@dataclass(frozen=True, slots=True)
class NotifiedDecline:
    """A notification says, with this code, that the bank declined. An operator must find out whether that is so."""

    code: str


@dataclass(frozen=True, slots=True)
class NothingThere:
    """The bank has no such order, and that can be believed: the vault says whether we ever sent it."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Asked, answered, and past the horizon: a person must look."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """`at_ms`: when. None: as the ladder has it."""

    reads: int
    at_ms: int | None = None


Verdict = Settled | NothingThere | Unsettled | AskAgain

_KNOWN = {
    StatusWord.PAID: Verb.INQUIRY_PAID,
    StatusWord.NOT_PAID: Verb.INQUIRY_DECLINED,
    StatusWord.GIVEN_BACK: Verb.INQUIRY_REVERSED,
}


def judge(  # noqa: PLR0911 - a table of the bank's words, one line each
    record: Record, report: StatusReport, *, asked_at_ms: int, rule: InquiryRule
) -> Verdict:
    """For a record `in_doubt` (of the others, only what `settles` says counts)."""
    verb = settles(report)
    if verb:
        return Settled(verb)
    if record.state is not State.IN_DOUBT:
        return AskAgain(0)
    is_patient = asked_at_ms < record.in_doubt_since + rule.patience_s * 1000
    match report.word:
        case StatusWord.UNANSWERED if not is_patient:
            return Unsettled()
        case StatusWord.UNANSWERED:  # neither agrees nor disagrees, and an outage of the bank is no operator's case
            return AskAgain(record.agreeing_reads)
        case _ if asked_at_ms < record.in_doubt_since + rule.horizon_s * 1000:
            return AskAgain(0)
        case word if word != record.last_read or not record.agreeing_reads:
            reads = 1
        case _ if (
            asked_at_ms < record.next_attempt_at
        ):  # sooner than it had to be: no further read, and none put off by it
            return AskAgain(record.agreeing_reads, record.next_attempt_at) if is_patient else Unsettled()
        case _:
            reads = record.agreeing_reads + 1
    if reads >= rule.reads:
        return _agreed(report.word, record.phase)
    if not is_patient:
        return Unsettled()  # it has said this and that for so long
    return AskAgain(reads, asked_at_ms + rule.between_reads_s * 1000)


def _agreed(word: StatusWord, phase: Phase) -> Verdict:
    """After the horizon, and said often enough."""
    match word:
        case StatusWord.NOT_FOUND:
            return NothingThere()
        case StatusWord.CHALLENGE_OPEN if phase is Phase.SEND:
            return Settled(Verb.CHALLENGE_EXPIRED)  # its MD never reached us, so it can't be confirmed
        case _:
            return Unsettled()


def not_found_is_final(record: Record, rule: InquiryRule) -> bool:
    """May what may have been sent end as not paid, since the bank has no such order?

    Only where the bank has said in writing that this is final. And not where it has answered before, whatever it said,
    or has named the order in a challenge, a notification or a statement: then its "not found" contradicts its own word.
    """
    is_known_there = (
        record.reason in _NAMED_BY_THE_BANK
        or record.bank_id
        or record.bank_reference
        or record.notification
        or record.evidence == Evidence.ANSWERED
    )
    return bool(rule.not_found_letter) and record.phase is Phase.SEND and not is_known_there


def settles(report: StatusReport) -> Verb | None:
    """Does the bank's word end it, whatever state it is in?"""
    return _KNOWN.get(report.word)


def noticed(record: Record) -> Settled | NotifiedDecline | None:
    """What the kept notification means where the bank can't be asked: no status address is set (contract section 6).

    Its `secret_hash` is one value for each transfer, and the web tier has read it: it proves that the bank has notified
    of this transfer, and not which code the bank said. So a payment settles it, whatever the try was: a false one makes
    no backend pay again. A decline ends nothing: a false one would. It counts only under the epoch that it came at, and
    not while a client that brought fields of 3-D Secure 2 may still bring a PaRes.
    """
    if record.is_paid_by_notification:
        return Settled(Verb.NOTIFICATION_PAID)
    epoch, _, code = record.notification.partition(":")
    if not code or int(epoch) != record.epoch:
        return None
    match look_up(code).code_class:
        case CodeClass.PAID | CodeClass.QUESTION:
            return None
        case _ if record.state is State.PARKED and record.three_ds2_fields:
            return None
        case _:
            return NotifiedDecline(code)
