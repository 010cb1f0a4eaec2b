"""The sandbox bank's books: the calls that it got, and the money that it moved. Money is counted only here.

The totals list each order that executed twice, by its number: no test may overlook one.
"""

import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from epay_transfers.sandbox.amounts import plain
from epay_transfers.sandbox.directives import Directives
from epay_transfers.sandbox.options import Merchant

#: An order whose calls were all refused: for the status inquiry it does not exist.
UNKNOWN = "UNKNOWN"
OPEN = "3D"
PAID = "AUTH"


@dataclass(slots=True)
class BookedOrder:
    """One order number of one merchant."""

    key: str
    invoice: str
    merchant: Merchant = field(repr=False)
    created_at: float
    directives: Directives
    state: str = UNKNOWN
    amount: Decimal = Decimal(0)
    currency: str = ""
    description: str = ""
    terminal: str = ""
    sender: str = ""
    receiver: str = ""
    sender_card_id: str = ""
    receiver_card_id: str = ""
    email: str = ""
    code: int = 0
    bank_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    reference: str = ""
    int_reference: str = ""
    executions: int = 0
    moved: Decimal = Decimal(0)
    executed: list[tuple[float, Decimal]] = field(default_factory=list)  #: when, and how much, for the statement
    transfers_received: int = 0
    confirms_received: int = 0
    repeated_confirms: int = 0
    duplicates: int = 0
    false_not_found: int = 0
    challenge_until: float = 0.0
    back_link: str = field(default="", repr=False)
    failure_back_link: str = field(default="", repr=False)
    post_link: str = field(default="", repr=False)
    failure_post_link: str = field(default="", repr=False)
    secret_hash: str = field(default="", repr=False)

    def execute(self, amount: Decimal, now: float) -> None:
        """Move the money. Nothing else in this bank does."""
        self.executions += 1
        self.executed.append((now, amount))
        self.moved += amount
        self.state, self.code = PAID, 0
        self.reference = self.reference or str(secrets.randbelow(9 * 10**11) + 10**11)
        self.int_reference = self.int_reference or secrets.token_hex(8).upper()

    def end(self, state: str, code: int) -> None:
        """End as declined or failed, unless it was executed."""
        if not self.executions:
            self.state, self.code = state, code

    def await_answer(self, until: float) -> None:
        if not self.executions:
            self.state, self.code = OPEN, 0
        self.challenge_until = until

    def word(self, now: float) -> str:
        """The status word that the bank gives now."""
        if self.state == OPEN and now >= self.challenge_until:
            return "FAILED"
        return self.directives.state if self.state == PAID and self.directives.state else self.state

    def as_dict(self, now: float) -> dict[str, object]:
        return {
            "state": self.word(now),
            "code": self.code,
            "amount": plain(self.amount),
            "currency": self.currency,
            "executions": self.executions,
            "moved": plain(self.moved),
            "transfers_received": self.transfers_received,
            "confirms_received": self.confirms_received,
            "repeated_confirms": self.repeated_confirms,
            "duplicates": self.duplicates,
            "description": self.description,
            "terminal": self.terminal,
            "sender": self.sender,
            "receiver": self.receiver,
            "id": self.bank_id,
            "reference": self.reference,
            "created_at": self.date(),
        }

    def date(self) -> str:
        return datetime.fromtimestamp(self.created_at, UTC).isoformat(timespec="milliseconds")


class Book:
    """Orders by their number; those of any merchant but the first by `client_id:number`."""

    def __init__(self, first: Merchant) -> None:
        self._first = first
        self._orders: dict[str, BookedOrder] = {}
        self._suffixes: dict[tuple[str, str], str] = {}
        self.calls = dict.fromkeys(("token", "transfer", "confirm", "status"), 0)
        self.refused = 0

    def receive(self, merchant: Merchant, invoice: str, directives: Directives, now: float) -> BookedOrder:
        """The order that a call names; the first call creates it."""
        key = self._key(merchant, invoice)
        order = self._orders.get(key)
        if order is None:
            order = self._orders[key] = BookedOrder(
                key, invoice, merchant, now, directives, false_not_found=directives.false_not_found
            )
        return order

    def find(self, merchant: Merchant, invoice: str) -> BookedOrder | None:
        return self._orders.get(self._key(merchant, invoice))

    def get(self, key: str) -> BookedOrder | None:
        return self._orders.get(key)

    def __iter__(self) -> Iterator[BookedOrder]:
        return iter(list(self._orders.values()))

    def claim(self, order: BookedOrder) -> bool:
        """Reserve the last six digits for this order, for ever. False: another order of the merchant has them."""
        suffix = (order.merchant.client_id, order.invoice[-6:])
        return self._suffixes.setdefault(suffix, order.invoice) == order.invoice

    def restore(self, orders: Iterable[BookedOrder], calls: Mapping[str, int], refused: int) -> None:
        """Go on with the books of a bank before this one."""
        self.clear()
        for order in orders:
            self._orders[order.key] = order
            if order.state != UNKNOWN:
                self.claim(order)
        self.calls |= calls
        self.refused = refused

    def clear(self) -> None:
        self._orders.clear()
        self._suffixes.clear()
        self.calls = dict.fromkeys(self.calls, 0)
        self.refused = 0

    def totals(self, now: float) -> dict[str, object]:
        orders = list(self)
        money: dict[str, Decimal] = {}
        for order in orders:
            if order.executions:
                money[order.currency] = money.get(order.currency, Decimal(0)) + order.moved
        words = [order.word(now) for order in orders]
        return {
            "orders": len(orders),
            "executed": sum(order.executions > 0 for order in orders),
            "executions": sum(order.executions for order in orders),
            "executed_twice": [order.key for order in orders if order.executions > 1],
            "declined": words.count("REJECT"),
            "failed": words.count("FAILED"),
            "unanswered_challenges": words.count(OPEN),
            "duplicates": sum(order.duplicates for order in orders),
            "refused": self.refused,
            "calls": dict(self.calls),
            "money": {currency: plain(amount) for currency, amount in sorted(money.items())},
        }

    def as_dict(self, now: float) -> dict[str, object]:
        return {"orders": {order.key: order.as_dict(now) for order in self}, "totals": self.totals(now)}

    def _key(self, merchant: Merchant, invoice: str) -> str:
        return invoice if merchant.client_id == self._first.client_id else f"{merchant.client_id}:{invoice}"
