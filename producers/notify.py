"""What comes from outside and says "ask the bank": its notification, and 3-D Secure answers that we can't read.

A notification is a hint (contract section 6). It is unsigned, may be doubled, late or invented: so an inquiry is asked
for, and nothing more. Only where its `secret_hash` proves that it is the bank's, and invoice, amount and currency
agree, is its word noted; a worker goes by it where there is no status address.
"""

import hmac
import logging
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable, RecordUnreadable
from epay_transfers.ledger.invoice import DEFAULT_SPACE, is_invoice_id, make_key
from epay_transfers.ledger.money import to_minor
from epay_transfers.ledger.record import PAID_CODE, Record, RequestedAction
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import NOT_MOVED, State, Verb
from epay_transfers.ledger.store.change import Change, EventFields, RecordFields
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.store.unreadable import log_unreadable
from epay_transfers.producers.challenge import record_of
from epay_transfers.producers.context import WEB, Context
from epay_transfers.runtime.web_addresses import secret_hash

_LOG = logging.getLogger(__name__)

#: In these a worker asks the bank. Of the others one will come soon, or nothing can change any more.
_ASKABLE = frozenset({State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW})

#: In these it is kept. A decline of what waits to be sent speaks of a try before, and only a payment is kept there.
_ON_THE_WAY = frozenset({State.SENDING, State.CONFIRMING, State.RESUMED})

#: What the ledger says of these is that no money has moved.
_SAID_UNPAID = NOT_MOVED | {State.DEAD}

#: The event of a notification.
_BY_NOTIFICATION: EventFields = {"by": "notification"}

_NO_NOTES: RecordFields = {}

#: A note that competes with others, and with workers, is tried again so often.
_TIMES = 10

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,6})?")
_CODE = re.compile(r"-?[0-9]{1,6}")

#: What a browser may bring instead of a PaRes, where the bank speaks 3-D Secure 2. Other names are not repeated.
SECURE_2_FIELDS = ("cres", "CRes", "threeDSSessionData", "threeDSMethodData", "threeDSServerTransID")


class Notified(StrEnum):
    """What became of a notification."""

    ASKED = "asked"  #: a worker asks the bank now
    NOTED = "noted"  #: proved, and kept: the transfer is under way, and a worker heeds it later
    NOT_NEEDED = "not_needed"  #: the transfer is under way, or has ended: nothing is to be asked
    UNKNOWN = "unknown"  #: no transfer has this invoice id


def notify(context: Context, payload: Mapping[str, Any], hash_key: Secret | None) -> Notified:
    """The payload as it was parsed, numbers as text. A worker is asked in every space that knows the invoice id."""
    invoice_id = _first(payload, "invoiceId", "invoiceID", "orderID", "orderId")
    if not is_invoice_id(invoice_id):
        return Notified.UNKNOWN
    spaces = {DEFAULT_SPACE, *(plan.space for plan in context.settings.epay_terminals.values())}
    answers = set()
    for space in sorted(spaces):
        try:
            record = context.ledger.get(make_key(invoice_id, space))
        except RecordUnreadable as error:  # it keeps the notification from no other
            log_unreadable(error)
            continue
        if record is not None:
            note = _note(record, payload, hash_key)
            answers.add(request_inquiry(context, record, _BY_NOTIFICATION, {"notification": note} if note else {}))
    return next((answer for answer in Notified if answer in answers), Notified.UNKNOWN)


def _contradict(context: Context, record: Record) -> None:
    """The bank has proved that it paid what the ledger says is unpaid, and of which no worker asks it any more."""
    _LOG.critical("transfer.contradiction", extra={"key": record.key, "bank": "paid", "ledger": record.state})
    Events(context.ledger.client, context.ledger.test_clock).alarm(
        Alarm.CONTRADICTION, actor=WEB, key=record.key, bank_said=str(Verb.NOTIFICATION_PAID), ledger=str(record.state)
    )


