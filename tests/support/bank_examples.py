"""The values that the tests of the bank's room speak of: the contract's own samples, and nothing that acts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard
from epay_transfers.worker.bank.order import Order, Terminal
from epay_transfers.worker.bank.outcome import Response

#: Replayable without anything on disk: the same examples each time.
FUZZ = settings(derandomize=True, database=None, max_examples=500)

#: What the bank and browsers send, as files.
SAMPLES = Path(__file__).parent / "samples"

PAN = "4405639704015096"
PAN_TO = "5522042705066736"
INVOICE = "251124000001"

TERMINAL = Terminal(
    "main", "40a348cb-68a3-45d5-9002-a4836d79c3b5", Secret("test"), Secret("yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG")
)
ORDER = Order(
    invoice_id=INVOICE,
    amount_minor=200_00,
    currency="KZT",
    description="TEST p2p",
    back_link="https://shop.example/ok",
    failure_back_link="https://shop.example/no",
    post_link="https://shop.example/post",
    failure_post_link="https://shop.example/fail",
)
CARDS = CardData(
    sender=SenderCard(
        "TYPEPAN", Secret(PAN), Secret("01"), Secret("25"), Secret("815"), Secret("Sergey Frolov"), Secret("Abay 1")
    ),
    receiver=ReceiverCard("TYPEPAN", Secret(PAN_TO), Secret("Ivan"), Secret("Petrov"), Secret("KZ")),
    sender_ip=Secret("10.1.2.3"),
    sender_email=Secret("armanali@epay.kz"),
)

SUCCESS: dict[str, Any] = {
    "id": "a9e1b986-be01-4763-9216-610cc63b963c",
    "amount": 200,
    "currency": "KZT",
    "email": "epay@halykbank.kz",
    "description": "TEST p2p",
    "reference": "204978430339",
    "orderID": INVOICE,
    "senderCardID": "88481433-595e-4c01-941f-34569db2426e",
    "senderCardPAN": "4003********9821",
    "receiverCardID": "86496cb0-bb5d-4791-bb49-cc27a0f660ce",
    "receiverCardPAN": "5578********0613",
    "intReference": "6BD1808D0FF129B0",
    "terminalID": "95555555",
    "code": 0,
    "status": "AUTH",
}
FAILURE: dict[str, Any] = {
    "code": 484,
    "message": " Insufficient funds",
    "invoiceId": INVOICE,
    "id": "",
    "reference": "",
    "accountId": "uuid000001",
}
CHALLENGE: dict[str, Any] = {
    "id": "a9e1b986-be01-4763-9216-610cc63b963c",
    "paReq": "eJxVUt1ugjAUvvcp",
    "md": "270469967-9CA5EC5779A3358E",
    "action": "https://acs.example/pareq",
}
SUCCESS_PAGE = "https://epay.homebank.kz/payform/success.html"
FAILURE_PAGE = "https://epay.homebank.kz/payform/"
SUCCESS_QUERY = (
    f"amount=200&currency=KZT&invoiceID={INVOICE}&accountID=&description=TEST+p2p"
    "&reference=204978430339&language=ru&cardid="
)
TRANSACTION: dict[str, Any] = {
    "id": "a9e1b986",
    "createdDate": "2025-11-24T10:00:00",
    "invoiceID": INVOICE,
    "amount": 200,
    "currency": "KZT",
    "reference": "204978430339",
    "statusName": "AUTH",
    "reasonCode": "00",
}


def heard(body: object, status: int = 200, **more: Any) -> Response:
    """An answer of the bank, from a dict or as raw bytes."""
    return Response(status, body=body if isinstance(body, bytes) else json.dumps(body).encode(), **more)


def status_body(transaction: dict[str, Any] | None = None, code: object = "100", **changes: Any) -> dict[str, Any]:
    inner = TRANSACTION | changes if transaction is None else transaction
    return {"result": {"code": code, "message": "SUCCESS"}, "transaction": {"p2p": inner}}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def order(**changes: Any) -> Order:
    return replace(ORDER, **changes)
