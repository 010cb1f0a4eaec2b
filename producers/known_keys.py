"""Are this process's fingerprint keys those that the ledger's producers compare intents by? Asked once a process.

A wrong list on one host would compare another host's transfers by less, and every other host this one's. The ledger
keeps the ids of the keys, which stand in every record and tell nothing of a key. A list that shares one of them, also
as `destroyed.ID`, is right, and what is new in it is added: so keys are rotated host by host, and a lost key is named.
"""

from collections.abc import Sequence

from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.runtime.settings import SettingsWrong


class KnownKeys:
    """What a process has asked already."""

    def __init__(self) -> None:
        self._are_known = False

    def check(self, ledger: Ledger, keys: FingerprintKeys) -> None:
        """Raises `SettingsWrong` for keys that the ledger does not know, and `LedgerUnavailable`."""
        if self._are_known:
            return
        own = [key.key_id for key in keys.all()]
        known = ledger.remember_fingerprint_keys(own)
        if known:
            raise SettingsWrong([complaint_of(own, known)])
        self._are_known = True


def complaint_of(own: Sequence[str], known: Sequence[str]) -> str:
    return (
        f"FINGERPRINT_KEYS: the ledger's producers have the keys {', '.join(known)}, and none of them is here "
        f"({', '.join(own)}); give this host the other producers' list; if those keys are lost, put "
        f"destroyed.{known[-1]} after the new key, as the runbook says in 'A fingerprint key is lost'"
    )
