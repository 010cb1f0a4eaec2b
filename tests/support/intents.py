"""Intents for tests that look at a transfer's way, and not at its fields."""

from typing import Any

from epay_transfers.producers import Receiver, SavedCard, TransferIntent

#: One as JSON, as a command reads it.
AS_JSON = {
    "reference": "payout-43",
    "amount": "15000",
    "description": "Payout 43",
    "sender": {"card_id": "88481433-595e-4c01-941f-34569db2426e"},
    "receiver": {"card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce"},
}


def payout(reference: str, description: str = "Payout", **fields: Any) -> TransferIntent:
    """A payout of 150 from a saved card; the description holds what the sandbox bank is to do."""
    given: dict[str, Any] = {
        "reference": reference,
        "amount": 150,
        "description": description,
        "sender": SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        "receiver": Receiver(number="5522042705066736"),
    }
    return TransferIntent(**given | fields)
