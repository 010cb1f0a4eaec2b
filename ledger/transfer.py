"""`Transfer`: the view of a transfer for producers and operators. `final` and `money` answer what a payer asks.

It is built from a record at each read. The protocol between workers (epochs, leases, wake-ups) is not part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from epay_transfers.ledger import metadata
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Money, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`amount` is in units of the currency, cards are masked, times are UTC; "" and None stand for "not there"."""

    key: str  #: the ledger's name of it: the invoice id, with the space before it outside the default one
    invoice_id: str  #: the bank's name of it
    reference: str  #: the producer's name of it
    terminal: str  #: which of the merchant's terminals sends it
    state: State  #: as of now
    final: bool  #: nothing changes any more (but for a reversal, or a correction by two operators)
    money: (
        Money  #: `none`: the payer may pay another way. `unknown`: they may not; so while the bank contradicts its end
    )
    amount: Decimal  #: in units of the currency
    currency: str  #: three letters
    code: str  #: the bank's code
    reason: str  #: our own word for why
    message: str  #: the bank's message, for people
    bank_id: str  #: the bank's `id` of it
    bank_reference: str  #: the bank's `reference`
    int_reference: str  #: the bank's `intReference`
    sender_card: str  #: first six and last four digits; empty for a saved card
    receiver_card: str  #: first six and last four digits; empty for a saved card
    sender_card_id: str  #: the bank's id of the saved card
    receiver_card_id: str  #: the bank's id of the saved card
    attempts: int  #: tries that ended without an answer of the bank to the transfer
    created_at: datetime  #: when it was enqueued
    next_at: datetime | None  #: when a worker looks at it again
    not_before: datetime | None  #: the bank asks not to use this card before this time
    expires_at: datetime  #: after this it is not sent; of a parked one: after this no answer of the client is taken
    version: int  #: rises with every change: ignore a lower one than you have seen
    metadata: Mapping[str, str] = field(
        default_factory=dict, repr=False, hash=False
    )  #: as the intent gave it; none once it is archived
    archived_at: datetime | None = (
        None  #: its details were exported then; `reference` may be a digest, others are empty
    )

    @classmethod
    def of(cls, record: Record, *, is_contradicted: bool = False) -> Self:
        """The view of a record. `is_contradicted`: the bank says that the money of an end without money has moved."""
        return cls(
            key=record.key,
            invoice_id=record.key.rpartition(":")[2],
            reference=record.reference,
            terminal=record.terminal,
            state=record.state,
            final=record.state.final,
            money=Money.UNKNOWN if is_contradicted else record.state.money,
            amount=to_decimal(record.amount, record.currency),
            currency=record.currency,
            code=record.code,
            reason=record.reason,
            message=record.message,
            bank_id=record.bank_id,
            bank_reference=record.bank_reference,
            int_reference=record.int_reference,
            sender_card=record.sender_card,
            receiver_card=record.receiver_card,
            sender_card_id=record.sender_card_id,
            receiver_card_id=record.receiver_card_id,
            attempts=record.attempts,
            created_at=moment(record.created_at),
            next_at=maybe_moment(0 if record.state.final else record.next_attempt_at),
            not_before=maybe_moment(record.not_before_at),
            expires_at=moment(record.parked_until if record.state is State.PARKED else record.deadline_at),
            version=record.version,
            metadata=metadata.read(record.metadata),
            archived_at=maybe_moment(record.archived_at),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`: amounts as strings, times in ISO 8601."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def maybe_moment(ms: int) -> datetime | None:
    return moment(ms) if ms else None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, (Decimal, State, Money)) else value
