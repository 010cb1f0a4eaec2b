"""The key that seals the cards of the corpus: always the same, so that it opens what older generations sealed."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from epay_transfers.ledger import key_text
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.keyring import write_public
from epay_transfers.ledger.vault.sealing import KeyPair


def keys() -> KeyPair:
    private = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"the corpus of the tests").digest())
    text = key_text.write(key_text.Kind.VAULT_PRIVATE, private.private_bytes_raw(), None)
    return KeyPair(write_public(private, None), Secret(text))
