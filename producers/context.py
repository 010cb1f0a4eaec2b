"""What the producers' verbs work with, built once at the root and passed to each of them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers.known_keys import KnownKeys
from epay_transfers.producers.settings import ProducerSettings, SealingSettings
from epay_transfers.runtime.settings import SettingsWrong

if TYPE_CHECKING:  # the queue's library is loaded with the first call: an import takes a twentieth longer with it
    from epay_transfers.ledger.queue.wakeups import Wakeups

#: Whom the events name.
BACKEND = "producer"

#: How long after a wake-up the sweeper looks again. A worker that gets it starts at once.
WAKEUP_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    ledger: Ledger
    inboxes: Inboxes
    vault: Vault
    sealer: Sealer
    wakeups: "Wakeups"
    clock: Clock
    settings: SealingSettings
    known_keys: KnownKeys = field(default_factory=KnownKeys)

    def view(self, record: Record) -> Transfer:
        """For a payer. Raises `LedgerUnavailable`: what ended without money is asked about, whether the bank agrees."""
        return Transfer.of(record, is_contradicted=self.ledger.is_contradicted(record.key, record.state))

    def check_fingerprint_keys(self) -> None:
        """Raises `SettingsWrong` for keys that the ledger does not know, and `LedgerUnavailable`. A web tier has none.

        For the first enqueue, and for whatever looks at the servers before it.
        """
        if isinstance(self.settings, ProducerSettings):
            self.known_keys.check(self.ledger, self.settings.print_keys)

    @property
    def producer(self) -> ProducerSettings:
        """Raises `SettingsWrong` in a web tier: its settings have no fingerprint keys, and it enqueues nothing."""
        return self.must_be_producer("enqueues nothing")

    def must_be_producer(self, else_it: str) -> ProducerSettings:
        """Raises `SettingsWrong` in a web tier, which also has no leave on the servers for what a backend does."""
        if not isinstance(self.settings, ProducerSettings):
            line = (
                f"FINGERPRINT_KEYS: a web tier has none, and {else_it}; give `Transfers.from_env` a backend's "
                "ProducerSettings; for one process that is both: Web.from_env(ProducerAndWebSettings.load()), whose "
                "load() takes your env_file"
            )
            raise SettingsWrong([line])
        return self.settings

    def after_wakeup_ms(self, record: Record, now_ms: int) -> int:
        """When to look again at a transfer that gets a wake-up now: not before its next try, not after its deadline."""
        return min(max(now_ms + WAKEUP_MS, record.next_attempt_at), record.deadline_at)
