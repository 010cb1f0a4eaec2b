"""The challenge: what the client's browser is to take to the bank's 3-D Secure page, found by the transfer's handle."""

import re
from dataclasses import dataclass
from datetime import datetime

from ledger.states import State
from ledger.transfer import moment
from producers.errors import NotFound
from producers.parts import Parts

_HANDLE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """Contract section 3. An answer that comes after `expires_at` is too late."""

    action: str
    pa_req: str
    md: str
    expires_at: datetime


def challenge(parts: Parts, handle: str) -> Challenge | None:
    """None while a worker is at it, or when nothing is to be answered (any more). Raises `NotFound`."""
    record = parts.ledger.by_handle(handle) if _HANDLE.fullmatch(handle) else None
    if record is None:
        raise NotFound("handle")
    kept = parts.ledger.challenge(record) if record.state is State.PARKED else None
    if kept is None:
        return None
    return Challenge(kept.action, kept.pa_req, kept.md, moment(record.parked_until))
