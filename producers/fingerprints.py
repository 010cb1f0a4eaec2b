"""Fingerprints: a keyed digest of each field of an intent, to tell whether a replay brings the same intent.

HMAC-SHA256 under the newest of `FINGERPRINT_KEYS`, 6 bytes of it a field, bound to the reference: equal cards in two
transfers have different fingerprints. The CVC is in none. A field that was not given has none. The form is
`version.key_id.digest.digest...`. The cards' are apart from the others: no other process than a producer reads them,
and they go when the transfer ends, so that a card's digest and its first six and last four are never found together.

A record is compared under its own version and key. Where its digests are gone, or their key is, the replay is compared
by what the record itself keeps. Metadata are always compared so, and have no digest: the record keeps them in clear and
whole, and a record of before them has none. So they need no version of their own, and an older producer takes no record
for one of another intent.
"""

import base64
import hmac
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import MappingProxyType

from epay_transfers.ledger import metadata
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.record import Record
from epay_transfers.producers.cards import PanCard, SavedCard
from epay_transfers.producers.intent import TransferIntent

_LOG = logging.getLogger(__name__)

_BYTES, _SIGNS = 6, 8

#: The ids of missing keys that this process has said: a replay may come at any moment, and there may be many.
_said_missing: set[str] = set()
_SAID_AT_MOST = 100

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

#: What names or belongs to a card. A name that a later version adds stands here, too, if it does.
CARD_FIELDS = frozenset({
    "sender.number",
    "sender.expiry",
    "sender.name",
    "sender.address",
    "sender.card_id",
    "receiver.number",
    "receiver.card_id",
})  # fmt: skip


#: The fields of an intent that an archived transfer still has.
_KEPT_OF_ARCHIVED = ("amount", "currency", "terminal")


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What is kept of an intent to compare a replay by: the cards' apart from the others."""

    others: str
    cards: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """Digests as they were read. `key` is None where it was destroyed, or is not among this producer's."""

    version: int
    key: bytes | None
    digests: Mapping[str, str]


def compute(intent: TransferIntent, keys: FingerprintKeys, version: int = VERSION) -> Fingerprints:
    begun, given = _begun(keys.newest.raw or b"", version, intent.reference), _given(intent)
    there = [name for name in _names(version) if given[name]]
    texts = dict(zip(there, _texts([_digest(begun, name, given[name]) for name in there]), strict=True))
    others, cards = (
        ".".join(
            (str(version), keys.newest.key_id, *(texts.get(name, "") for name in _fields_of(version, cards=cards)))
        )
        for cards in (False, True)
    )
    return Fingerprints(others, cards)


def differing(record: Record, cards: str, intent: TransferIntent, keys: FingerprintKeys) -> tuple[str, ...]:
    """The names of the fields in which the intent differs from the one that was recorded.

    `cards`: the digests of its cards; empty once the transfer has ended. All fields, where a version recorded it that
    this code does not know. Of an archived transfer amount, currency and terminal are compared: no more is kept,
    no metadata either.
    """
    if record.archived_at:
        given, plain = _given(intent), _plain(record)
        return tuple(name for name in _KEPT_OF_ARCHIVED if plain[name] != given[name])
    in_clear = () if metadata.read(record.metadata) == intent.metadata else ("metadata",)
    return (*_differing_by_digest(record, cards, intent, keys), *in_clear)


def _differing_by_digest(record: Record, cards: str, intent: TransferIntent, keys: FingerprintKeys) -> tuple[str, ...]:
    others = _read(record.fingerprints, keys, cards=False)
    of_cards = _read(cards, keys, cards=True) if cards else None
    if others is None or (cards and of_cards is None):
        return _names(VERSION)
    given, plain = _given(intent), _plain(record)
    changed = {
        name
        for name in _names(VERSION)
        if _differs(name, of_cards if name in CARD_FIELDS else others, given[name], intent.reference, plain.get(name))
    }
    masks = {
        "sender.number": (record.sender_card, intent.sender.mask),
        "receiver.number": (record.receiver_card, intent.receiver.mask),
    }
    if of_cards is None or of_cards.key is None:
        changed |= {name for name, (kept, mask) in masks.items() if _are_of_two_cards(kept, mask)}
    return tuple(name for name in _names(VERSION) if name in changed)


def all_differ(fields: Sequence[str], cards: str, intent: TransferIntent) -> bool:
    """Does every given field that can be compared differ? No other intent does that: the keys of the two differ.

    `cards`: as for `differing`.
    """
    given = {name for name, value in _given(intent).items() if value}
    return given - (frozenset() if cards else CARD_FIELDS) <= set(fields)


