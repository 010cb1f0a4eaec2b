"""Which space each TerminalID of the bank has its transfers in: the first worker that starts with it says so, for ever.

The bank wants the last six digits of an invoice id to be unique for the merchant. One TerminalID in two spaces would
have two transfers with one invoice id: what the bank says of one of them would be heard of the other.
"""

from collections.abc import Mapping
from typing import cast

import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as


def bound(client: redis.Redis) -> dict[str, str]:
    """TerminalID → space, as the ledger has it."""
    with read_errors_as(LedgerUnavailable):
        return cast("dict[str, str]", client.hgetall(redis_keys.TERMINALS))


def bind(client: redis.Redis, spaces: Mapping[str, str]) -> dict[str, str]:
    """Bind those that are not yet; of two workers that start at once, the first one's word counts. What holds now."""
    with redis_errors_as(LedgerUnavailable):
        pipeline = client.pipeline()
        for terminal_id, space in sorted(spaces.items()):
            pipeline.hsetnx(redis_keys.TERMINALS, terminal_id, space)
        pipeline.hgetall(redis_keys.TERMINALS)
        return cast("dict[str, str]", pipeline.execute()[-1])
