"""The two calls of the bank as one writes them without this package: a token, then the transfer. Every queue runs it.

It imports the standard library alone: the other queues' processes have libraries of their own.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

BANK = os.environ.get("BENCH_BANK", "")
VERIFY: str | bool = os.environ.get("BENCH_CA") or True

#: Card, CVC and receiver: the bank's public test cards.
CARD = ("4405639704015096", "815", "5522042705066736")

#: The bank's public test merchant.
_TERMINAL = "40a348cb-68a3-45d5-9002-a4836d79c3b5"
FORM = {
    "grant_type": "client_credentials",
    "scope": "transfer",
    "currency": "KZT",
    "client_id": "test",
    "client_secret": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
    "terminal": _TERMINAL,
}

TOKEN_URL = f"{BANK}/epay2/oauth2/token"
TRANSFER_URL = f"{BANK}/api/p2p/transfer"


def pay(post: Callable[..., Any], invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    """`post`: that of `requests`, or of a session."""
    fields = FORM | {"invoiceID": invoice, "amount": str(amount)}
    form = {name: (None, text) for name, text in fields.items()}
    token = post(TOKEN_URL, files=form, timeout=30, verify=VERIFY).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    body = order(invoice, amount, card, cvc, receiver)
    answer: Mapping[str, object] = post(TRANSFER_URL, json=body, headers=headers, timeout=30, verify=VERIFY).json()
    if answer["code"] != 0:
        raise RuntimeError("the bank says no")


def order(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> dict[str, object]:
    return {
        "order": {
            "amount": amount,
            "currency": "KZT",
            "description": "Payout",
            "merchantIdForSavingCards": "",
            "id": invoice,
            "senderIP": "",
            "senderEmail": "a@example.kz",
            "foreign": False,
            "terminalId": _TERMINAL,
            "backLink": "https://shop.example.kz/ok",
            "failureBackLink": "https://shop.example.kz/no",
            "postLink": "https://shop.example.kz/n",
            "failurePostLink": "https://shop.example.kz/f",
        },
        "card": {
            "sender": {
                "save": False,
                "transferType": "TYPEPAN",
                "address": "",
                "cvc": cvc,
                "cardCred": card,
                "expire": {"month": "01", "year": "25"},
                "name": "Sergey Frolov",
                "number": "",
            },
            "receiver": {"save": False, "id": "", "transferType": "TYPEPAN", "cardCred": receiver},
        },
    }
