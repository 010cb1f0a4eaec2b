"""The limits on money under the servers' users: workers count, and no other user writes or reads a count."""

from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.limits import Day, Limits, counts_of_terminal
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Created, Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import PutBack, Taken, Vault
from tests.security.guarded import Guarded, bank, guarded
from tests.security.test_users import forget_refusals, refusals
from tests.support.factories import NONCE, new_transfer

__all__ = ["bank", "guarded"]

OTHERS = ["producer", "web", "backend", "ops-first", "admin"]


def test_a_worker_counts_and_gives_back_under_its_own_user(guarded: Guarded) -> None:
    forget_refusals(guarded)
    with guarded.client("ledger", "producer") as producer, guarded.client("ledger", "worker") as client:
        (made,) = Ledger(producer).create([new_transfer("limited", amount=1000)], actor="backend")
        assert isinstance(made, Created)
        ledger = Ledger(client)
        day = Day.of(ledger.now_ms())
        limits = Limits(transfer=1000, terminal_day=1000)
        counts = counts_of_terminal(limits, day, terminal="main", currency="KZT", key=made.record.key, amount=1000)
        counts = replace(counts, card="a:KZT", unsent_of_card="m")
        claim = ledger.claim(
            made.record, lane="send", host="bank", gap_ms=0, lease_ms=60_000, actor="worker",
            limits=limits, counts=counts,
        )  # fmt: skip
        assert isinstance(claim, Moved)
        assert ledger.count_receiver(counts, most=1000)
        assert not ledger.count_receiver(counts, most=1000)
        ledger.give_back(counts)
        assert ledger.count_receiver(counts, most=1000)
    with guarded.client("vault", "producer") as putting, guarded.client("vault", "worker") as taking:
        key, epoch = made.record.key, made.record.epoch
        Vault(putting).put(Purpose.CARD, key, epoch, "sealed", 60_000)
        vault = Vault(taking)
        taken = vault.take(Purpose.CARD, key, epoch, 1, NONCE)
        assert isinstance(taken, Taken)
        assert 0 < taken.left_ms <= 60_000
        assert vault.put_back(Purpose.CARD, key, epoch, taken, taken.left_ms) is PutBack.DONE

    assert refusals(guarded) == []


@pytest.mark.parametrize("user", OTHERS)
@pytest.mark.parametrize("key", [redis_keys.limits("20261124"), redis_keys.receiver_limits("20261124")])
def test_no_other_user_writes_a_count_or_reads_a_digest(guarded: Guarded, user: str, key: str) -> None:
    """A producer that could lower a count would have no limit."""
    commands = [("HSET", key, "sum:main:KZT", "0"), ("DEL", key), ("HDEL", key, "a"), ("PEXPIRE", key, "1")]
    with guarded.client("ledger", user) as client:
        for command in (*commands, ("HGETALL", key), ("HGET", key, "a")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
