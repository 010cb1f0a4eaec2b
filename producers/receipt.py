"""The receipt: what a producer gets for an intent that is in the ledger."""

from dataclasses import dataclass
from typing import Self

from epay_transfers.ledger.invoice import split_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State


@dataclass(frozen=True, slots=True)
class Receipt:
    """`handle` is the transfer's unguessable public name, for the client's browser. `state` is as of now."""

    key: str
    invoice_id: str
    handle: str
    state: State
    replayed: bool  #: the reference was known, with this same intent: nothing new was made

    @classmethod
    def of(cls, record: Record, *, replayed: bool) -> Self:
        return cls(record.key, split_key(record.key)[1], record.handle, record.state, replayed)
