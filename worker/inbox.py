"""The workers' side of the inboxes: an entry of the web tier or of an operator is checked here, and becomes a move.

The sender may be in an attacker's hands, so an entry is a request and never truth: what it may lead to is decided by
the record, the vault and the bank's own proof. What if we die here? The entry comes again, to another worker, so each
is safe to do twice: a move that was made is refused the second time.
"""

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import assert_never

from epay_transfers.ledger import decisions
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.errors import RecordUnreadable, TransfersError, VaultUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, EventFields, RecordFields
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import WEB, Entry, Inboxes, Kind, complaint_of
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import PEOPLES_CAUSES, TOO_MANY, Cause, Pauses, is_pause_id
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.store.unreadable import log_unreadable
from epay_transfers.ledger.withdraw import WasTaken, Withdrawn, withdraw
from epay_transfers.worker import backoff, client_answers
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.notifications import Notifications
from epay_transfers.worker.operator_limits import OperatorLimits
from epay_transfers.worker.recorder import DECIDED

_LOG = logging.getLogger(__name__)

BATCH = 100

#: How many transfers are marked in one round trip for a rebuild of the queue.
_PAGE = 500

#: When the sweeper looks again at what got a wake-up here.
_WAKEUP_MS = backoff.FIRST_WAKEUP_S * 1000

#: What the web tier's entries hold beside a PaRes' digest: names and sizes of fields. How many may go to try a pause.
_SIZES = re.compile(r"[A-Za-z]{1,40}:[0-9]{1,7}(?: [A-Za-z]{1,40}:[0-9]{1,7}){0,9}")
_TRIES = re.compile(r"[1-9][0-9]?|100")

#: So many entries that fail in one batch: then a server is away.
_FAILURES = 3

#: How far back an answer is looked for: a lease is half a minute.
_ANSWERS = 5_000

#: So often a question is put down again, where the transfer moved meanwhile.
_ASKS = 5

#: Which actions may be requested in which state.
_REQUESTED_IN = {
    RequestedAction.REQUEUE: {State.DEAD},
    RequestedAction.DISCARD: {State.DEAD},
    RequestedAction.CANCEL: {State.PARKED},
    RequestedAction.INQUIRE: {State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW},
}


#: How what the ledger calls not sent comes to be in doubt.
_DOUBTED_FROM = {
    State.QUEUED: Verb.FOUND_TAKEN,
    State.DEAD: Verb.FOUND_TAKEN,
    State.RESUMED: Verb.DOUBT,
    State.PARKED: Verb.FOUND_TAKEN_CONFIRM,
}


class _CannotBe(TransfersError):
    """The entry asks for what can't be done; the sentence says why, and the operator reads it."""