def three_ds2_returned(context: Context, handle: str, sizes: Mapping[str, int]) -> Notified:
    """The client's browser brought 3-D Secure 2 fields, which the contract knows nothing of: so the bank is asked.

    The record keeps it, for the contract does not say whether the bank needs our confirm then: silence is no failure.
    """
    record = record_of(context, handle)
    sizes_text = " ".join(f"{name}:{sizes[name]}" for name in SECURE_2_FIELDS if name in sizes)
    _LOG.warning("return.secure_2", extra={"key": record.key, "state": str(record.state), "fields": sizes_text})
    return request_inquiry(
        context, record, {"by": "3-D Secure 2", "fields": sizes_text}, {"three_ds2_fields": sizes_text}
    )


def request_inquiry(context: Context, record: Record, event: EventFields, notes: RecordFields = _NO_NOTES) -> Notified:
    """An inquiry at once, and `notes` in the record's fields of those names.

    What was requested before (a cancel) stays requested: its worker asks the bank as well.
    """
    for _ in range(_TIMES):
        asked = _request_inquiry(context, record, event, notes)
        if asked is not None:
            return asked
        record = context.ledger.get(record.key) or record  # it moved under our hands
    raise LedgerUnavailable


def _request_inquiry(context: Context, record: Record, event: EventFields, notes: RecordFields) -> Notified | None:
    """None: the transfer is not any more as it was read."""
    note = notes.get("notification", "")
    is_payment = note.endswith(f":{PAID_CODE}")
    if is_payment and record.state in _SAID_UNPAID and not record.is_paid_by_notification:
        _contradict(context, record)
    if record.state not in _ASKABLE and not (is_payment and record.state is State.DEAD):
        is_kept = note and (record.state in _ON_THE_WAY or (is_payment and not record.state.final))
        return _keep(context, record, event, note) if is_kept else Notified.NOT_NEEDED
    if record.is_paid_by_notification:
        notes = notes.copy()
        notes.pop("notification", None)  # no later word takes it away
    if not record.requested_action or any(getattr(record, name) != note for name, note in notes.items()):
        requested: RecordFields = {"requested_action": record.requested_action or RequestedAction.INQUIRE, "wakeups": 0}
        change = Change(due_in=0, fields=requested | notes, event=event)
        if isinstance(context.ledger.move(record, Verb.REQUEST, change, actor=WEB), Refused):
            return None
    context.wakeups.send(record)
    return Notified.ASKED


def _keep(context: Context, record: Record, event: EventFields, note: str) -> Notified | None:
    """Until a worker can hear it: what is under way is not interrupted. None: it moved meanwhile."""
    if record.notification == note or record.is_paid_by_notification:
        return Notified.NOTED
    change = Change(fields={"notification": note}, event=event)
    moved = context.ledger.move(record, Verb.KEEP_NOTIFICATION, change, actor=WEB)
    return Notified.NOTED if isinstance(moved, Moved) else None


def _note(record: Record, payload: Mapping[str, Any], hash_key: Secret | None) -> str:
    """`epoch:code`, for a notification that is proved to be the bank's and speaks of this very transfer."""
    given = _first(payload, "secret_hash", "secretHash")
    if hash_key is None or not given:
        return ""
    if not hmac.compare_digest(given.encode(), secret_hash(hash_key, record.key).encode()):
        _LOG.warning("notify.foreign_hash", extra={"key": record.key, "security": True})
        return ""
    agrees = _first(payload, "currency") == record.currency and _minor(payload, record.currency) == record.amount
    code = _code(payload)
    if not agrees or not code:
        _LOG.warning("notify.disagrees", extra={"key": record.key, "why": "code" if agrees else "amount"})
        return ""
    return f"{record.epoch}:{code}"


def _minor(payload: Mapping[str, Any], currency: str) -> int:
    """0 where it is no amount."""
    text = _first(payload, "amount")
    if not _AMOUNT.fullmatch(text):
        return 0
    try:
        return to_minor(text, currency)
    except ValueError:
        return 0


def _code(payload: Mapping[str, Any]) -> str:
    """`ok` is 0; of an `error` the number counts, and without one nothing is said."""
    code, number = _first(payload, "code"), _first(payload, "reasonCode")
    if code == "ok":
        return "0" if number in {"", "0", "00"} else ""
    if code == "error":
        code = number if number.strip("0") else ""
    return code if _CODE.fullmatch(code) else ""


def _first(payload: Mapping[str, Any], *names: str) -> str:
    """The first of these that is there, as text; "" for what is neither text nor number."""
    for name in names:
        value = payload.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return str(value)
    return ""
