"""The receipt: what a producer gets for an intent that is in the ledger."""

from dataclasses import dataclass
from typing import Self

from epay_transfers.ledger.invoice import split_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `enqueue` answers: keep `key` beside your own record, and give `handle` to the client's browser."""

    key: str  #: the ledger's name of the transfer: for `get`, `wait`, `cancel`
    invoice_id: str  #: the bank's name of the transfer
    handle: str  #: the transfer's unguessable public name, for the client's browser; empty for an archived transfer
    state: State  #: as of now
    replayed: bool  #: the reference was known, with this same intent: nothing new was made

    @classmethod
    def of(cls, record: Record, *, replayed: bool) -> Self:
        """The receipt of a record."""
        return cls(record.key, split_key(record.key)[1], record.handle, record.state, replayed)