class Inbox:
    def __init__(
        self,
        *,
        inboxes: Inboxes,
        ledger: Ledger,
        custody: CardCustody,
        events: Events,
        pauses: Pauses,
        mirror: PauseMirror,
        wakeups: Wakeups,
        notifications: Notifications,
        operator_limits: OperatorLimits,
        is_fit: Callable[[], bool],
    ) -> None:
        self._inboxes = inboxes
        self._ledger = ledger
        self._custody = custody
        self._events = events
        self._pauses = pauses
        self._mirror = mirror
        self._wakeups = wakeups
        self._notifications = notifications
        self._operator_limits = operator_limits
        self._is_fit = is_fit

    def run_once(self) -> int:
        """One bounded batch; how many there were. A server that is away leaves the rest for later, and is raised."""
        if not self._is_fit() or self._ledger.went_back():
            return 0  # a ledger that is not what it must be is not changed by this worker
        entries = self._inboxes.take(BATCH)
        failures = 0
        for entry in entries:
            try:
                self._deal_with(entry)
                self._inboxes.done([entry])
            except TransfersError as error:  # a server is away, or refuses this one: it comes again, after the others
                failures += 1
                _LOG.warning("inbox.later", extra={"kind": str(entry.kind), "why": type(error).__name__})
                if failures == _FAILURES:
                    raise
        return len(entries)

    def _deal_with(self, entry: Entry) -> None:
        try:
            if entry.operator:
                _check_words(entry)
            self._do(entry)
        except RecordUnreadable as error:
            log_unreadable(error)
            self._refuse(entry, "its record can't be read: run the version that wrote it")
        except _CannotBe as error:
            self._refuse(entry, str(error))
        except TransfersError:
            raise  # a server is away: the entry comes again
        except Exception:  # noqa: BLE001 - whatever it is
            # A sender may put in what was not foreseen: it must not end this worker, and then the next that takes it.
            _LOG.exception("inbox.broken", extra={"kind": str(entry.kind), "sender": entry.sender})
            self._refuse(entry, "a worker broke on it: its log says where")

    def _do(self, entry: Entry) -> None:
        match entry.kind:
            case Kind.CONFIRM:
                self._confirm(entry)
            case Kind.NOTIFICATION:
                self._notifications.note(self._record(entry), entry.fields.get("sealed", ""))
            case Kind.SECURE_2:
                self._secure_2(entry)
            case Kind.REQUEST:
                self._request(entry, self._record(entry), entry.fields.get("what", ""))
            case Kind.CANCEL:
                self._cancel(entry, self._record(entry))
            case Kind.SETTLE | Kind.TAKE_BACK | Kind.ASK | Kind.DOUBT:
                self._about_the_end(entry)
            case Kind.PAUSED | Kind.UNPAUSE:
                self._about_a_pause(entry)
            case Kind.REBUILD:
                self._rebuild(entry)
            case Kind.UNKNOWN:
                raise _CannotBe("this worker's version knows no such request: run workers of the version that asks")
            case _:
                assert_never(entry.kind)

    # The web tier.

    def _confirm(self, entry: Entry) -> None:
        """A client's answer: it counts only where the PaRes lies in the vault, for the try that the record is about.

        A cancel that stands was requested while no answer lay there: so the answer is too late.
        """
        record, digest = self._record(entry), entry.fields.get("digest", "")
        is_for_it = entry.fields.get("epoch") == str(record.epoch) and client_answers.is_digest(digest)
        if record.state is not State.PARKED or record.requested_action == RequestedAction.CANCEL or not is_for_it:
            _LOG.info("inbox.confirm_late", extra={"key": record.key, "state": str(record.state)})
            return
        if not self._custody.holds_pares(record):
            _LOG.warning("inbox.confirm_without_pares", extra={"key": record.key, "security": True})
            return
        moved = self._ledger.move(record, Verb.RESUME, client_answers.answered(digest), actor=WEB)
        if isinstance(moved, Moved):
            self._wakeups.send(replace(record, state=moved.state))

    def _secure_2(self, entry: Entry) -> None:
        """Names and sizes are kept in the record; anything else a thief of the web tier's password put in."""
        sizes = entry.fields.get("fields", "")
        if not _SIZES.fullmatch(sizes):
            raise _CannotBe("fields: not names and sizes of 3-D Secure 2")
        self._notifications.secure_2(self._record(entry), sizes)

    # Operators.

    def _request(self, entry: Entry, record: Record, what: str) -> None:
        action = next((action for action in _REQUESTED_IN if action == what), None)
        if self._was_done(entry, record):
            return
        _check_unmoved(entry, record)
        if action is None or record.state not in _REQUESTED_IN[action]:
            raise _CannotBe(f"{record.key} is {record.state}: it can't be asked for here")
        is_mine = (record.request_id, record.requested_action) == (entry.id, action) and (
            action is RequestedAction.INQUIRE or self._has_decided(entry, record)
        )
        if record.requested_action and not is_mine:
            raise _CannotBe(f"{record.key}: {record.requested_action} stands already, and is not done yet")
        fields: RecordFields = {"requested_action": action, "request_id": entry.id, "wakeups": 0}
        if action is not RequestedAction.INQUIRE:
            if not is_mine and self._waits_for_second(entry, record, action):
                return
            fields["decisions"] = decisions.with_one_more(record.decisions, self._decision(entry, record, action))
        change = Change(due_in=0, fields=fields, event=_told(entry))
        moved = self._ledger.move(record, Verb.REQUEST, change, actor=_actor(entry))
        if isinstance(moved, Refused):
            raise _overtaken(record, moved)
        self._wakeups.send(replace(record, state=moved.state))

    def _cancel(self, entry: Entry, record: Record) -> None:
        """A queued transfer ends here, once its card is locked away; of the others the bank is asked first."""
        if self._was_done(entry, record):
            return None
        _check_unmoved(entry, record)
        match record.state:
            case State.PARKED if self._custody.holds_pares(record):
                raise _CannotBe(f"{record.key}: its client has answered 3-D Secure: it is too late to cancel it")
            case State.PARKED:
                return self._request(entry, record, RequestedAction.CANCEL)
            case State.DEAD:
                return self._request(entry, record, RequestedAction.DISCARD)
            case State.QUEUED if not record.is_paid_by_notification:
                pass
            case _:
                raise _CannotBe(f"{record.key} is {record.state}: it is too late to cancel it")
        if self._waits_for_second(entry, record, Verb.CANCEL):
            return None
        move = partial(self._move_and_mark, actor=_actor(entry))
        kept: RecordFields = {
            "decisions": decisions.with_one_more(record.decisions, self._decision(entry, record, Verb.CANCEL))
        }
        match withdraw(
            record,
            Verb.CANCEL,
            reason=Reason.CANCELLED,
            cards=self._custody,
            move=move,
            event=_told(entry),
            kept=kept,
        ):
            case Withdrawn():
                return None
            case WasTaken(state):
                self._wakeups.send(replace(record, state=state))
                return None
            case Refused() as refused:
                raise _overtaken(record, refused)

    def _waits_for_second(self, entry: Entry, record: Record, what: str) -> bool:
        """Beyond the operator's limit the decision stands in the record, and nothing is done before another agrees.

        What if we die here? It is counted before the move: the entry comes again, and counts nothing more.
        """
        limits = self._operator_limits
        if limits.is_agreed(record, what, entry.operator) or limits.may_alone(record, what, entry.operator):
            return False
        told: EventFields = {**_told(entry), "decided": what, "second": "needed"}
        kept = decisions.with_one_more(record.decisions, self._decision(entry, record, what))
        self._must_move(record, Verb.DECIDE, Change(fields={"decisions": kept}, event=told), entry)
        return True

    def _was_done(self, entry: Entry, record: Record) -> bool:
        """Did an entry with this id lead to something already? A plan that is applied again puts in the same ids.

        Where the transfer did not move since, what was refused, or waited for a second operator, is looked at anew.
        """
        mine = (each for each in decisions.read(record.decisions) if (each.request, each.by) == _signed(entry))
        return any((each.state, each.since) != (record.state, record.state_since) for each in mine)

    def _move_and_mark(self, record: Record, verb: Verb, change: Change, *, actor: str) -> Moved | Refused:
        moved = self._ledger.move(record, verb, change, actor=actor)
        if isinstance(moved, Moved):
            with suppress(VaultUnavailable):  # the move stands already
                self._custody.raise_mark(moved.sequence)
        return moved

    def _about_the_end(self, entry: Entry) -> None:
        if entry.is_again and self._is_answered(entry):
            return  # a worker did it, and died before it said so: its operator may have decided otherwise since
        match entry.kind:
            case Kind.SETTLE:
                self._decide(entry, self._record(entry))
            case Kind.TAKE_BACK:
                self._take_back(entry, self._record(entry))
            case Kind.DOUBT:
                self._doubt(entry, self._record(entry))
            case _:
                self._ask(entry)

    def _decide(self, entry: Entry, record: Record) -> None:
        """The decision stands in the record before the bank is asked: what becomes of it, the bank's word says.

        The sweeper calls a worker for it at once, at the rate that all workers share: an operator's password in wrong
        hands does not have the bank asked more often than that.
        """
        if self._has_decided(entry, record):
            return  # a worker did it, and died before it said so
        _check_unmoved(entry, record)
        what = entry.fields.get("verb", "")
        verb = next((verb for verb in Verb if verb == what and what in DECIDED), None)
        if verb is None or record.state not in verb.row.moves:
            raise _CannotBe(f"{record.key} is {record.state}: it can't be settled so")
        if "since" not in entry.fields and entry.fields.get("version") != str(record.version):
            raise _CannotBe(f"{record.key}: it has changed since the operator saw it. Look at it again")
        if not entry.fields.get("proof"):
            raise _CannotBe(f"{record.key}: without evidence nothing is settled")
        for other in self._standing(record):
            if other.what != what and other.by != entry.operator:
                raise _CannotBe(
                    f"{record.key}: {other.by} decided {DECIDED[other.what]}, and that stands: {other.why}. Agree with "
                    f"it, or have {other.by} take it back"
                )
        self._must_be_free(entry, record)
        told = _told(entry)
        told["proof"], told["decided"] = entry.fields["proof"], DECIDED[what]
        kept = decisions.with_one_more(record.decisions, self._decision(entry, record, what))
        change = Change(
            fields={"decisions": kept, "question_id": entry.id}, event=told, watch_in=0, asker=entry.operator
        )
        self._must_move(record, Verb.DECIDE, change, entry)

    def _take_back(self, entry: Entry, record: Record) -> None:
        """Its own operator may, until it has led to something."""
        own = next((each for each in self._standing(record) if each.by == entry.operator), None)
        if own is None:
            raise _CannotBe(f"{record.key}: no decision of {entry.operator} stands")
        if entry.fields.get("decision", own.request) != own.request:
            raise _CannotBe(f"{record.key}: {entry.operator} has decided anew since: {own.why}. Look at it again")
        left = decisions.write(decisions.without(record.decisions, own))
        told = _told(entry)
        told["decided"] = DECIDED[own.what]
        fields: RecordFields = {"decisions": left}
        if record.question_id == own.request:
            fields["question_id"] = ""
        self._must_move(record, Verb.TAKE_BACK, Change(fields=fields, event=told), entry)

    def _standing(self, record: Record) -> tuple[Decision, ...]:
        after = self._ledger.now_ms() - decisions.STANDS_MS
        return decisions.standing(record.decisions, record.state, record.state_since, DECIDED, after=after)

    def _ask(self, entry: Entry) -> None:
        """In every state. A transfer that a worker is at moves all the time: the question is put down again."""
        for tries_left in reversed(range(_ASKS)):
            record = self._record(entry)
            if record.question_id == entry.id:
                return
            self._must_be_free(entry, record)
            change = Change(fields={"question_id": entry.id}, event=_told(entry), watch_in=0, asker=entry.operator)
            moved = self._ledger.move(record, Verb.ASK, change, actor=_actor(entry))
            if isinstance(moved, Moved):
                return
            if not tries_left:
                raise _overtaken(record, moved)

    def _doubt(self, entry: Entry, record: Record) -> None:
        """A statement has it, and the ledger calls it not sent: the ledger went back, as a rule.

        One operator may say so, for it ends nothing: no worker sends it any more, and the bank is asked. Its card's
        place tells nothing here: a vault that was lost remembers no take.
        """
        verb = _DOUBTED_FROM.get(record.state)
        if self._has_decided(entry, record):
            return
        if verb is None:
            raise _CannotBe(f"{record.key} is {record.state}: it can't be put in doubt")
        if not entry.fields.get("proof"):
            raise _CannotBe(f"{record.key}: without evidence nothing is put in doubt")
        told = _told(entry)
        told["proof"] = entry.fields["proof"]
        kept = decisions.with_one_more(record.decisions, self._decision(entry, record, entry.kind))
        fields: RecordFields = {"reason": Reason.STATEMENT_HAS_IT, "evidence": "maybe_sent", "decisions": kept}
        change = Change(look_again_in=0, fields=fields, event=told, as_seen=True)
        moved = self._move_and_mark(record, verb, change, actor=_actor(entry))
        if isinstance(moved, Refused):
            raise _overtaken(record, moved)
        self._wakeups.send(replace(record, state=moved.state))

    def _decision(self, entry: Entry, record: Record, what: str) -> Decision:
        return Decision(
            what=what,
            by=entry.operator,
            why=entry.fields["why"],
            proof=entry.fields.get("proof", ""),
            at=self._ledger.now_ms(),
            request=entry.id,
            state=record.state,
            since=record.state_since,
        )

    def _has_decided(self, entry: Entry, record: Record) -> bool:
        return any((each.request, each.by) == _signed(entry) for each in decisions.read(record.decisions))

    def _must_be_free(self, entry: Entry, record: Record) -> None:
        if record.question_id and record.question_id != entry.id:
            raise _CannotBe(f"{record.key}: the bank is being asked already, for another request. Look at it again")

    def _must_move(self, record: Record, verb: Verb, change: Change, entry: Entry) -> None:
        """Where another worker did it, since this one slept on the entry, nothing is refused."""
        moved = self._ledger.move(record, verb, change, actor=_actor(entry))
        if isinstance(moved, Refused) and not (verb is Verb.DECIDE and self._has_decided(entry, self._record(entry))):
            raise _overtaken(record, moved)

    def _about_a_pause(self, entry: Entry) -> None:
        if entry.kind is Kind.PAUSED:
            self._write_down_pause(entry)
        else:
            self._unpause(entry)

    def _write_down_pause(self, entry: Entry) -> None:
        """The command added the pause before it asked: what is not there any more was ended meanwhile."""
        pause_id = entry.fields.get("pause", "")
        there = self._pauses.get(pause_id) if is_pause_id(pause_id) else None
        if there is None:
            raise _CannotBe(f"the pause {pause_id or '?'} does not stand")
        if not there.written:
            is_there = self._pauses.pause(
                there.lane,
                there.terminal,
                actor=_actor(entry),
                reason=entry.fields["why"],
                cause=there.cause if there.cause in PEOPLES_CAUSES else Cause.OTHER,
                until_ms=there.until_ms,
                pause_id=pause_id,
                request=entry.id,
            )
            if not is_there:
                raise _CannotBe(f"the pause {pause_id} was ended this very moment")
            self._mirror.keep()

    def _unpause(self, entry: Entry) -> None:
        """Only the pause that the operator saw: one of the same cause may have come since, unread."""
        pause_id, seen, tries = (entry.fields.get(name, "") for name in ("pause", "seen", "tries"))
        there = self._pauses.get(pause_id) if is_pause_id(pause_id) else None
        if there is None:
            anew = next((each for each in self._pauses.standing() if each.is_successor_of(pause_id)), None)
            if anew:
                raise _CannotBe(f"{pause_id} stands anew as {anew.id}, by {anew.actor}: {anew.reason}. Look again")
            raise _CannotBe(f"no pause {pause_id or '?'} stands")
        if there.id.startswith(TOO_MANY):
            raise _CannotBe(f"{pause_id} is no pause: {there.reason}")
        if seen not in {"0", str(there.since_ms)}:
            raise _CannotBe(f"{pause_id} stands anew, by {there.actor}: {there.reason}. Look again")
        why = entry.fields["why"]
        if entry.is_again and self._is_answered(entry):
            return  # the worker that took it first gave these tries, and they may be used up by now
        if not tries:
            is_done = self._mirror.end(there, actor=_actor(entry), reason=why, request=entry.id)
        elif _TRIES.fullmatch(tries):
            is_done = self._pauses.let_try(there, int(tries), actor=_actor(entry), reason=why, request=entry.id)
        else:
            raise _CannotBe("tries: give a number from 1 to 100")
        if not is_done:
            raise _CannotBe(f"{pause_id} has changed this very moment. Look again")

    def _rebuild(self, entry: Entry) -> None:
        """A wake-up for each transfer that waits for a worker and that no message calls one for."""
        records = self._marked(self._wakeups.lacking(self._ledger))
        sent = self._wakeups.send_all(records)
        fields = {"reason": entry.fields["why"], "sent": str(sent), "request": entry.id}
        self._events.alarm(Alarm.QUEUE_REBUILT, actor=_actor(entry), **fields)

    def _marked(self, records: list[Record]) -> list[Record]:
        """Those that get a wake-up: a queued one has it counted in its record first, or has moved on meanwhile.

        A worker takes a wake-up that the record does not count for its producer's, and the card to be there. So
        one whose card could not be put would be claimed, and its producer could not bring the card any more.
        """
        fresh = [record for record in records if record.state is State.QUEUED and not record.wakeups]
        gone: set[str] = set()
        now_ms = self._ledger.now_ms()
        for start in range(0, len(fresh), _PAGE):
            moves: list[tuple[Record, Verb, Change]] = []
            for record in fresh[start : start + _PAGE]:
                due = min(max(now_ms + _WAKEUP_MS, record.next_attempt_at), record.deadline_at)
                change = Change(due_at=due, increments=("wakeups",), times_in={"woken_at": 0}, silent=True)
                moves.append((record, Verb.SCHEDULE_WAKEUP, change))
            replies = self._ledger.move_many(moves, actor="sweeper")
            gone |= {
                record.key for (record, _, _), reply in zip(moves, replies, strict=True) if isinstance(reply, Refused)
            }
        return [record for record in records if record.key not in gone]

    # Both.

    def _record(self, entry: Entry) -> Record:
        key = entry.fields.get("key", "")
        record = self._ledger.get(key) if is_key(key) else None
        if record is None:
            raise _CannotBe("there is no such transfer")
        return record

    def _refuse(self, entry: Entry, why: str) -> None:
        """An operator reads the answer. The web tier waits for none: what is so it reads in the record.

        Of an entry that comes again, the worker that took it first may have answered: then that answer stands.
        """
        if entry.is_again and self._is_answered(entry):
            return
        if not entry.operator:
            _LOG.info("inbox.refused", extra={"kind": str(entry.kind), "why": why})
            return
        fields = {"why": why, "kind": str(entry.kind), "request": entry.id}
        if key := entry.fields.get("key"):
            fields["key"] = key
        self._events.alarm(Alarm.REQUEST_REFUSED, actor=_actor(entry), **fields)

    def _is_answered(self, entry: Entry) -> bool:
        return any(entry.id in event.fields.get("request", "").split() for event in self._events.newest(_ANSWERS))


