"""Cancel: take a transfer back before any money can move.

The vault is closed first, so that no worker can begin to send; then the ledger is told. What if we die in between? The
transfer is queued still, under an epoch that opens nothing: its worker steps back, and it is queued again.
"""

from dataclasses import replace
from enum import StrEnum

from epay_transfers.ledger.record import AT_ONCE, REMEMBERED, Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.producers import validators
from epay_transfers.producers.context import BACKEND, Context
from epay_transfers.producers.errors import IntentRejected, NotFound


class Cancel(StrEnum):
    CANCELLED = "cancelled"  #: no money has moved, and none will
    TOO_LATE = "too_late"  #: it was sent, or it has ended otherwise: see its state
    ASKED = "asked"  #: the bank is asked first; the outcome will say


def cancel(context: Context, record: Record, reason: str) -> Cancel:
    """By the state that the transfer is in. If it moves under our hands, once more by the one that it is in then."""
    _check(reason)
    return _decide(context, record, reason) or _decide(context, _again(context, record), reason) or Cancel.TOO_LATE


def _decide(context: Context, record: Record, reason: str) -> Cancel | None:
    """None: it was not in this state any more."""
    match record.state:
        case State.QUEUED | State.DEAD if record.is_paid_by_notification:
            return Cancel.TOO_LATE  # the bank has proved that it paid: a worker finds out
        case State.QUEUED | State.DEAD:
            return _take_back(context, record, reason)
        case State.PARKED:
            return _ask(context, record, reason)
        case State.CANCELLED:
            return Cancel.CANCELLED
        case _:
            return Cancel.TOO_LATE


def _take_back(context: Context, record: Record, reason: str) -> Cancel | None:
    is_untouched = record.reason == "card_unreadable"  # its tombstone is of the worker that could not open it
    if not is_untouched and not context.vault.close(Purpose.CARD, record.key, record.epoch):
        return _remember(context, record)
    if not context.ledger.move(record, Verb.CANCEL, actor=BACKEND, fields={"reason": reason}):
        return None
    context.vault.drop(record.key)
    return Cancel.CANCELLED


def _remember(context: Context, record: Record) -> Cancel | None:
    """The card was taken out: it may have been sent, and the ledger has forgotten that. So it is in doubt."""
    moved = context.ledger.move(record, Verb.FOUND_TAKEN, actor=BACKEND, due_in=0, fields=REMEMBERED, fields_in=AT_ONCE)
    return _ring(context, record, moved, Cancel.TOO_LATE)


def _ask(context: Context, record: Record, reason: str) -> Cancel | None:
    """Only a worker can ask the bank, and only the bank knows whether the client has been faster."""
    fields, event = {"requested_action": "cancel"}, {"reason": reason}
    moved = context.ledger.move(record, Verb.REQUEST, actor=BACKEND, due_in=0, fields=fields, event=event)
    return _ring(context, record, moved, Cancel.ASKED)


def _ring(context: Context, record: Record, moved: Moved | Refused, answer: Cancel) -> Cancel | None:
    if isinstance(moved, Refused):
        return None
    context.wakeups.send(replace(record, state=moved.state))
    return answer


def _again(context: Context, record: Record) -> Record:
    fresh = context.ledger.get(record.key)
    if fresh is None:
        raise NotFound("key")
    return fresh


def _check(reason: str) -> None:
    why = "" if reason.strip() else "is needed: who reads the record later asks why"
    try:
        validators.short_text(reason)
    except ValueError as error:
        why = str(error)
    if why:
        raise IntentRejected("reason", why)
