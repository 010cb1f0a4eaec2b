"""Every field of an intent reaches the bank, or stands in a list of those that are not for the bank."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.sealed_card import PaymentOrder, SealedCard
from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent
from epay_transfers.worker.bank import Order, Terminal
from epay_transfers.worker.bank.payloads import transfer_json

#: Not for the bank, and why.
OURS = {
    "reference": "the producer's own id",
    "terminal": "our name of it; the bank is told its TerminalID",
    "deadline": "when we stop trying",
    "urgency": "which queue",
    "related_to": "what a payout is tried again for",
    "metadata": "the backend's own, which comes back to it",
}

ORDER = PaymentOrder(
    reference="r", handle="h", terminal="main", amount=1, currency="KZT", deadline_at=1, details=OrderDetails()
)

TERMINAL = Terminal("main", "67e34d63-102f-4bd1-898e-370781d0074d", "client", Secret("secret"))
PAN: dict[str, Any] = {
    "reference": "order-1123",
    "amount": "100.50",
    "currency": "USD",
    "description": "what it is for",
    "sender": PanCard(
        number="4405639704015096", expiry="01/29", cvc="815", name="Sergey Frolov", address="Abay 1", save=True
    ),
    "receiver": Receiver(
        number="5522042705066736", first_name="Ada", last_name="Lovelace", country_code="GB", save=True
    ),
    "invoice_id": "000000123456",
    "sender_email": "a@epay.kz",
    "sender_ip": "10.0.0.1",
    "merchant_id_for_saving_cards": "merchant-7",
    "foreign": True,
    "back_link": "https://shop.kz/back",
    "failure_back_link": "https://shop.kz/failure-back",
    "post_link": "https://shop.kz/post",
    "failure_post_link": "https://shop.kz/failure-post",
}
SAVED: dict[str, Any] = PAN | {
    "sender": SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e", cvc="815"),
    "receiver": Receiver(
        card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce", first_name="Ada", last_name="Lovelace", country_code="GB"
    ),
}


def leaves(model: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if hasattr(type(value), "model_fields"):
            yield from leaves(value, f"{before}{name}.")
        else:
            yield before + name, value.reveal() if isinstance(value, Secret) else value


def values(sent: Any) -> Iterator[Any]:
    if isinstance(sent, dict):
        for value in sent.values():
            yield from values(value)
    else:
        yield sent


@pytest.mark.parametrize("said", [PAN, SAVED], ids=["by numbers", "by saved cards"])
def test_each_field_is_sent_or_is_not_the_banks(said: dict[str, Any]) -> None:
    intent = TransferIntent(**said)
    order = Order.with_details(
        intent.order_details(), invoice_id=str(intent.invoice_id), amount_minor=intent.amount_minor, currency="USD"
    )
    sent = list(values(json.loads(transfer_json(TERMINAL, order, intent.card_data(), receiver_id_field="cardCred"))))
    sent += ["01/29"] if {"01", "29"} <= {str(value) for value in sent} else []  # as month and year
    texts = {json.dumps(value) for value in sent} | {str(value) for value in sent}

    lost = [
        name
        for name, value in leaves(intent)
        if name not in OURS and value not in (None, "", False) and not {str(value), str(value).rstrip("0")} & texts
    ]

    assert lost == []


@pytest.mark.parametrize("said", [PAN, SAVED], ids=["by numbers", "by saved cards"])
def test_the_bank_and_the_vault_are_told_nothing_of_the_metadata(said: dict[str, Any]) -> None:
    plain, with_some = TransferIntent(**said), TransferIntent(**said, metadata={"user": "1001"})

    assert with_some.order_details() == plain.order_details()
    assert SealedCard(ORDER, with_some.card_data()).to_bytes() == SealedCard(ORDER, plain.card_data()).to_bytes()


def test_the_two_examples_give_every_field() -> None:
    """A new field that no example gives would be looked for nowhere."""
    given = {name for said in (PAN, SAVED) for name, value in leaves(TransferIntent(**said)) if value}

    assert {name for said in (PAN, SAVED) for name, _ in leaves(TransferIntent(**said))} - given <= set(OURS)
