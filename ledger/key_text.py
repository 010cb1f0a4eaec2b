"""The text of a key: `kind.KEY`, or `kind.KEY.YYYYMMDD` with the day on which `transfers keygen` made it.

The kind says what the key is for. KEY is base64url of the key's 32 bytes and of 4 that check them, together with the
kind: so a key in another key's place, a typing mistake and a text that a person made up are refused. A list of keys has
the newest first; `destroyed.ID` stands in it for a key that was destroyed on purpose.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from epay_transfers.ledger import base64url
from epay_transfers.ledger.secret import Secret


class Kind(StrEnum):
    """What a key is for: the prefix of its text."""

    VAULT_PUBLIC = "vault-public"
    VAULT_PRIVATE = "vault-private"
    FINGERPRINT = "fingerprint"


#: What is said of a key that stands in another one's place.
_IS = {
    Kind.VAULT_PUBLIC: "is a public key of the vault, which opens nothing",
    Kind.VAULT_PRIVATE: (
        "is a private key of the vault, which opens cards and belongs to workers alone: delete it here, and rotate it"
    ),
    Kind.FINGERPRINT: "is a fingerprint key, which neither seals nor opens",
}

#: Random bytes: 32 of them have some 30 different values, and never as few as this.
_FEWEST_VALUES = 16

_BYTES, _CHECK_BYTES = 32, 4
_KEY = re.compile(r"(?P<kind>[a-z-]+)\.(?P<key>[A-Za-z0-9_-]{48})(?:\.(?P<made>[0-9]{8}))?")
_BARE = re.compile(r"[A-Za-z0-9_-]{43}(?:\.[0-9]{8})?")
_DESTROYED = re.compile(r"destroyed\.(?P<key_id>[0-9a-f]{8})(?:\.(?P<made>[0-9]{8}))?")


@dataclass(frozen=True, slots=True)
class Destroyed:
    """The place of a key that was destroyed on purpose."""

    key_id: str
    made: date | None


def write(kind: Kind, raw: bytes, made: date | None = None) -> str:
    """A key as text."""
    text = f"{kind}.{base64url.encode(raw + _check(kind, raw))}"
    return f"{text}.{made:%Y%m%d}" if made else text


def read(text: str, kind: Kind) -> tuple[bytes, date | None]:
    """A key's bytes, and its day. Raises `ValueError`, without the text, for what is no key of this kind."""
    found = _KEY.fullmatch(text)
    if found is None and _BARE.fullmatch(text):
        raise ValueError(
            f"has no prefix that says what it is, like `{kind}.`: it is of no released version; "
            "make new keys with `transfers keygen`"
        )
    if found is None or found["kind"] not in set(Kind):
        raise ValueError("is not a key that `transfers keygen` printed")
    if found["kind"] != kind:
        raise ValueError(_IS[Kind(found["kind"])])
    whole = base64url.decode(found["key"])
    raw, check = whole[:_BYTES], whole[_BYTES:]
    if check != _check(kind, raw):
        raise ValueError("is not a key that `transfers keygen` printed: a letter of it is wrong, or it was made up")
    if len(set(raw)) < _FEWEST_VALUES:
        raise ValueError("is a key without randomness: make new keys with `transfers keygen`")
    return raw, _day(found["made"])


def read_destroyed(text: str) -> Destroyed | None:
    """None for what does not begin with `destroyed.`. Raises `ValueError` for what begins so, and is wrong."""
    if not text.startswith("destroyed."):
        return None
    found = _DESTROYED.fullmatch(text)
    if found is None:
        raise ValueError("is not a key, nor the mark of a destroyed one, which is `destroyed.` and the key's id")
    return Destroyed(found["key_id"], _day(found["made"]))


def split(text: str) -> list[Secret]:
    """The texts of a list of keys, separated by commas or lines; a `#` begins a comment."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [Secret(part.strip()) for line in lines for part in line.split(",") if part.strip()]


def _check(kind: Kind, raw: bytes) -> bytes:
    return hashlib.sha256(f"{kind}\0".encode() + raw).digest()[:_CHECK_BYTES]


def _day(text: str | None) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None
    except ValueError:
        raise ValueError("is not a key that `transfers keygen` printed: its day is none") from None
