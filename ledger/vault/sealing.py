"""Sealing: producers encrypt a card with the public key, and only workers, with the private key, decrypt it.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM. A seal is bound to its version, key, purpose and transfer: a
sealed text that was moved to another transfer does not open. A sealed text is `version.key_id.base64`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from epay_transfers.ledger import base64url, key_text
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.ledger.vault.keyring import KeyRing, read_public, write_public

_VERSION = "1"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Purpose(StrEnum):
    CARD = "card"
    PARES = "pares"
    NOTIFICATION = "notification"  #: on its way through the web tier's inbox; the vault keeps none


class SealBroken(TransfersError):
    """The sealed text does not fit this transfer, purpose and key: it was cut, changed, or moved here."""

    def __init__(self) -> None:
        super().__init__("a sealed text does not open: it was changed, or it belongs to another transfer")


class SealKeyUnknown(TransfersError):
    """The worker does not have the key: it was retired too early, or never given to this worker."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"VAULT_PRIVATE_KEYS: the key {key_id} is missing; add it, or wait until all that it sealed has ended"
        )
        self.key_id = key_id


class SealKeyDestroyed(TransfersError):
    """The key was destroyed on purpose: the sealed text can't be opened any more."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the key {key_id} was destroyed: what it sealed can't be opened any more")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class KeyPair:
    public: str
    private: Secret


def generate(made: date | None = None) -> KeyPair:
    """A new pair; `made` is the day of today, from which `transfers keys` tells its age."""
    private = X25519PrivateKey.generate()
    return KeyPair(
        write_public(private, made), Secret(key_text.write(Kind.VAULT_PRIVATE, private.private_bytes_raw(), made))
    )


class Sealer:
    """Seals with one public key. Raises `ValueError` if the text is no key, or one that seals nothing."""

    def __init__(self, public_key: str) -> None:
        self._key = read_public(public_key)
        self.key_id = self._key.key_id
        try:
            _SUITE.encrypt(b"", self._key.key)  # a point of low order reads like a key, and no card is at hand yet
        except ValueError:
            raise ValueError("is not a key that `transfers keygen` printed: it seals nothing") from None

    @clear_frames_on_error
    def seal(self, cleartext: bytes, purpose: Purpose, transfer_key: str) -> str:
        sealed = _SUITE.encrypt(cleartext, self._key.key, _info(self.key_id, purpose, transfer_key))
        return f"{_VERSION}.{self.key_id}.{base64url.encode(sealed)}"


class Opener:
    """Opens with the keys of a key ring. Raises `ValueError` if a text is no key."""

    def __init__(self, private_keys: Sequence[Secret]) -> None:
        self._ring = KeyRing(private_keys)

    @property
    def key_ids(self) -> list[str]:
        return [key.key_id for key in self._ring]

    @property
    def opening_ids(self) -> list[str]:
        """Those that open: without the destroyed ones."""
        return [key.key_id for key in self._ring if key.key]

    def open(self, text: str, purpose: Purpose, transfer_key: str) -> bytes:
        """The cleartext. Raises `SealKeyUnknown`, `SealKeyDestroyed` or `SealBroken`."""
        version, _, rest = text.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION or not body:
            raise SealBroken
        held = self._ring.get(key_id)
        if held is None:
            raise SealKeyUnknown(key_id)
        if held.key is None:
            raise SealKeyDestroyed(key_id)
        try:
            return _SUITE.decrypt(base64url.decode(body), held.key, _info(key_id, purpose, transfer_key))
        except (InvalidTag, ValueError):
            raise SealBroken from None


def derived_key(secret: Secret, purpose: str) -> bytes:
    """A key of its own for one purpose, from a secret that serves another one (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"epay-transfers: {purpose}".encode()).derive(secret.reveal().encode())


def _info(key_id: str, purpose: Purpose, transfer_key: str) -> bytes:
    return _info_of_all(key_id, purpose) + _with_length(transfer_key)


@lru_cache(maxsize=64)
def _info_of_all(key_id: str, purpose: Purpose) -> bytes:
    """What it begins with, whatever the transfer."""
    return b"".join(map(_with_length, ("transfers-seal", _VERSION, key_id, purpose)))


def _with_length(text: str) -> bytes:
    part = text.encode()
    return len(part).to_bytes(2, "big") + part
