"""The vault's keys, and `KeyRing`: the private keys of a worker. What a key's text is stands in `ledger.key_text`.

A key ring lists the newest key first; all of its keys open, and none of them seals. A key that was destroyed on purpose
stays on it as its id, so that an error about what it sealed says so.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from epay_transfers.ledger import key_text
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret


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

    @property
    def public(self) -> str:
        """The text of the public key that seals for this one; empty if the key was destroyed."""
        return write_public(self.key, self.made) if self.key else ""


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
    raw, made = key_text.read(text, Kind.VAULT_PUBLIC)
    return PublicKey(_key_id(raw), made, X25519PublicKey.from_public_bytes(raw))


def write_public(key: X25519PrivateKey, made: date | None) -> str:
    """The text of a private key's public key."""
    return key_text.write(Kind.VAULT_PUBLIC, key.public_key().public_bytes_raw(), made)


def _read_private(text: Secret) -> PrivateKey:
    gone = key_text.read_destroyed(text.reveal())
    if gone:
        return PrivateKey(gone.key_id, gone.made, None)
    raw, made = key_text.read(text.reveal(), Kind.VAULT_PRIVATE)
    key = X25519PrivateKey.from_private_bytes(raw)
    return PrivateKey(_key_id(key.public_key().public_bytes_raw()), made, key)


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:8]
