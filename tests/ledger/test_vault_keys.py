"""Which of the vault's keys the running workers open with, as they tell the ledger."""

import redis

from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.vault_keys import VaultKeys
from tests.support.clocks import FakeClock


def test_running_workers_are_told_of_and_those_that_are_gone_are_not(
    ledger_client: redis.Redis, clock: FakeClock
) -> None:
    keys = VaultKeys(ledger_client, clock)
    assert keys.told() == {}
    keys.tell("worker a 1", ["11111111", "22222222"])
    keys.tell("worker b 2", [])
    clock.advance(120)
    keys.tell("worker b 2", ["22222222"])

    assert keys.told() == {"worker a 1": ["11111111", "22222222"], "worker b 2": ["22222222"]}
    clock.advance(60)
    assert keys.told() == {"worker b 2": ["22222222"]}
    keys.tell("worker b 2", ["22222222"])
    assert ledger_client.hlen(redis_keys.VAULT_KEYS) == 1
