"""The fingerprint keys of a producer, newest first: the newest makes new prints, each compares its own.

A key's id stands in the prints that it made. A key that was destroyed on purpose stays on the list as its id: what it
printed can't be compared any more, and that is said of it.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from epay_transfers.ledger import key_text
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """`text` is None if the key was destroyed."""

    key_id: str
    made: date | None
    text: Secret | None
    raw: bytes | None = field(default=None, repr=False, compare=False)  #: the key itself; None if it was destroyed


class FingerprintKeys:
    """Raises `ValueError` for a text that is no key, for a key that is there twice, and if there is none to print."""

    def __init__(self, texts: Sequence[Secret]) -> None:
        self._keys: dict[str, FingerprintKey] = {}
        for text in texts:
            key = _read(text)
            if key.key_id in self._keys:
                raise ValueError(f"has the key {key.key_id} twice")
            self._keys[key.key_id] = key
        newest = next((key for key in self.all() if key.text), None)
        if newest is None:
            raise ValueError("has no key to make fingerprints with")
        self.newest = newest

    def all(self) -> list[FingerprintKey]:
        return list(self._keys.values())

    def get(self, key_id: str) -> FingerprintKey | None:
        """None: the key is not on the list."""
        return self._keys.get(key_id)


def generate(made: date | None = None) -> Secret:
    """A new key. Its id has a letter: ids of digits alone are not shown, for two in a row may be a card number."""
    while True:
        key = Secret(key_text.write(Kind.FINGERPRINT, secrets.token_bytes(32), made))
        if not _read(key).key_id.isdigit():
            return key


def _read(text: Secret) -> FingerprintKey:
    gone = key_text.read_destroyed(text.reveal())
    if gone:
        return FingerprintKey(gone.key_id, gone.made, None)
    raw, made = key_text.read(text.reveal(), Kind.FINGERPRINT)
    return FingerprintKey(hmac.digest(raw, b"the id of a fingerprint key", "sha256").hex()[:8], made, text, raw)
