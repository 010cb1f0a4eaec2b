"""What stands in a sealed card: the cards, and the payment order that they were given for.

The ledger keeps the order as well, and more processes than the producer may write there. So the worker compares the two
after it has opened a card, and sends nothing where they differ. A PaRes is sealed by itself, and holds no order.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Self

from epay_transfers.ledger.order import DETAILS, OrderDetails
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.vault.card_data import CardData, CardsGarbled


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """What the producer ordered: every field of a record from which a request to the bank is built.

    The invoice id is not among them: the seal itself is bound to the transfer's key.
    """

    reference: str
    handle: str  #: the web tier's links, which the worker gives to the bank, are made from it
    terminal: str
    amount: int
    currency: str
    deadline_at: int
    details: OrderDetails

    @classmethod
    def of(cls, record: Record) -> Self:
        """The order as the record has it. Raises `ValueError` or `TypeError` for details that are none."""
        return cls(
            reference=record.reference,
            handle=record.handle,
            terminal=record.terminal,
            amount=record.amount,
            currency=record.currency,
            deadline_at=record.deadline_at,
            details=OrderDetails.from_json(record.order_details),
        )

    def differing(self, record: Record) -> tuple[str, ...]:
        """The names of the fields in which the record says something else; empty where it says the same."""
        kept = PaymentOrder.of(record)
        if _are_same_scalars(_values(self), _values(kept)):
            return ()
        pairs = [(name, getattr(self, name), getattr(kept, name)) for name in _NAMES]
        pairs += [(name, getattr(self.details, name), getattr(kept.details, name)) for name in DETAILS]
        return tuple(name for name, ordered, there in pairs if not _is_same(ordered, there))


@dataclass(frozen=True, slots=True)
class SealedCard:
    """The cleartext of a sealed card. `to_bytes`, for sealing, is the only way out."""

    order: PaymentOrder
    cards: CardData

    def to_bytes(self) -> bytes:
        """Only `ledger.vault.sealing` may hold it."""
        order = {name: getattr(self.order, name) for name in _NAMES} | {"details": self.order.details.by_name()}
        return _as_json({"order": order, "cards": self.cards.plain()}).encode()

    @classmethod
    def from_bytes(cls, cleartext: bytes) -> Self:
        """Raises `CardsGarbled`, after the block: the errors of the parser hold the cleartext."""
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raw = json.loads(cleartext)
            return cls(_order(raw["order"]), CardData.from_plain(raw["cards"]))
        raise CardsGarbled


def _order(raw: dict[str, Any]) -> PaymentOrder:
    """Names that this version does not know are left alone: a newer producer may have written them."""
    known = {name: raw[name] for name in _NAMES}
    return PaymentOrder(**known, details=OrderDetails.of_fields(raw["details"]))


#: `json.dumps` with separators makes an encoder each time.
_as_json = json.JSONEncoder(separators=(",", ":")).encode

#: The fields that are compared by themselves.
_NAMES = tuple(each.name for each in fields(PaymentOrder) if each.name != "details")


#: Of an order, all that are compared.
_values = attrgetter(*_NAMES, *(f"details.{name}" for name in DETAILS))

#: What JSON has one way to write for.
_SCALARS = frozenset({str, int, bool, type(None)})


def _are_same_scalars(ordered: tuple[object, ...], there: tuple[object, ...]) -> bool:
    """As they are, where nothing was changed. What is not can be the same as JSON all the same: `_is_same` says it."""
    kinds = tuple(map(type, there))
    return ordered == there and tuple(map(type, ordered)) == kinds and _SCALARS.issuperset(kinds)


def _is_same(ordered: object, there: object) -> bool:
    """As JSON: in Python `False` equals `0`, and for the bank they are two things."""
    if type(ordered) is type(there) and type(there) in _SCALARS:
        return ordered == there
    return json.dumps(ordered) == json.dumps(there)
