"""Cancel: a producer ends a transfer before any money can move.

A queued or a dead one is withdrawn here (`ledger.withdraw`); of a parked one a worker asks the bank first.
"""

from dataclasses import replace
from enum import StrEnum
from functools import partial

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, EventFields
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ledger.withdraw import VaultPlace, WasTaken, Withdrawn, withdraw
from epay_transfers.producers import validators
from epay_transfers.producers.challenge import is_answered
from epay_transfers.producers.context import BACKEND, Context
from epay_transfers.producers.errors import IntentRejected, NotFound


class Cancel(StrEnum):
    """What became of a call of `cancel`."""

    CANCELLED = "cancelled"  #: no money has moved, and none will
    TOO_LATE = "too_late"  #: it was sent, or it has ended otherwise: see its state
    ASKED = "asked"  #: the bank is asked first; the outcome will say


def cancel(context: Context, record: Record, reason: str) -> Cancel:
    """By the state that the transfer is in. If it moves under our hands, once more by the one that it is in then."""
    reason = _checked(reason)
    return _decide(context, record, reason) or _decide(context, _again(context, record), reason) or Cancel.TOO_LATE


def _decide(context: Context, record: Record, reason: str) -> Cancel | None:
    """None: it was not in this state any more."""
    match record.state:
        case State.QUEUED | State.DEAD if record.is_paid_by_notification:
            return Cancel.TOO_LATE  # the bank has proved that it paid: a worker finds out
        case State.QUEUED | State.DEAD:
            return _withdraw(context, record, reason)
        case State.PARKED:
            return _request(context, record, reason)
        case State.CANCELLED:
            return Cancel.CANCELLED
        case _:
            return Cancel.TOO_LATE


def _withdraw(context: Context, record: Record, reason: str) -> Cancel | None:
    move = partial(context.ledger.move, actor=BACKEND)
    cards, event = VaultPlace(context.vault), EventFields(why=reason)
    match withdraw(record, Verb.CANCEL, reason=Reason.CANCELLED, cards=cards, move=move, event=event):
        case Withdrawn():
            return Cancel.CANCELLED
        case WasTaken(state):
            context.wakeups.send(replace(record, state=state))
            return Cancel.TOO_LATE
        case Refused():
            return None


def _request(context: Context, record: Record, reason: str) -> Cancel | None:
    """Only a worker can ask the bank, and only the bank knows whether the client has been faster.

    Where the client's answer lies in the vault already, the client was: a cancel that stands refuses the answer.
    """
    if is_answered(context, record):
        return Cancel.TOO_LATE
    change = Change(due_in=0, fields={"requested_action": RequestedAction.CANCEL}, event={"why": reason})
    moved = context.ledger.move(record, Verb.REQUEST, change, actor=BACKEND)
    if isinstance(moved, Refused):
        return None
    context.wakeups.send(replace(record, state=moved.state))
    return Cancel.ASKED


def _again(context: Context, record: Record) -> Record:
    fresh = context.ledger.get(record.key)
    if fresh is None:
        raise NotFound("key")
    return fresh


def _checked(reason: str) -> str:
    """As it is kept. Raises `IntentRejected`."""
    why = "is needed: say why, for the operators who read the record later"
    try:
        if kept := validators.short_text(reason).strip():
            return kept
    except ValueError as error:
        why = str(error)
    raise IntentRejected("reason", why)
