"""The sweeper works off `due`: it sends wake-ups for transfers that wait too long, ends claims that were lost, and
finds clients' answers of which no message tells.

Any number may run at once: each change is a move that only one of them gets. A batch is bounded, and so are the
wake-ups: none is sent while a queue is longer than four times the threads, but for two questions in a pass.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from epay_transfers.ledger.errors import RecordUnreadable, TransfersError, VaultUnavailable
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import BATCH as BATCH_QUEUE
from epay_transfers.ledger.queue.broker import CONFIRMS, INQUIRIES, NOW
from epay_transfers.ledger.queue.wakeups import Wakeups, wakeup_of
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import INQUIRIES_A_SECOND, Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.worker import backoff, client_answers
from epay_transfers.worker.journey import Journey

_LOG = logging.getLogger(__name__)

BATCH = 200

#: How full a queue may be, in messages a thread, before wake-ups wait.
_QUEUED_PER_THREAD = 4

#: Delay before the next wake-up when a queue is full.
_ROOM_MS = 2_000

#: Of all that wait their turn in a queue one is looked at in so long, however many they are; but each in so long.
_A_LOOK_MS = 5
_SELDOM_MS = 600_000

#: How far apart such transfers are looked at again, so that a long row of them is no work in itself.
_APART_MS = 10
_INQUIRIES_APART_MS = 1000 // INQUIRIES_A_SECOND


#: So many of those that the bank is asked about beside `due` are called for at a time.
_WATCHED = 20
_ALWAYS = 2

_AT_WORK = (State.SENDING, State.CONFIRMING)


@dataclass(slots=True)
class _Round:
    """One batch: the moves that are to be made, the wake-ups after them, and how much room each queue has left."""

    room: dict[str, int]
    moves: list[tuple[Record, Verb, Change]]
    wakeups: list[Record]
    now_ms: int  #: by the ledger, when it named those that are due
    inquiries: int = 0  #: how many of them wait for an inquiry, at the most
    is_vault_away: bool = False


class Sweeper:
    def __init__(self, ledger: Ledger, journey: Journey, wakeups: Wakeups, threads: int) -> None:
        self._ledger = ledger
        self._journey = journey
        self._wakeups = wakeups
        self._most = threads * _QUEUED_PER_THREAD
        self._next_look: dict[str, int] = {}

    def run_once(self) -> int:
        """One bounded batch. Returns how many were looked at: a full batch means that there may be more."""
        due = self._journey.preflight.look(BATCH, self._leave_waiting)
        if not self._journey.preflight.is_fit:
            return 0  # not by this clock, and not on these servers
        inquiries = sum(1 for record in due.records if _waits_for_inquiry(record, due.now_ms))
        this = _Round({}, [], [], due.now_ms, inquiries)
        for record in due.records:
            if _is_for_sweeping(record, due.now_ms):
                self._sweep(record, this)
            elif record.state in _AT_WORK:
                continue  # claimed after we read `due`; it is already rescheduled
            elif record.state is State.DEAD and not record.requested_action:
                this.moves.append((record, Verb.LOOK_LATER, Change(look_again_in=backoff.TOMORROW_MS, silent=True)))
            elif _waits_for_client(record, due.now_ms):
                self._look_for_answer(record, this)
            else:
                self._send_wakeup(record, this)
        moved = self._ledger.move_many(this.moves, actor="sweeper") if this.moves else []
        made = {record.key for (record, _, _), reply in zip(this.moves, moved, strict=True) if isinstance(reply, Moved)}
        self._wakeups.send_all(record for record in this.wakeups if record.key in made)
        if due.are_watched:
            self._call_for_questions(this)
        return len(due.records) + due.waiting

    def _leave_waiting(self, names: Sequence[str], now_ms: int) -> Sequence[str]:
        """Those that do not wait their turn in a queue. In an empty queue nothing waits: it may have been lost."""
        heads = self._wakeups.heads((NOW, BATCH_QUEUE, CONFIRMS))
        if not heads:
            return names
        first = {queue: head.wakeup for queue, head in heads.items()}
        found = self._ledger.get_many([wakeup.key for wakeup in first.values()], _unheard)
        records = {record.key: record for record in found}
        since = {queue: _called_since(wakeup, records.get(wakeup.key), now_ms) for queue, wakeup in first.items()}
        return self._ledger.leave_waiting(
            names,
            now=since.get(NOW),
            batch=since.get(BATCH_QUEUE),
            confirms=since.get(CONFIRMS),
            soonest_ms=min(sum(head.waiting for head in heads.values()) * _A_LOOK_MS, _SELDOM_MS),
        )

    def _call_for_questions(self, this: _Round) -> None:
        """What the bank is asked about beside `due`: so many a second for all workers together.

        A queue that is full of doubt does not keep an operator's question waiting, so some go in all the same.
        """
        records = self._ledger.watched(_ALWAYS)
        if len(records) == _ALWAYS:
            room = this.room.get(INQUIRIES, self._most - self._wakeups.waiting(INQUIRIES))
            more = min(room, _WATCHED) - _ALWAYS
            records += self._ledger.watched(more) if more > 0 else []
        for record in records:
            self._wakeups.send_inquiry(record)

    def _sweep(self, record: Record, this: _Round) -> None:
        try:
            if not this.is_vault_away:
                self._journey.sweep(record)
                return
        except VaultUnavailable:
            this.is_vault_away = True  # the others of this round need not wait for it too
        except TransfersError as error:
            _LOG.warning("sweeper.later", extra={"key": record.key, "why": type(error).__name__})
        self._look_again(record, this, backoff.FIRST_WAKEUP_S * 1000)

    def _look_for_answer(self, record: Record, this: _Round) -> None:
        """Its client's answer may lie in the vault, and the web tier's entry that says so was lost."""
        digest = ""
        try:
            if not this.is_vault_away:
                digest = self._journey.custody.answer_digest(record)
        except VaultUnavailable:
            this.is_vault_away = True
        if client_answers.is_digest(digest):
            _LOG.warning("sweeper.answer_found", extra={"key": record.key})
            this.moves.append((record, Verb.RESUME, replace(client_answers.answered(digest), as_seen=True)))
            this.wakeups.append(replace(record, state=State.RESUMED))
        else:
            in_ms = client_answers.next_look_ms(record, this.now_ms)
            self._look_again(record, this, in_ms, no_later=record.next_attempt_at)

    def _send_wakeup(self, record: Record, this: _Round) -> None:
        wakeup = wakeup_of(record)
        if wakeup is None:
            return
        if wakeup.queue not in this.room:
            room = self._most - self._wakeups.waiting(wakeup.queue)
            if wakeup.queue == INQUIRIES:
                room = self._ledger.may_call_for_inquiries(min(room, this.inquiries))
            this.room[wakeup.queue] = room
        if this.room[wakeup.queue] <= 0:
            apart_ms = _INQUIRIES_APART_MS if wakeup.queue == INQUIRIES else _APART_MS
            at_ms = max(self._next_look.get(wakeup.queue, 0), this.now_ms + _ROOM_MS) + apart_ms
            self._next_look[wakeup.queue] = at_ms
            self._look_again(record, this, at_ms - this.now_ms, no_later=_deadline(record))
            return
        this.room[wakeup.queue] -= 1
        in_ms, deadline = backoff.next_wakeup_ms(record.wakeups), _deadline(record)
        change = Change(due_in=in_ms, no_later=deadline, increments=("wakeups",), times_in={"woken_at": 0}, silent=True)
        this.moves.append((record, Verb.SCHEDULE_WAKEUP, change))
        this.wakeups.append(record)

    def _look_again(self, record: Record, this: _Round, in_ms: int, *, no_later: int | None = None) -> None:
        """`due` alone: when a try may begin is as it was, and a wake-up that comes before is heeded."""
        this.moves.append((record, Verb.LOOK_LATER, Change(due_in=in_ms, no_later=no_later, silent=True)))


def _is_for_sweeping(record: Record, now_ms: int) -> bool:
    """A lease that ran out, or a deadline that passed."""
    is_late = record.state is State.QUEUED and now_ms >= record.deadline_at
    is_lost = record.state in _AT_WORK and now_ms >= record.lease_until
    return is_late or is_lost


def _called_since(head: message_guard.Wakeup, record: Record | None, now_ms: int) -> int | None:
    """When the message at a queue's head was sent, by the ledger's time as far as the ledger has it.

    A producer's clock may be wrong: its first wake-up is as old as its transfer. A worker's clock is compared with the
    ledger's. None: of what the ledger does not know, nothing follows.
    """
    if record is None:
        return None
    if record.state is State.QUEUED and not (record.woken_at or record.wakeups or record.next_attempt_at):
        return record.state_since
    return max(record.created_at, min(head.sent_ms, now_ms))


def _unheard(_error: RecordUnreadable) -> None:
    """It is told where it is due."""


def _waits_for_inquiry(record: Record, now_ms: int) -> bool:
    wakeup = wakeup_of(record)
    return wakeup is not None and wakeup.queue == INQUIRIES and not _waits_for_client(record, now_ms)


def _waits_for_client(record: Record, now_ms: int) -> bool:
    """The bank is not asked about it yet."""
    return record.state is State.PARKED and now_ms < record.next_attempt_at and not record.requested_action


def _deadline(record: Record) -> int | None:
    return record.deadline_at if record.state is State.QUEUED else None
