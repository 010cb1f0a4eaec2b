"""Transfers of every kind, for the console of `transfers demo --web` to show: they come while its user looks around.

Nothing is staged on the ledger: each transfer is enqueued as any other, and the sandbox bank, or an operator's request,
makes of it what the console shows.
"""

import json
import time
from decimal import Decimal

from epay_transfers.ledger.invoice import make_invoice_id
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.ops.demo.sandbox_client import SandboxClient
from epay_transfers.producers import Receipt, Receiver, SavedCard, TransferIntent, Transfers

#: A terminal whose sending is paused, and what it is called in the settings.
KIOSK = "kiosk"

_SENDER = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e")
_RECEIVER = Receiver(number="5522042705066736")

#: Amount in tenge, and the words that tell the sandbox what to do.
_PAYOUTS = (
    (15_000, "Payout"),
    (7_200, "Payout"),
    (41_500, "Payout"),
    (990_000, "[decline:484] Payout"),
    (310_000, "[decline:451] Payout"),
    (12_000, "[3ds] Concert"),
    (4_500, "[3ds] Bicycle"),
    (55_000, "[garbage] [false-not-found:9999] Payout"),
    (82_000, "[garbage] [false-not-found:9999] Payout"),
)
_HELD = (19_000, 23_000)
_DEAD = 8_800

_LOOKS, _LOOK_S = 100, 0.1

#: The last six digits of the one to which the bank gives no token, however often it is tried. Two would be taken for a
#: bank that is away, and what is bought in the shop would wait.
_NO_TOKEN = 900_001


def settings() -> dict[str, str]:
    """Of every process: there is a second terminal."""
    return {"EPAY_TERMINALS": json.dumps({KIOSK: {"space": KIOSK}})}


def workers_settings() -> dict[str, str]:
    """Its credentials. Nothing is ever sent by them."""
    credentials = {"terminal_id": KIOSK, "client_id": KIOSK, "client_secret": KIOSK}
    return {"EPAY_CREDENTIALS": json.dumps({KIOSK: credentials})}


def show(transfers: Transfers, context: Context, bank: SandboxClient) -> None:
    """Enqueue them, with what makes of some what the bank alone does not. It returns when all are on their way."""
    pause_id = requests.pause(context, Lane.SEND, KIOSK, Cause.OTHER, 0, "the kiosk is being rebuilt")
    for number, (amount, description) in enumerate(_PAYOUTS):
        _enqueue(transfers, f"example-{number}", amount, description)
    _until_known(context, pause_id)
    for amount in _HELD:
        _enqueue(transfers, f"kiosk-{amount}", amount, "Payout", terminal=KIOSK)
    taken_back = _enqueue(transfers, "kiosk-taken-back", 2_000, "Payout", terminal=KIOSK)
    transfers.cancel(taken_back.key, reason="ordered twice")
    invoice_id = make_invoice_id(_NO_TOKEN, context.clock.now_ms())
    bank.refuse_tokens(invoice_id, times=None)
    _enqueue(transfers, "no-token", _DEAD, "Payout", invoice_id=invoice_id)


def _until_known(context: Context, pause_id: str) -> None:
    """Until a worker has written the pause down: then it asks the bank for no token of the kiosk."""
    for _ in range(_LOOKS):
        pause = context.pauses.get(pause_id)
        if pause is None or pause.since_ms:
            return
        time.sleep(_LOOK_S)


def _enqueue(
    transfers: Transfers,
    reference: str,
    amount: int,
    description: str,
    *,
    terminal: str = "main",
    invoice_id: str | None = None,
) -> Receipt:
    intent = TransferIntent(
        reference=reference,
        amount=Decimal(amount),
        description=description,
        sender=_SENDER,
        receiver=_RECEIVER,
        terminal=terminal,
        invoice_id=invoice_id,
        urgency="batch",  # what is bought in the shop goes first
    )
    return transfers.enqueue(intent)
