"""Prints: a keyed digest of each field of an intent, to tell whether a replay brings the same intent.

HMAC-SHA256 under `FINGERPRINT_KEY`, 6 bytes of it a field, bound to the reference: equal cards in two transfers have
different prints. The CVC is in no print. A field that was not given has none. The form is `version.print.print...`.
"""

import base64
import hmac

from epay_transfers.producers.cards import PanCard, SavedCard
from epay_transfers.producers.intent import TransferIntent

_VERSION = "1"
_BYTES = 6

#: In this order for ever: a new field is a new version.
FIELDS = (
    "amount",
    "currency",
    "description",
    "sender.number",
    "sender.expiry",
    "sender.name",
    "sender.address",
    "sender.card_id",
    "sender.save",
    "receiver.number",
    "receiver.card_id",
    "receiver.first_name",
    "receiver.last_name",
    "receiver.country_code",
    "receiver.save",
    "terminal",
    "deadline",
    "urgency",
    "related_to",
    "sender_email",
    "sender_ip",
    "merchant_id_for_saving_cards",
    "foreign",
    "back_link",
    "failure_back_link",
    "post_link",
    "failure_post_link",
)


def compute(intent: TransferIntent, key: bytes) -> str:
    given = _given(intent)
    return ".".join([_VERSION, *(_print(name, given[name], intent.reference, key) for name in FIELDS)])


def differing(one: str, other: str) -> tuple[str, ...]:
    """The names of the fields that differ. Prints of two versions can't be compared: then all of them."""
    ones, others = one.split("."), other.split(".")
    if ones[0] != others[0] or len(ones) != len(others):
        return FIELDS
    pairs = zip(FIELDS, ones[1:], others[1:], strict=True)
    return tuple(name for name, mine, theirs in pairs if not hmac.compare_digest(mine, theirs))


def _print(name: str, value: str, reference: str, key: bytes) -> str:
    if not value:
        return ""
    said = f"{_VERSION}\0{reference}\0{name}\0{value}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, said, "sha256")[:_BYTES]).decode()


def _given(intent: TransferIntent) -> dict[str, str]:
    """Every field as text, empty where it was not given."""
    sender, receiver = intent.sender, intent.receiver
    pan = sender if isinstance(sender, PanCard) else None
    saved = sender if isinstance(sender, SavedCard) else None
    return {
        "amount": str(intent.amount_minor),
        "currency": intent.currency,
        "description": intent.description,
        "sender.number": pan.number.reveal() if pan else "",
        "sender.expiry": pan.expiry.reveal() if pan else "",
        "sender.name": pan.name.reveal() if pan else "",
        "sender.address": pan.address.reveal() if pan else "",
        "sender.card_id": saved.card_id.reveal() if saved else "",
        "sender.save": _yes(pan is not None and pan.save),
        "receiver.number": receiver.number.reveal() if receiver.number else "",
        "receiver.card_id": receiver.card_id.reveal() if receiver.card_id else "",
        "receiver.first_name": receiver.first_name.reveal(),
        "receiver.last_name": receiver.last_name.reveal(),
        "receiver.country_code": receiver.country_code.reveal(),
        "receiver.save": _yes(receiver.save),
        "terminal": intent.terminal,
        "deadline": str(int(intent.deadline.timestamp() * 1000)) if intent.deadline else "",
        "urgency": intent.urgency,
        "related_to": intent.related_to or "",
        "sender_email": intent.sender_email.reveal(),
        "sender_ip": intent.sender_ip.reveal(),
        "merchant_id_for_saving_cards": intent.merchant_id_for_saving_cards,
        "foreign": _yes(intent.foreign),
        "back_link": intent.back_link,
        "failure_back_link": intent.failure_back_link,
        "post_link": intent.post_link,
        "failure_post_link": intent.failure_post_link,
    }


def _yes(flag: bool) -> str:  # noqa: FBT001 - its name is the question
    return "yes" if flag else ""
