"""Are this process's fingerprint keys those that the ledger's producers compare intents by? Asked once a process.

A wrong list on one host would compare another host's transfers by less, and every other host this one's. The ledger
keeps the ids of the keys, which stand in every record and tell nothing of a key. A list that shares one of them, also
as `destroyed.ID`, is right, and what is new in it is added: so keys are rotated host by host, and a lost key is named.
"""

import re
from collections.abc import Sequence

from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.runtime.health import Finding
from epay_transfers.runtime.settings import SettingsWrong

#: Another program can write any text into the ledger's list, a card number too.
_ID = re.compile(r"[0-9a-f]{8}")


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
            raise SettingsWrong([str(finding_of(own, known))])
        self._are_known = True


def finding_of(own: Sequence[str], known: Sequence[str]) -> Finding:
    """For keys that share none with those that the ledger knows."""
    known = [key_id for key_id in known if _ID.fullmatch(key_id) and not key_id.isdigit()] or ["(ids that are none)"]
    return Finding(
        "FINGERPRINT_KEYS",
        f"the ledger's producers have the keys {', '.join(known)}, and none of them is here ({', '.join(own)})",
        f"give this host the other producers' list; if those keys are lost, put destroyed.{known[-1]} after the new "
        "key, as the runbook says in 'A fingerprint key is lost'",
    )