def _check_words(entry: Entry) -> None:
    """What an operator says is kept for ever: one line, and no card number. The command checks it as well."""
    for name in ("why", "proof", "label"):
        text = entry.fields.get(name, "")
        if text and (complaint := complaint_of(text)):
            raise _CannotBe(f"{name}: {complaint}")
    if not entry.fields.get("why"):
        raise _CannotBe("why: a reason is needed")


def _check_unmoved(entry: Entry, record: Record) -> None:
    """A plan and a page say in which state the transfer was, and since when. A command says nothing of it."""
    if "since" in entry.fields and (entry.fields.get("state"), entry.fields["since"]) != (
        record.state,
        str(record.state_since),
    ):
        raise _CannotBe(f"{record.key}: it has moved since its operator saw it, and is {record.state}")


def _signed(entry: Entry) -> tuple[str, str]:
    return entry.id, entry.operator


def _actor(entry: Entry) -> str:
    return f"operator {entry.operator}"


def _told(entry: Entry) -> EventFields:
    told: EventFields = {"why": entry.fields.get("why", ""), "request": entry.id}
    if label := entry.fields.get("label", ""):
        told["label"] = label
    return told


def _overtaken(record: Record, refused: Refused) -> _CannotBe:
    return _CannotBe(f"{record.key}: nothing was changed; meanwhile it is {refused.state}. Look at it again")
