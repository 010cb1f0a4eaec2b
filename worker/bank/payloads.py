"""The payloads that we send to the bank: token forms, transfer and confirm JSON (contract sections 1, 2, 4, 5).

Pure. Only this module of the bank's client reveals secrets; a payload is sent and never stored.
"""

import json
from decimal import Decimal
from typing import Any, Literal

from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard
from epay_transfers.worker.bank.order import Order, Terminal

ReceiverIdField = Literal["both", "id", "cardCred"]
SavedSenderFields = Literal["all", "given"]

STATUS_SCOPE = "webapi usermanagement email_send verification statement statistics payment"


def token_fields(terminal: Terminal, order: Order, *, secret_hash: str | None) -> dict[str, str]:
    """The form for the token of one transfer: the bank binds it to this invoice, amount and currency."""
    fields = _client(terminal) | {
        "scope": "transfer",
        "invoiceID": order.invoice_id,
        "amount": amount_string(order),
        "currency": order.currency,
    }
    return fields | ({"secret_hash": secret_hash} if secret_hash else {})


def status_token_fields(terminal: Terminal) -> dict[str, str]:
    """The form for the token of inquiries: it names no invoice and no amount, so one token serves all inquiries."""
    return _client(terminal) | {"scope": STATUS_SCOPE}


def transfer_json(
    terminal: Terminal,
    order: Order,
    cards: CardData,
    *,
    receiver_id_field: ReceiverIdField,
    saved_sender_fields: SavedSenderFields = "all",
) -> bytes:
    order_fields = {
        "currency": order.currency,
        "description": order.description,
        "merchantIdForSavingCards": order.merchant_id_for_saving_cards,
        "id": order.invoice_id,
        "senderIP": cards.sender_ip.reveal(),
        "senderEmail": cards.sender_email.reveal(),
        "foreign": order.foreign,
        "terminalId": terminal.terminal_id,
        "backLink": order.back_link,
        "failureBackLink": order.failure_back_link,
        "postLink": order.post_link,
        "failurePostLink": order.failure_post_link,
    }
    card_fields = {
        "sender": _sender(cards.sender, saved_sender_fields),
        "receiver": _receiver(cards.receiver, foreign=order.foreign, id_field=receiver_id_field),
    }
    # The amount is spliced in as text: `json` can write a number only from a float, or from an int.
    order_text = f'{{"amount":{amount_number(order)},{_dump(order_fields)[1:]}'
    return f'{{"order":{order_text},"card":{_dump(card_fields)}}}'.encode()


def confirm_json(bank_id: str, pa_res: Secret, md: str) -> bytes:
    return _dump({"ID": bank_id, "PaRes": pa_res.reveal(), "MD": md}).encode()


def amount_string(order: Order) -> str:
    """`100`, or `100.50`: as the token's form wants it."""
    amount = _amount(order)
    return str(int(amount)) if amount == int(amount) else f"{amount:f}"


def amount_number(order: Order) -> str:
    """`100`, or `100.5`: as a JSON number, exactly."""
    return f"{_amount(order).normalize():f}"


def _amount(order: Order) -> Decimal:
    return to_decimal(order.amount_minor, order.currency)


def _client(terminal: Terminal) -> dict[str, str]:
    client_id = terminal.client_id
    return {
        "grant_type": "client_credentials",
        "client_id": client_id.reveal() if isinstance(client_id, Secret) else client_id,
        "client_secret": terminal.client_secret.reveal(),
        "terminal": terminal.terminal_id,
    }


def _sender(sender: SenderCard, saved_fields: SavedSenderFields) -> dict[str, Any]:
    fields = {
        "save": sender.save,
        "transferType": sender.transfer_type,
        "address": sender.address.reveal(),
        "cvc": sender.cvc.reveal(),
        "cardCred": sender.cred.reveal(),
        "expire": {"month": sender.month.reveal(), "year": sender.year.reveal()},
        "name": sender.name.reveal(),
        "number": "",
    }
    if sender.transfer_type == "TYPECARDID" and saved_fields == "given":
        left_out = [name for name, card in (("cvc", sender.cvc), ("name", sender.name)) if not card.reveal()]
        left_out += [] if sender.month.reveal() or sender.year.reveal() else ["expire"]
        for name in left_out:
            del fields[name]
    return fields


def _receiver(receiver: ReceiverCard, *, foreign: bool, id_field: ReceiverIdField) -> dict[str, Any]:
    cred = receiver.cred.reveal()
    saved = receiver.transfer_type == "TYPECARDID"
    fields = {
        "save": receiver.save,
        "id": cred if saved else "",
        "transferType": receiver.transfer_type,
        "cardCred": "" if saved and id_field == "id" else cred,
    }
    if saved and id_field == "cardCred":
        del fields["id"]
    if foreign:
        fields["firstName"] = receiver.first_name.reveal()
        fields["lastName"] = receiver.last_name.reveal()
        fields["countryCode"] = receiver.country_code.reveal()
    return fields


def _dump(fields: dict[str, Any]) -> str:
    """JSON in ASCII on purpose: no typed text can make the encoding fail with the card in the exception."""
    return _as_json(fields)


#: `json.dumps` with separators makes an encoder each time.
_as_json = json.JSONEncoder(separators=(",", ":")).encode