def _differs(name: str, kept: _Kept | None, value: str, reference: str, plain: str | None) -> bool:
    """By its digest; or, without its key, by what the record keeps and by whether the field was given at all."""
    if kept is None:  # a card's, of a transfer that has ended
        return False
    if name not in kept.digests:  # of a later version: it was not given then
        return bool(value)
    digest = kept.digests[name]
    if kept.key is not None:
        begun = _begun(kept.key, kept.version, reference)
        own = next(_texts([_digest(begun, name, value)])) if value else ""
        return not hmac.compare_digest(digest, own)
    return bool(digest) != bool(value) or (plain is not None and plain != value)


def _read(text: str, keys: FingerprintKeys, *, cards: bool) -> _Kept | None:
    """None: damaged, or of a version that this code does not know."""
    number, _, rest = text.partition(".")
    key_id, *digests = rest.split(".")
    version = next((version for version in FIELDS if str(version) == number), None)
    names = _fields_of(version, cards=cards) if version else ()
    if version is None or len(digests) != len(names):
        return None
    key = keys.get(key_id)
    if key is None and key_id not in _said_missing and len(_said_missing) < _SAID_AT_MOST:
        _said_missing.add(key_id)
        log_line(
            _LOG.warning,
            "fingerprints.key_missing",
            "FINGERPRINT_KEYS lacks the key %(key_id)s: what it printed is compared by less. This process says so once",
            key_id=key_id[:8],
        )
    return _Kept(version, key.raw if key else None, dict(zip(names, digests, strict=True)))


def _plain(record: Record) -> dict[str, str]:
    """What the record keeps in clear of the fields; of an ended transfer no order and no urgency."""
    try:
        order = _order(OrderDetails.from_json(record.order_details)) if record.order_details else {}
    except ValueError:
        order = {}
    urgency = {"urgency": record.urgency} if record.urgency else {}
    return (
        order
        | urgency
        | {
            "amount": str(record.amount),
            "currency": record.currency,
            "terminal": record.terminal,
            "related_to": record.related,
        }
    )


def _are_of_two_cards(one: str, other: str) -> bool:
    """Do two masks show different digits? The bank's may show fewer than ours. An empty one shows none."""
    first, last = _shown(one)
    other_first, other_last = _shown(other)
    begin_alike = first.startswith(other_first) or other_first.startswith(first)
    end_alike = last.endswith(other_last) or other_last.endswith(last)
    return not (begin_alike and end_alike)


def _shown(mask: str) -> tuple[str, str]:
    """The digits before and after the stars."""
    first, _, rest = mask.partition("*")
    return first, rest.lstrip("*")


@cache
def _names(version: int) -> tuple[str, ...]:
    return tuple(chain.from_iterable(FIELDS[since] for since in sorted(FIELDS) if since <= version))


@cache
def _fields_of(version: int, *, cards: bool) -> tuple[str, ...]:
    return tuple(name for name in _names(version) if (name in CARD_FIELDS) == cards)


def _begun(key: bytes, version: int, reference: str) -> hmac.HMAC:
    """What every digest of an intent hashes first, so that the prints of two references differ."""
    return hmac.new(key, f"{version}\0{reference}\0".encode(), "sha256")


def _digest(begun: hmac.HMAC, name: str, value: str) -> bytes:
    """`begun`: has hashed what all of them begin with. A copy of it costs a third less than one from the key on."""
    this = begun.copy()
    this.update(f"{name}\0{value}".encode())
    return this.digest()[:_BYTES]


def _texts(digests: Sequence[bytes]) -> Iterator[str]:
    """Each as text. Six bytes are eight signs to the last bit, so all of them are written at once, and cut."""
    text = base64.urlsafe_b64encode(b"".join(digests)).decode()
    return (text[at : at + _SIGNS] for at in range(0, len(text), _SIGNS))


def _given(intent: TransferIntent) -> dict[str, str]:
    """Every field as text, empty where it was not given."""
    sender, receiver = intent.sender, intent.receiver
    pan = sender if isinstance(sender, PanCard) else None
    saved = sender if isinstance(sender, SavedCard) else None
    return {
        "amount": str(intent.amount_minor),
        "currency": intent.currency,
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
    } | _order(intent.order_details())


def _order(details: OrderDetails) -> dict[str, str]:
    return {name: _yes(value) if isinstance(value, bool) else value for name, value in details.by_name().items()}


def _yes(flag: bool) -> str:  # noqa: FBT001 - its name is the question
    return "yes" if flag else ""
