"""Which of the vault's keys each running worker opens with, as the workers themselves say every minute.

The private keys are the workers' alone, and the ledger is what every process reaches: so a backend's or an operator's
machine learns here whether every worker opens what a public key seals. Ids are no secret: every sealed text begins with
one.
"""

from collections.abc import Sequence
from typing import cast

import redis

from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: How often a worker says it, and after how long without a word it is gone.
TELL_S = 60.0
_GONE_MS = 180_000


class VaultKeys:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._scripts = Scripts(client, ("remember_vault_keys",))

    def tell(self, worker: str, key_ids: Sequence[str]) -> None:
        """The worker opens what these keys sealed."""
        now = str(self._test_clock.now_ms()) if self._test_clock else ""
        with redis_errors_as(LedgerUnavailable):
            self._scripts.run(
                "remember_vault_keys", (redis_keys.VAULT_KEYS,), (worker, " ".join(key_ids), now, _GONE_MS)
            )

    def told(self) -> dict[str, list[str]]:
        """Running worker → the ids of its keys, newest first."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("dict[str, str]", self._client.hgetall(redis_keys.VAULT_KEYS))
            now_ms = ledger_ms(self._client, self._test_clock) if raw else 0
        found = {}
        for worker, text in sorted(raw.items()):
            at, *key_ids = text.split(" ")
            if int(at) + _GONE_MS > now_ms:
                found[worker] = [key_id for key_id in key_ids if key_id]
        return found
