"""A parked transfer's way on: the move that its client's answer leads to, and when the vault is searched for one.

The web tier puts the answer into the vault, and then its entry into the ledger's inbox. Between these it may die, and a
replica that takes the ledger's place may lack the entry. Then the answer lies there, no message says so, and the page
shows no challenge any more. So the sweeper looks into the vault now and then, for as long as the transfer is parked.
"""

import re

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.worker import backoff

#: Each look comes after as long again as the transfer has been parked, and no sooner than after so long. Most clients
#: have answered by then, and their transfers are never looked at here.
FIRST_LOOK_MS = 30_000

#: Of a PaRes, as the web tier makes it.
_DIGEST = re.compile(r"[0-9a-f]{32}")


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def answered(digest: str) -> Change:
    """Of the verb `resume`."""
    fields: RecordFields = {"pares_digest": digest, "next_attempt_at": 0, "attempts": 0}
    return Change(due_in=backoff.FIRST_WAKEUP_S * 1000, fields=fields)


def next_look_ms(record: Record, now_ms: int) -> int:
    """In how many ms the vault is searched again. The caller bounds it by `parked_until`."""
    return max(FIRST_LOOK_MS, now_ms - record.state_since)
