"""What the web tier passes on and says "ask the bank": the bank's notification, and answers by 3-D Secure 2.

A notification is a hint (contract section 6). It may be doubled, late or invented, and the web tier that passed it on
may be in an attacker's hands: so an inquiry is asked for, and nothing more. Only where it gives back the `secret_hash`
that a worker sent to the bank, and invoice, amount and currency agree, is its word noted. That proves that the bank has
notified of this transfer, and not which code it said: the web tier reads the hash, which is one for each transfer. What
a worker makes of the note, where there is no status address, is `inquiry_rules.noticed`.
"""

import hmac
import json
import logging
import re
from collections.abc import Mapping

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError
from epay_transfers.ledger.money import to_minor
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import PAID_CODE, Record, RequestedAction
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import NOT_MOVED, State, Verb
from epay_transfers.ledger.store.change import Change, EventFields, RecordFields
from epay_transfers.ledger.store.inboxes import WEB
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Opener, Purpose
from epay_transfers.runtime.web_addresses import secret_hash
from epay_transfers.worker.consequences import Consequences

_LOG = logging.getLogger(__name__)

#: In these a worker asks the bank. Of the others one will come soon, or nothing can change any more.
_ASKABLE = frozenset({State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW})

#: In these it is kept. A decline of what waits to be sent speaks of a try before, and only a payment is kept there.
_ON_THE_WAY = frozenset({State.SENDING, State.CONFIRMING, State.RESUMED})

#: What the ledger says of these is that no money has moved.
_SAID_UNPAID = NOT_MOVED | {State.DEAD}

#: A note that competes with others, and with other workers, is tried again so often.
_TIMES = 10

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,6})?")
_CODE = re.compile(r"-?[0-9]{1,6}")


class Notifications:
    def __init__(
        self, *, ledger: Ledger, consequences: Consequences, wakeups: Wakeups, opener: Opener, hash_key: Secret | None
    ) -> None:
        """`hash_key`: what `secret_hash` is made with; without it no notification is proved."""
        self._ledger = ledger
        self._consequences = consequences
        self._wakeups = wakeups
        self._opener = opener
        self._hash_key = hash_key

    def note(self, record: Record, sealed: str) -> None:
        """The bank's notification of this transfer, as the web tier read and sealed it. Raises `LedgerUnavailable`."""
        note = self._proved(record, self._opened(record, sealed))
        self._ask(record, {"by": "notification"}, {"notification": note} if note else {})

    def secure_2(self, record: Record, sizes: str) -> None:
        """The client brought no PaRes but fields of 3-D Secure 2: names and sizes. The contract knows nothing of them.

        The record keeps them, for the contract does not say whether the bank needs our confirm then: silence is no
        failure.
        """
        if record.three_ds2_fields:
            return  # the first counts: what comes later could only ask the bank again and again
        self._ask(record, {"by": "3-D Secure 2", "fields": sizes}, {"three_ds2_fields": sizes})

    def _ask(self, record: Record, event: EventFields, notes: RecordFields) -> None:
        """An inquiry at once, and `notes` in the record's fields of those names.

        What was requested before (a cancel) stays requested: its worker asks the bank as well.
        """
        for _ in range(_TIMES):
            if self._is_asked(record, event, notes):
                return
            record = self._ledger.get(record.key) or record  # it moved under our hands
        raise LedgerUnavailable

    def _is_asked(self, record: Record, event: EventFields, notes: RecordFields) -> bool:
        """False: the transfer is not any more as it was read."""
        note = notes.get("notification", "")
        is_payment = note.endswith(f":{PAID_CODE}")
        if is_payment and record.state in _SAID_UNPAID and not record.is_paid_by_notification:
            if record.state.final:
                self._consequences.end_contradicted(record, Verb.NOTIFICATION_PAID)
            else:
                self._consequences.contradiction(record, Verb.NOTIFICATION_PAID, str(record.state))
        if record.state not in _ASKABLE and not (is_payment and record.state is State.DEAD):
            is_kept = note and (record.state in _ON_THE_WAY or (is_payment and not record.state.final))
            return self._keep(record, event, note) if is_kept else True
        if record.is_paid_by_notification:
            notes = notes.copy()
            notes.pop("notification", None)  # no later word takes it away
        if not record.requested_action or any(getattr(record, name) != told for name, told in notes.items()):
            requested: RecordFields = {
                "requested_action": record.requested_action or RequestedAction.INQUIRE,
                "request_id": record.request_id,
                "wakeups": 0,
            }
            change = Change(due_in=0, fields=requested | notes, event=event)
            if not isinstance(self._ledger.move(record, Verb.REQUEST, change, actor=WEB), Moved):
                return False
        self._wakeups.send(record)
        return True

    def _keep(self, record: Record, event: EventFields, note: str) -> bool:
        """Until a worker can hear it: what is under way is not interrupted. False: it moved meanwhile."""
        if record.notification == note or record.is_paid_by_notification:
            return True
        change = Change(fields={"notification": note}, event=event)
        return isinstance(self._ledger.move(record, Verb.KEEP_NOTIFICATION, change, actor=WEB), Moved)

    def _opened(self, record: Record, sealed: str) -> Mapping[str, str]:
        """What can't be opened says nothing, and a worker asks the bank all the same."""
        try:
            said = json.loads(self._opener.open(sealed, Purpose.NOTIFICATION, record.key))
        except (TransfersError, ValueError) as error:
            _LOG.warning("notify.unreadable", extra={"key": record.key, "why": type(error).__name__})
            return {}
        texts = said.items() if isinstance(said, dict) else ()
        return {name: text for name, text in texts if isinstance(text, str)}

    def _proved(self, record: Record, said: Mapping[str, str]) -> str:
        """`epoch:code`, for a notification that gives back this transfer's hash, and agrees with its record."""
        given = said.get("secret_hash", "")
        if self._hash_key is None or not given:
            return ""
        if not hmac.compare_digest(_bytes(given), secret_hash(self._hash_key, record.key).encode()):
            _LOG.warning("notify.foreign_hash", extra={"key": record.key, "security": True})
            return ""
        agrees = said.get("currency") == record.currency and _minor(said, record.currency) == record.amount
        code = _code(said)
        if not agrees or not code:
            _LOG.warning("notify.disagrees", extra={"key": record.key, "why": "code" if agrees else "amount"})
            return ""
        return f"{record.epoch}:{code}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")  # a lone surrogate is no hash, and no error


def _minor(said: Mapping[str, str], currency: str) -> int:
    """0 where it is no amount."""
    text = said.get("amount", "")
    if not _AMOUNT.fullmatch(text):
        return 0
    try:
        return to_minor(text, currency)
    except ValueError:
        return 0


def _code(said: Mapping[str, str]) -> str:
    """`ok` is 0, and beside 0 no other number may stand; of an `error` the number counts, and without one none."""
    code, number = said.get("code", ""), said.get("reasonCode", "")
    if code in {"ok", "0"}:
        return "0" if number in {"", "0", "00"} else ""
    if code == "error":
        code = number if number.strip("0") else ""
    return code if _CODE.fullmatch(code) else ""
