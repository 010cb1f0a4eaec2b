"""Sealing: who holds the public key can put a card in, only who holds the private key can take one out.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM. The seal is bound to its version, its key, its purpose and its
transfer: a blob that was moved to another transfer does not open. A sealed text is `version.key_id.base64`.
"""

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ledger.errors import TransfersError
from ledger.secret import Secret

_VERSION = "1"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Purpose(StrEnum):
    CARD = "card"
    PARES = "pares"


class SealBroken(TransfersError):
    """The sealed text was not made for this transfer and purpose by this key: torn, tampered with, or moved here."""

    def __init__(self) -> None:
        super().__init__("a sealed text does not open: it was changed, or it belongs to another transfer")


class SealKeyUnknown(TransfersError):
    """The key that opens it is not on the ring: retired too early, or never given to this worker."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"VAULT_PRIVATE_KEYS: the key {key_id} is not on the ring; add it, or wait until what it sealed has ended"
        )
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class KeyPair:
    public: str
    private: Secret


def generate() -> KeyPair:
    private = X25519PrivateKey.generate()
    raw = private.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    return KeyPair(_text(private.public_key().public_bytes_raw()), Secret(_text(raw)))


class Sealer:
    """Seals with one public key. Raises `ValueError` for what is no key."""

    def __init__(self, public_key: str) -> None:
        raw = _key_bytes(public_key)
        self.key_id = _key_id(raw)
        self._key = X25519PublicKey.from_public_bytes(raw)

    def seal(self, cleartext: bytes, purpose: Purpose, transfer_key: str) -> str:
        sealed = _SUITE.encrypt(cleartext, self._key, _info(self.key_id, purpose, transfer_key))
        return f"{_VERSION}.{self.key_id}.{_text(sealed)}"


class Opener:
    """Opens with a ring of private keys. Raises `ValueError` for what is no key."""

    def __init__(self, private_keys: list[Secret]) -> None:
        if not private_keys:
            _refuse_key()
        self._keys: dict[str, X25519PrivateKey] = {}
        for secret in private_keys:
            key = X25519PrivateKey.from_private_bytes(_key_bytes(secret.reveal()))
            self._keys[_key_id(key.public_key().public_bytes_raw())] = key

    @property
    def key_ids(self) -> list[str]:
        return list(self._keys)

    def open(self, text: str, purpose: Purpose, transfer_key: str) -> bytes:
        """The cleartext. Raises `SealKeyUnknown` or `SealBroken`."""
        version, _, rest = text.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION or not body:
            raise SealBroken
        key = self._keys.get(key_id)
        if key is None:
            raise SealKeyUnknown(key_id)
        try:
            return _SUITE.decrypt(_bytes(body), key, _info(key_id, purpose, transfer_key))
        except (InvalidTag, ValueError):
            raise SealBroken from None


def _info(key_id: str, purpose: Purpose, transfer_key: str) -> bytes:
    parts = [part.encode() for part in ("transfers-seal", _VERSION, key_id, purpose, transfer_key)]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:8]


def _key_bytes(text: str) -> bytes:
    try:
        raw = _bytes(text)
    except ValueError:
        _refuse_key()
    if len(raw) != 32:
        _refuse_key()
    return raw


def _refuse_key() -> NoReturn:
    raise ValueError("is not a key that `transfers keygen` printed") from None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
