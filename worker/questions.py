"""What operators ask the bank about, and what is asked about after its end: inquiries beside those of `due`.

An operator's decision (`settle`, `correct`) is first kept in the record, then the bank is asked. The bank's own word
settles what it can settle, whatever the operator said. Where it does not, two operators must have decided the same: one
decision stands and waits for the other. What was settled by hand is asked about for a week, and what was declined once
more. What if we die here? The question stands in the record, and `watched` calls a worker for it again.
"""

from collections.abc import Callable, Sequence

from epay_transfers.ledger import decisions
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import NOT_MOVED, State, Verb
from epay_transfers.ledger.store.change import Change, EventFields, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.worker.backoff import TOMORROW_MS
from epay_transfers.worker.bank import PAID_WORDS, StatusReport, StatusWord
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.inquiry_rules import settles
from epay_transfers.worker.recorder import DECIDED, WATCHES, Recorder, decided
from epay_transfers.worker.said_by_bank import event_of_report

HOUR_MS = 3_600_000

#: A bank that is silent when it is to be asked about what has ended is asked again each hour, for no longer than this.
_LONGEST_MS = (WATCHES + 1) * TOMORROW_MS

#: Where the bank's word leads, of what has ended.
_BANKS_END = {
    StatusWord.PAID: State.PAID,
    StatusWord.NOT_PAID: State.DECLINED,
    StatusWord.GIVEN_BACK: State.REVERSED,
}

#: No end, and no silence: the bank may have an end for it later.
_STILL_AT_IT = frozenset({StatusWord.NOT_YET, StatusWord.CHALLENGE_OPEN})

#: A send or a confirm is to come: not where the bank has the money.
_ABOUT_TO_BE_SENT = frozenset({State.QUEUED, State.RESUMED})

_CORRECTIONS = frozenset({Verb.CORRECT_PAID, Verb.CORRECT_NOT_PAID, Verb.CORRECT_REVERSED})

NO_STATUS_ADDRESS = StatusReport(StatusWord.UNANSWERED, why=Reason.NO_STATUS_ADDRESS)


class Questions:
    def __init__(
        self,
        *,
        ledger: Ledger,
        holds: Callable[[Record], bool],
        recorder: Recorder,
        consequences: Consequences,
        clock: Clock,
    ) -> None:
        """`holds`: whether this worker has the credentials of the transfer's terminal."""
        self._ledger = ledger
        self._holds = holds
        self._recorder = recorder
        self._consequences = consequences
        self._clock = clock

    def is_due(self, record: Record) -> bool:
        """Is the bank to be asked, whatever state the transfer is in?"""
        return bool(record.question_id) or 0 < record.watch_at <= self._clock.now_ms()

    def is_anothers(self, record: Record) -> bool:
        """Is it left to another worker, which holds its terminal's credentials? The next wake-up is in `watched`.

        However long that takes: only a worker that can ask the bank may say that the bank did not answer.
        """
        return not self._holds(record)

    def answered(self, record: Record, report: StatusReport) -> None:
        """What the bank says: it settles the transfer, or it stands beside the record.

        What the bank has paid, and the ledger is about to send, is in doubt first: the ledger went back, as a rule. A
        worker that has claimed it meanwhile goes on.
        """
        verb = settles(report)
        if verb and record.state in verb.row.moves:
            if self._recorder.inquiry_settled(record, verb, report):
                return
            fresh = self._ledger.get(record.key)  # it can't be believed, or another worker came first
            if fresh is None or fresh.question_id != record.question_id:
                return
            record = fresh
        if record.state in _ABOUT_TO_BE_SENT and has_money(report):
            self._consequences.contradiction(record, _said(report), record.state)
            doubted = self._recorder.doubt_what_the_bank_has(record)
            if doubted is not None:
                self.answered(doubted, report)
                return
        self._compare(record, report)
        standing = self._standing(record)
        decision = next((each for each in standing if each.request == record.question_id), None)
        if decision is not None:
            self._decide(record, decision, standing, report)
        elif record.question_id:
            self._answer(record, report, {}, decided(standing))
        else:
            self._watch_on(record, report)

    def _standing(self, record: Record) -> tuple[Decision, ...]:
        after = self._clock.now_ms() - decisions.STANDS_MS
        return decisions.standing(record.decisions, record.state, record.state_since, DECIDED, after=after)

    def _decide(self, record: Record, decision: Decision, standing: Sequence[Decision], report: StatusReport) -> None:
        wanted = next(verb for verb in Verb if verb == decision.what)
        agreed = [each for each in standing if each.what == wanted]
        if why := why_not(record, wanted, report):
            others = [each for each in decisions.read(record.decisions) if each not in standing]
            told: EventFields = {"refused": DECIDED[wanted], "why": why}
            self._answer(record, report, {"decisions": decisions.write(others)}, told)
        elif len(agreed) < 2:
            self._answer(record, report, {}, decided(standing) | {"second": "needed"})
        else:
            self._end_by_hand(record, wanted, agreed, report)

    def _end_by_hand(self, record: Record, wanted: Verb, two: Sequence[Decision], report: StatusReport) -> None:
        """Two operators decided the same, and the bank says nothing that forbids it.

        Refused, if anything happened to the transfer since it was read: then the question stands, and is asked again.
        """
        is_correction = wanted in _CORRECTIONS
        fields: RecordFields = {
            "reason": Reason.CORRECTED_BY_OPERATORS if is_correction else Reason.SETTLED_BY_OPERATOR,
            "question_id": "",
            # What the bank said of the end before is not why it ended so.
            "code": "",
            "message": "",
            "not_before_at": 0,
        }
        told = event_of_report(report)
        told["why"] = " / ".join(each.why for each in two)
        told["proof"] = " / ".join(each.proof for each in two)
        can_be_asked = report is not NO_STATUS_ADDRESS
        if can_be_asked:
            fields["watches"] = WATCHES
        watch_in = TOMORROW_MS if can_be_asked else None
        change = Change(fields=fields, event=told, as_seen=True, watch_in=watch_in, unwatch=not can_be_asked)
        names = " and ".join(each.by for each in two)
        moved = self._recorder.move(record, wanted, change, actor=f"operators {names}")
        # If we die here, the bank is asked tomorrow all the same.
        if not isinstance(moved, Moved):
            return
        if record.is_paid_by_notification and moved.state is not State.PAID:  # the record forgets it as it ends
            self._consequences.end_contradicted(record, Verb.NOTIFICATION_PAID, str(moved.state))
        elif contradicts(moved.state, report):
            self._consequences.end_contradicted(record, _said(report), str(moved.state))

    def _answer(self, record: Record, report: StatusReport, fields: RecordFields, told: EventFields) -> None:
        said = event_of_report(report)
        more: RecordFields = {"question_id": "", "bank_said": said.get("bank_said", "")}
        more |= _confirmed(record, report)
        self._move(record, Change(fields=more | fields, event=said | told), report, record.watches, HOUR_MS)

    def _watch_on(self, record: Record, report: StatusReport) -> None:
        """It was asked about by its time: quiet, since most of these learn nothing.

        The last time that the bank is asked is not used up by a silence, nor by a word that the bank is still at it.
        """
        is_patient = self._clock.now_ms() < record.state_since + _LONGEST_MS
        is_silent = report.word is StatusWord.UNANSWERED
        is_open = report.word in _STILL_AT_IT and not contradicts(record.state, report) and record.watches <= 1
        is_again = is_patient and (is_silent or is_open)
        left = 0 if not record.state.final else record.watches if is_again else record.watches - 1
        said: RecordFields = {"bank_said": event_of_report(report).get("bank_said", "")}
        confirmed = _confirmed(record, report)
        change = Change(fields=said | confirmed, silent=not confirmed)
        self._move(record, change, report, left, HOUR_MS if is_again else TOMORROW_MS)

    def _move(self, record: Record, change: Change, report: StatusReport, left: int, in_ms: int) -> Moved | None:
        more: RecordFields = {"watches": max(left, 0)}
        moved = self._recorder.move(
            record,
            Verb.ANSWER,
            Change(
                fields=dict(change.fields) | more if left > 0 else change.fields,  # type: ignore[arg-type]  # both are
                event=change.event,
                silent=change.silent,
                watch_in=in_ms if left > 0 else None,
                unwatch=left <= 0,
                agrees=agrees(record.state, report),
            ),
        )
        return moved if isinstance(moved, Moved) else None

    def _compare(self, record: Record, report: StatusReport) -> None:
        """An alarm, once a transfer, where the bank says the opposite of how the transfer ended."""
        if contradicts(record.state, report):
            self._consequences.end_contradicted(record, _said(report))


