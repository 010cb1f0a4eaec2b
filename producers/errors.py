"""What a producer may have to handle: one base, a sentence each, the field's name, and never a value.

TransfersError
 ├─ IntentRejected(field)        nothing was stored: mend the field and call again
 ├─ Conflict(fields)             the reference or invoice id is known with another intent: nothing was stored
 ├─ SuffixTaken                  another invoice id has the same last six digits: bring another one, or none
 ├─ InvoicesExhausted            the space has no suffix left: ops must act
 ├─ TerminalPaused(until)       the terminal sends nothing before the deadline: later, or by another terminal
 ├─ QueueFull(retry_after_s)     too many wait already: call again later
 ├─ NotFound                     there is no such transfer
 ├─ Ambiguous                    the text is one transfer's key and another one's reference
 ├─ LedgerUnavailable            it may be stored: call again with the same reference
 ├─ VaultUnavailable(receipt)    it is stored, its card may be missing: call again with the same reference
 └─ LedgerWentBack               the ledger lost data: call again once an operator has restarted this process
     └─ ReferenceLost            the bank may have executed this reference: never pay it again

Each has a row in docs/errors.md.
"""

from collections.abc import Sequence
from datetime import datetime

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable

__all__ = [
    "Ambiguous",
    "Conflict",
    "IntentRejected",
    "InvoicesExhausted",
    "LedgerUnavailable",
    "NotFound",
    "QueueFull",
    "SuffixTaken",
    "TerminalPaused",
    "TransfersError",
    "VaultUnavailable",
]


class IntentRejected(TransfersError):
    """A field is not what it must be, and nothing was stored. `field` is its name, `why` never holds its value."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class Conflict(TransfersError):
    """The reference is known, with another intent. `fields` are those that differ.

    `all_differ`: every field that can be compared does, down to the currency, which points at the keys.
    """

    def __init__(self, fields: Sequence[str], *, all_differ: bool = False) -> None:
        if all_differ:
            cure = (
                "all that can be compared differs, so it is hardly the intent: give this process the FINGERPRINT_KEYS "
                "and the version of the process that enqueued it"
            )
        elif tuple(fields) == ("metadata",):
            cure = (
                "all else is the same, so it is the same payment, and it has the metadata of its first call: give "
                "those again, and no new reference, which would pay it twice"
            )
        else:
            cure = "give the same intent again, or take a new reference for a new transfer"
        super().__init__(
            f"this reference or invoice id is known with another intent; what differs: {', '.join(fields)}; {cure}"
        )
        self.all_differ = all_differ
        self.fields = tuple(fields)


class SuffixTaken(TransfersError):
    """The bank wants the last six digits of an invoice id to be unique, and another transfer has these."""

    def __init__(self) -> None:
        super().__init__(
            "invoice_id: another transfer has the same last six digits; give another invoice id, or none to get one"
        )


class InvoicesExhausted(TransfersError):
    """All million suffixes of the space are used."""

    def __init__(self) -> None:
        super().__init__("no invoice id is left in this terminal's space; use a terminal with a space of its own")


class TerminalPaused(TransfersError):
    """The terminal, or all sending, is stopped for longer than the intent would live. `until`: UTC, None: not known."""

    def __init__(self, until: datetime | None) -> None:
        end = "until an operator resumes it" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"
        super().__init__(
            f"terminal: it is stopped {end}, and the deadline is sooner; call again later, or take another terminal"
        )
        self.until = until


class QueueFull(TransfersError):
    """As many transfers wait as `QUEUE_LIMIT` allows. `retry_after_s`: seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many transfers are waiting already; call again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class NotFound(TransfersError):
    """No transfer has this key, reference or handle: `what` says which of them was asked for."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"there is no transfer with this {what}" + (f"; {hint}" if hint else ""))
        self.what = what


class Ambiguous(TransfersError):
    """The text is the key of one transfer and the reference of another one."""

    def __init__(self) -> None:
        super().__init__("this is one transfer's key and another one's reference; say which of the two is meant")
