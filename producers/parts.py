"""What the producers' verbs work with, built once at the root and passed to each of them."""

from dataclasses import dataclass

from ledger.clock import Clock
from ledger.doorbell import Doorbell
from ledger.ledger import Ledger
from ledger.record import Record
from ledger.sealing import Sealer
from ledger.vault import Vault
from producers.settings import ProducerSettings

#: Who the events name.
BACKEND = "producer"
WEB = "web"

#: How long after a ring somebody looks again. A worker that hears it comes at once; the sweeper need not come as well.
RING_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    ledger: Ledger
    vault: Vault
    sealer: Sealer
    doorbell: Doorbell
    clock: Clock
    settings: ProducerSettings

    def after_ring_ms(self, record: Record, now_ms: int) -> int:
        """When to look again at a transfer that is rung for now: not before its next try, not after its deadline."""
        return min(max(now_ms + RING_MS, record.next), record.expires)
