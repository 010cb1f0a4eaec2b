"""What comes from outside and says "ask the bank": its notification, and 3-D Secure answers that we can't read.

A notification is a hint (contract section 6), and the web tier can't prove it: it passes on, in its inbox, what a
worker needs to prove it by. What became of the transfer stands in the record, as ever.
"""

import json
import logging
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.invoice import DEFAULT_SPACE, is_invoice_id, make_key
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import WEB, Kind
from epay_transfers.ledger.store.unreadable import log_unreadable
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.producers.challenge import record_of
from epay_transfers.producers.context import Context

_LOG = logging.getLogger(__name__)

#: In these a worker asks the bank; in those of the second line it keeps a proved notification until it can.
_ASKED = frozenset({State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW, State.DEAD})
_KEPT = frozenset({State.QUEUED, State.SENDING, State.CONFIRMING, State.RESUMED})

#: The transfer's own name in a notification, as different pages of the bank spell it.
_INVOICE = ("invoiceId", "invoiceID", "orderID", "orderId")

#: What a notification is proved by, and what it says. Anything longer than this is none of the bank's.
_PROVING = {
    "secret_hash": ("secret_hash", "secretHash"), "amount": ("amount",), "currency": ("currency",), "code": ("code",),
    "reasonCode": ("reasonCode",),
}  # fmt: skip
_LONGEST = 200

#: All that is read of a notification: the other names of the bank's do not matter.
NOTIFICATION_FIELDS = (*_INVOICE, *(name for names in _PROVING.values() for name in names))

#: What a browser may bring instead of a PaRes, where the bank speaks 3-D Secure 2. Other names are not repeated.
SECURE_2_FIELDS = ("cres", "CRes", "threeDSSessionData", "threeDSMethodData", "threeDSServerTransID")


class Notified(StrEnum):
    """What becomes of a notification, by the state that the transfer is in."""

    ASKED = "asked"  #: a worker asks the bank now
    NOTED = "noted"  #: the transfer is under way: if a worker can prove the notification, it is kept, and heeded later
    NOT_NEEDED = "not_needed"  #: the transfer has ended; a worker compares what a proved notification says with its end
    UNKNOWN = "unknown"  #: no transfer has this invoice id


def invoice_id_of(payload: Mapping[str, Any]) -> str:
    """Which invoice id a notification is about; empty where it names none."""
    invoice_id = _first(payload, *_INVOICE)
    return invoice_id if is_invoice_id(invoice_id) else ""


def notify(context: Context, payload: Mapping[str, Any]) -> Notified:
    """The payload as it was parsed. It is passed on in every space that knows the invoice id."""
    invoice_id = invoice_id_of(payload)
    if not invoice_id:
        return Notified.UNKNOWN
    said = {name: text for name, names in _PROVING.items() if (text := _first(payload, *names)[:_LONGEST])}
    spaces = {DEFAULT_SPACE, *(plan.space for plan in context.settings.epay_terminals.values())}
    answers = set()
    for space in sorted(spaces):
        try:
            record = context.ledger.get(make_key(invoice_id, space))
        except RecordUnreadable as error:  # it keeps the notification from no other
            log_unreadable(error)
            continue
        if record is not None:
            answers.add(_pass_on(context, record, Kind.NOTIFICATION, said))
    return next((answer for answer in Notified if answer in answers), Notified.UNKNOWN)


def three_ds2_returned(context: Context, handle: str, sizes: Mapping[str, int]) -> Notified:
    """The client's browser brought 3-D Secure 2 fields, which the contract knows nothing of: so the bank is asked."""
    record = record_of(context, handle)
    sizes_text = " ".join(f"{name}:{sizes[name]}" for name in SECURE_2_FIELDS if name in sizes)
    log_line(
        _LOG.warning,
        "return.secure_2",
        "The client's browser brought 3-D Secure 2 fields for %(key)s (%(state)s), with these lengths: %(fields)s",
        key=record.key,
        state=str(record.state),
        fields=sizes_text,
    )
    return _pass_on(context, record, Kind.SECURE_2, {"fields": sizes_text})


def _pass_on(context: Context, record: Record, kind: Kind, said: Mapping[str, str]) -> Notified:
    is_proof = "secret_hash" in said
    if record.state in _ASKED:
        answer = Notified.ASKED
    elif record.state in _KEPT and is_proof:
        answer = Notified.NOTED
    else:
        answer = Notified.NOT_NEEDED
    if answer is Notified.NOT_NEEDED and not is_proof:
        return answer
    fields = {"key": record.key, **said}
    if kind is Kind.NOTIFICATION:  # with its proof another notification could be made: only a worker reads it
        sealed = context.sealer.seal(json.dumps(said).encode(), Purpose.NOTIFICATION, record.key)
        fields = {"key": record.key, "sealed": sealed}
    context.inboxes.put(WEB, kind, fields)
    return answer


def _first(payload: Mapping[str, Any], *names: str) -> str:
    """The first of these that is there, as text; "" for what is neither text nor number."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, (float, Decimal)) and math.isfinite(value):
            return f"{Decimal(str(value)):f}"  # `json.loads` makes a float of an amount; its digits are the bank's
    return ""
