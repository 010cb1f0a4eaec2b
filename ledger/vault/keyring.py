"""The vault's keys as text, and `KeyRing`: the private keys of a worker.

A text is `base64`, or `base64.YYYYMMDD` with the day on which the key was made. A key ring lists the newest key first;
all of its keys open, and none of them seals. `destroyed.ID` marks a key that was destroyed on purpose, so that an
error about what it sealed says so.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from epay_transfers.ledger import base64url
from epay_transfers.ledger.secret import Secret

_KEY = re.compile(r"(?P<key>[A-Za-z0-9_-]{43})(?:\.(?P<made>[0-9]{8}))?")
_DESTROYED = re.compile(r"destroyed\.(?P<key_id>[0-9a-f]{8})(?:\.(?P<made>[0-9]{8}))?")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that seals."""

    key_id: str
    made: date | None
    key: X25519PublicKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that opens. `key` is None if the key was destroyed."""

    key_id: str
    made: date | None
    key: X25519PrivateKey | None


class KeyRing:
    """Private keys, newest first. Raises `ValueError` for a text that is no key, and if no key opens anything."""

    def __init__(self, texts: Sequence[Secret]) -> None:
        self._keys: dict[str, PrivateKey] = {}
        for text in texts:
            key = _read_private(text)
            if key.key_id in self._keys:
                raise ValueError(f"has the key {key.key_id} twice")
            self._keys[key.key_id] = key
        if not any(key.key for key in self):
            raise ValueError("has no key that opens anything")

    def __iter__(self) -> Iterator[PrivateKey]:
        return iter(self._keys.values())

    def get(self, key_id: str) -> PrivateKey | None:
        return self._keys.get(key_id)


def read_public(text: str) -> PublicKey:
    """A public key from its text. Raises `ValueError` if it is none."""
    raw, made = _read(text)
    return PublicKey(_key_id(raw), made, X25519PublicKey.from_public_bytes(raw))


def write(raw: bytes, made: date | None) -> str:
    """A key as text."""
    text = base64url.encode(raw)
    return f"{text}.{made:%Y%m%d}" if made else text


def split(text: str) -> list[Secret]:
    """The texts of a key ring, separated by commas or lines; a `#` begins a comment."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [Secret(part.strip()) for line in lines for part in line.split(",") if part.strip()]


def _read_private(text: Secret) -> PrivateKey:
    gone = _DESTROYED.fullmatch(text.reveal())
    if gone:
        return PrivateKey(gone["key_id"], _day(gone["made"]), None)
    raw, made = _read(text.reveal())
    key = X25519PrivateKey.from_private_bytes(raw)
    return PrivateKey(_key_id(key.public_key().public_bytes_raw()), made, key)


def _read(text: str) -> tuple[bytes, date | None]:
    found = _KEY.fullmatch(text)
    if found is None:
        _refuse()
    try:
        return base64url.decode(found["key"]), _day(found["made"])
    except ValueError:
        _refuse()


def _day(text: str | None) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None
    except ValueError:
        _refuse()


def _refuse() -> NoReturn:
    raise ValueError("is not a key that `transfers keygen` printed") from None


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:8]
