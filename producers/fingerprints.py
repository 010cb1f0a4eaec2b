"""Fingerprints: a keyed digest of each field of an intent, to tell whether a replay brings the same intent.

HMAC-SHA256 under `FINGERPRINT_KEY`, 6 bytes of it a field, bound to the reference: equal cards in two transfers have
different fingerprints. The CVC is in none. A field that was not given has none. The form is `version.digest.digest...`,
and a record is compared under its own version: what a later version added is the same only where it is not given.
"""

import base64
import hmac
from collections.abc import Mapping
from types import MappingProxyType

from epay_transfers.producers.cards import PanCard, SavedCard
from epay_transfers.producers.intent import TransferIntent

_BYTES = 6

#: Version → the fields that it added, in this order for ever. A new field of the intent is a new version: a line below.
FIELDS: Mapping[int, tuple[str, ...]] = MappingProxyType({
    1: (
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
    ),
})  # fmt: skip

VERSION = max(FIELDS)


def compute(intent: TransferIntent, key: bytes, version: int = VERSION) -> str:
    given = _given(intent)
    return ".".join([
        str(version), *(_digest(version, name, given[name], intent.reference, key) for name in _fields_of(version))
    ])  # fmt: skip


def differing(recorded: str, intent: TransferIntent, key: bytes) -> tuple[str, ...]:
    """The names of the fields in which the intent differs from the one that was recorded.

    All of them, where a version recorded it that this code does not know.
    """
    version = next((version for version in FIELDS if str(version) == recorded.partition(".")[0]), None)
    if version is None:
        return _fields_of(VERSION)
    known = _fields_of(version)
    theirs, ours = recorded.split(".")[1:], compute(intent, key, version).split(".")[1:]
    if len(theirs) != len(known):
        return _fields_of(VERSION)
    given = _given(intent)
    changed = [
        name for name, one, other in zip(known, theirs, ours, strict=True) if not hmac.compare_digest(one, other)
    ]
    return (*changed, *(name for name in _fields_of(VERSION) if name not in known and given[name]))


def _fields_of(version: int) -> tuple[str, ...]:
    return tuple(name for since, names in sorted(FIELDS.items()) if since <= version for name in names)


def _digest(version: int, name: str, value: str, reference: str, key: bytes) -> str:
    if not value:
        return ""
    hashed = f"{version}\0{reference}\0{name}\0{value}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, hashed, "sha256")[:_BYTES]).decode()


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
