"""The challenge, for a client's browser, which knows its transfer by the handle alone.

What the client takes to the bank's 3-D Secure page is in `Challenge`; what else its page shows is in `PaymentPage`.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State
from epay_transfers.ledger.transfer import Transfer, moment
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content
from epay_transfers.producers.context import Context
from epay_transfers.producers.errors import NotFound

_HANDLE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client's browser posts to the bank's 3-D Secure page: `PaReq`, `MD`, and your own `TermUrl`."""

    action: str  #: the address of the bank's page
    pa_req: str  #: `PaReq`
    md: str  #: `MD`: the bank sends it back with the client's answer
    expires_at: datetime  #: UTC; an answer that comes later is too late


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """What a web tier needs to show the client a transfer."""

    transfer: Transfer  #: as of now
    challenge: Challenge | None  #: there while the client can still answer it
    back_link: str  #: the intent's own, or empty
    failure_back_link: str  #: the intent's own, or empty


def challenge(context: Context, handle: str) -> Challenge | None:
    """None while a worker is at it, or when nothing is to be answered (any more). Raises `NotFound`."""
    record = record_of(context, handle)
    return None if is_answered(context, record) else _challenge_of(context, record)


def visit(context: Context, handle: str) -> PaymentPage:
    """Raises `NotFound`."""
    record = record_of(context, handle)
    order = context.ledger.details(record)
    may_answer = record.state is State.PARKED and record.requested_action != RequestedAction.CANCEL
    in_time = may_answer and context.ledger.now_ms() < record.parked_until
    is_open = in_time and not is_answered(context, record)
    return PaymentPage(
        transfer=context.view(record),
        challenge=_challenge_of(context, record) if is_open else None,
        back_link=order.back_link,
        failure_back_link=order.failure_back_link,
    )


def record_of(context: Context, handle: str) -> Record:
    """Raises `NotFound`: it is no handle, or its transfer was settled more than a day ago."""
    record = context.ledger.by_handle(handle) if is_handle(handle) else None
    if record is None:
        raise NotFound("handle")
    return record


def is_handle(text: str) -> bool:
    return _HANDLE.fullmatch(text) is not None


def is_answered(context: Context, record: Record) -> bool:
    """Does the client's answer lie in the vault? A worker resumes the transfer; its record does not say so yet."""
    if record.state is not State.PARKED:
        return False
    try:
        return context.vault.look(Purpose.PARES, record.key, record.epoch + 1) is Content.BLOB
    except VaultUnavailable:
        return False  # the client may answer again: the same answer is taken once


def _challenge_of(context: Context, record: Record) -> Challenge | None:
    kept = context.ledger.challenge(record) if record.state is State.PARKED else None
    return Challenge(kept.action, kept.pa_req, kept.md, moment(record.parked_until)) if kept else None
