"""The transfers of the demo, one for each way that a transfer can go. Data only; the stories are in `play`.

Cards are the bank's public test cards. Words in brackets in a description are directives for the sandbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from epay_transfers.ledger.invoice import make_invoice_id

_SAVED = {"card_id": "88481433-595e-4c01-941f-34569db2426e"}
_BY_NUMBER = {"number": "4405639704015096", "expiry": "01/25", "cvc": "815", "name": "TEST CARD"}
_RECEIVER = {"number": "5522042705066736"}


@dataclass(frozen=True, slots=True)
class Scene:
    """`number` becomes the last six digits of its invoice id, and its place on the board."""

    number: int
    shows: str
    amount: str
    description: str
    sender: Mapping[str, str] = field(default_factory=lambda: _BY_NUMBER)
    urgency: Literal["now", "batch"] = "now"

    @property
    def reference(self) -> str:
        return f"demo-{self.number}"

    def invoice_id(self, now_ms: int) -> str:
        return make_invoice_id(self.number, now_ms)

    def intent(self, invoice_id: str) -> dict[str, Any]:
        return {
            "reference": self.reference,
            "invoice_id": invoice_id,
            "amount": self.amount,
            "description": self.description,
            "sender": self.sender,
            "receiver": _RECEIVER,
            "urgency": self.urgency,
        }


PAYOUT = Scene(1, "payout from a saved card", "15000", "Payout 1", sender=_SAVED, urgency="batch")
BY_CARD = Scene(2, "from card to card", "4500.50", "For the bicycle")
SECURE = Scene(3, "parked for 3-D Secure", "12000", "[3ds] For the concert")
DECLINED = Scene(4, "declined by the bank", "990000", "[decline:484] Too much")
NO_TOKEN = Scene(5, "no token, twice", "7200", "Payout 5", sender=_SAVED, urgency="batch")
TWICE = Scene(6, "enqueued twice", "25000", "Payout 6", sender=_SAVED, urgency="batch")
COLLISION = Scene(7, "the last six collide", "3000", "Payout 7", sender=_SAVED)
KILLED = Scene(8, "killed on the wire", "50000", "[hang-after:30] Payout 8", sender=_SAVED)
DEAD = Scene(9, "dies, and is requeued", "8800", "Payout 9", sender=_SAVED, urgency="batch")

#: These begin after the others have ended: the kill would interrupt the others' calls.
LATER = (KILLED, DEAD)
