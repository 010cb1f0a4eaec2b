"""The wall between Redis and the rooms: an error of the client's ends here, and is one of ours from here on.

What the server said is dropped here: it may repeat what it was sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from epay_transfers.ledger.errors import LedgerUnavailable, VaultUnavailable


@contextmanager
def redis_errors_as(unavailable: type[LedgerUnavailable | VaultUnavailable]) -> Iterator[None]:
    """Raises `unavailable` for whatever the client raises."""
    try:
        yield
    except redis.RedisError:
        raise unavailable from None
