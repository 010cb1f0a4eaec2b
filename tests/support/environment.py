"""The environment of a worker, a backend or an operator: what the tests give to the processes that they start."""

import os

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.vault import sealing
from epay_transfers.sandbox import PUBLIC_TEST, SandboxAddresses

#: What a process needs of this machine; it inherits nothing else, so that no setting of the developer's gets in.
_INHERITED = ("PATH", "HOME", "LANG")


def environment_of(bank: SandboxAddresses, **settings: str) -> dict[str, str]:
    """What a worker needs, but for the addresses of its servers: new keys, and the bank's public test terminal.

    `settings` adds the servers and what a test wants otherwise.
    """
    keys = sealing.generate()
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
        "EPAY_ENVIRONMENT": "test",
        "VAULT_PUBLIC_KEY": keys.public,
        "VAULT_PRIVATE_KEYS": keys.private.reveal(),
        "FINGERPRINT_KEYS": fingerprint_keys.generate().reveal(),
        "EPAY_TOKEN_URL": bank.token,
        "EPAY_TRANSFER_URL": bank.transfer,
        "EPAY_CONFIRM_URL": bank.confirm,
        "EPAY_STATUS_URL": bank.status,
        "EPAY_TERMINAL_ID": PUBLIC_TEST.terminals[0],
        "EPAY_CLIENT_ID": PUBLIC_TEST.client_id,
        "EPAY_CLIENT_SECRET": PUBLIC_TEST.client_secret,
        **settings,
    }