def _said(report: StatusReport) -> str:
    """The bank's word, and what it called it."""
    return f"{report.word} {report.status_name}".strip()


def why_not(record: Record, wanted: Verb, report: StatusReport) -> str:
    """What the bank proves, against what an operator decided about a transfer that has ended; else empty."""
    if not record.state.final:
        return ""
    banks_end = _BANKS_END.get(report.word)
    if wanted is Verb.OPERATOR_REVERSED and report.status_name == "AUTH":
        banks_end = None  # the bank holds the money, and may give it back: two operators may know more
    if banks_end is not None and banks_end is not wanted.row.moves.get(record.state):
        return f"the bank says {report.word}, and a correction can't undo what the bank proves"
    if wanted is Verb.CORRECT_NOT_PAID and record.state is State.PAID and banks_end is None and not _is_by_hand(record):
        return "it is paid by the bank's own word, and the bank does not say otherwise now"
    return ""


def contradicts(state: State, report: StatusReport) -> bool:
    """Does the bank say the opposite of the end that the record has?"""
    match state:
        case State.PAID:
            return report.word is StatusWord.NOT_PAID
        case State.REVERSED:
            return has_money(report) and report.word is not StatusWord.GIVEN_BACK
        case _ if state in NOT_MOVED:
            return has_money(report)
        case _:
            return False


def agrees(state: State, report: StatusReport) -> bool:
    """Does the bank say the end that the record has? Of what never was at the bank, `not paid` is the word for it."""
    return _BANKS_END.get(report.word) is state or (report.word is StatusWord.NOT_PAID and state in NOT_MOVED)


def has_money(report: StatusReport) -> bool:
    """Did the bank move the money, be it that it gave it back, or does it hold it?"""
    holds = report.word is StatusWord.NOT_YET and report.status_name in PAID_WORDS
    return report.word in {StatusWord.PAID, StatusWord.GIVEN_BACK} or holds


def _confirmed(record: Record, report: StatusReport) -> RecordFields:
    """What two operators called paid, and the bank calls so as well, is paid by the bank's word from then on."""
    if record.state is State.PAID and _is_by_hand(record) and report.word is StatusWord.PAID:
        return {"reason": f"bank_status_{report.status_name or report.word}"}
    return {}


def _is_by_hand(record: Record) -> bool:
    return record.reason in {Reason.SETTLED_BY_OPERATOR, Reason.CORRECTED_BY_OPERATORS}
