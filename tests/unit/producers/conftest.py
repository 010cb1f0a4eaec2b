"""Intents to bend, one field at a time."""

from typing import Any

import pytest

from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent

PAN = "4405639704015096"
CARD_ID = "88481433-595e-4c01-941f-34569db2426e"


@pytest.fixture
def by_pan() -> dict[str, Any]:
    return {
        "reference": "order-1123",
        "amount": "100.50",
        "description": "TEST p2p",
        "sender": PanCard(number=PAN, expiry="01/25", cvc="815", name="Sergey Frolov"),
        "receiver": Receiver(number="5522042705066736"),
    }


@pytest.fixture
def by_saved_card() -> dict[str, Any]:
    return {
        "reference": "payout-42",
        "amount": "15000",
        "description": "Payout 42",
        "sender": SavedCard(card_id=CARD_ID),
        "receiver": Receiver(card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce"),
        "urgency": "batch",
    }


@pytest.fixture
def intent(by_pan: dict[str, Any]) -> TransferIntent:
    return TransferIntent(**by_pan)
