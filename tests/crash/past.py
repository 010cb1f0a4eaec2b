"""A ledger that has gone back: of a few transfers it forgets what they have lived through, and of all others nothing.

Only the vault's tombstone and the bank know better then. The ledger's sequence stays, or the tripwire would stop all
sending before the vault is asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self, cast

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.totals import names_of

_Hash = dict[str, str]
_FIELDS = {field.name for field in fields(Record)}


@dataclass(frozen=True)
class Past:
    """Transfers as they were once."""

    client: redis.Redis
    hashes: dict[str, _Hash]  #: the record, by the transfer's key

    @classmethod
    def of(cls, client: redis.Redis, names: Iterable[str]) -> Self:
        return cls(client, {name: _hash(client, name) for name in names})

    def back(self, names: Iterable[str], now_ms: int, **times: int) -> None:
        """These are as they were, and due; `times` are those of their records that have come meanwhile."""
        assert times.keys() <= _FIELDS, f"a record has no {times.keys() - _FIELDS}"
        for name in names:
            old, new = self.hashes[name], _hash(self.client, name)
            then = old | {field: str(ms) for field, ms in times.items()}
            with self.client.pipeline() as pipe:
                for each, sign in ((new, -1), (old, 1)):
                    number, amount = names_of(Record.from_hash(each))
                    pipe.hincrby(redis_keys.COUNTERS, number, sign)
                    pipe.hincrby(redis_keys.COUNTERS, amount, sign * int(each["amount"]))
                pipe.zrem(redis_keys.BY_STATE, _place(new))
                pipe.zadd(redis_keys.BY_STATE, {_place(old): 0})
                pipe.zadd(redis_keys.DUE, {name: now_ms})
                pipe.delete(redis_keys.record(name))
                pipe.hset(redis_keys.record(name), items=[text for pair in then.items() for text in pair])
                pipe.execute()


def _hash(client: redis.Redis, name: str) -> _Hash:
    return cast("_Hash", client.hgetall(redis_keys.record(name)))


def _place(record: _Hash) -> str:
    return f"{record['state']}:{record['terminal']}:{record['state_since']}:{record['key']}"
