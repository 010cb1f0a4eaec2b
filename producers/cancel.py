"""Cancel: take a transfer back before any money can move.

The vault is closed first, so that no worker can begin to send; then the ledger is told. What if we die in between? The
transfer is queued still, under an epoch that opens nothing: its worker steps back, and it is queued again.
"""

from dataclasses import replace
from enum import StrEnum

from ledger.record import AT_ONCE, REMEMBERED, Record
from ledger.replies import Moved, Refused
from ledger.sealing import Purpose
from ledger.states import State, Verb
from producers import checks
from producers.errors import IntentRejected, NotFound
from producers.parts import BACKEND, Parts


class Cancel(StrEnum):
    CANCELLED = "cancelled"  #: no money has moved, and none will
    TOO_LATE = "too_late"  #: it was sent, or it has ended otherwise: see its state
    ASKED = "asked"  #: the bank is asked first; the outcome will say


def cancel(parts: Parts, record: Record, reason: str) -> Cancel:
    """By the state that the transfer is in. If it moves under our hands, once more by the one that it is in then."""
    _check(reason)
    return _decide(parts, record, reason) or _decide(parts, _again(parts, record), reason) or Cancel.TOO_LATE


def _decide(parts: Parts, record: Record, reason: str) -> Cancel | None:
    """None: it was not in this state any more."""
    match record.state:
        case State.QUEUED | State.DEAD if record.is_paid_by_notification:
            return Cancel.TOO_LATE  # the bank has proved that it paid: a worker finds out
        case State.QUEUED | State.DEAD:
            return _take_back(parts, record, reason)
        case State.PARKED:
            return _ask(parts, record, reason)
        case State.CANCELLED:
            return Cancel.CANCELLED
        case _:
            return Cancel.TOO_LATE


def _take_back(parts: Parts, record: Record, reason: str) -> Cancel | None:
    is_untouched = record.reason == "card_unreadable"  # its tombstone is of the worker that could not open it
    if not is_untouched and not parts.vault.close(Purpose.CARD, record.key, record.epoch):
        return _remember(parts, record)
    if not parts.ledger.move(record, Verb.CANCEL, actor=BACKEND, fields={"reason": reason}):
        return None
    parts.vault.drop(record.key)
    return Cancel.CANCELLED


def _remember(parts: Parts, record: Record) -> Cancel | None:
    """The card was taken out: it may have been sent, and the ledger has forgotten that. So it is in doubt."""
    moved = parts.ledger.move(record, Verb.REMEMBER, actor=BACKEND, due_in=0, fields=REMEMBERED, fields_in=AT_ONCE)
    return _ring(parts, record, moved, Cancel.TOO_LATE)


def _ask(parts: Parts, record: Record, reason: str) -> Cancel | None:
    """Only a worker can ask the bank, and only the bank knows whether the client has been faster."""
    fields, event = {"asked": "cancel"}, {"reason": reason}
    moved = parts.ledger.move(record, Verb.ASK, actor=BACKEND, due_in=0, fields=fields, event=event)
    return _ring(parts, record, moved, Cancel.ASKED)


def _ring(parts: Parts, record: Record, moved: Moved | Refused, answer: Cancel) -> Cancel | None:
    if isinstance(moved, Refused):
        return None
    parts.doorbell.ring(replace(record, state=moved.state))
    return answer


def _again(parts: Parts, record: Record) -> Record:
    fresh = parts.ledger.get(record.key)
    if fresh is None:
        raise NotFound("key")
    return fresh


def _check(reason: str) -> None:
    why = "" if reason.strip() else "is needed: who reads the record later asks why"
    try:
        checks.short_text(reason)
    except ValueError as error:
        why = str(error)
    if why:
        raise IntentRejected("reason", why)
