"""Records that this version can't read: they are told, and set aside where they would hold up all others.

Another version of this project wrote them (and was rolled back), or a person did. `due` keeps them.
"""

import logging
from collections.abc import Callable, Sequence

import redis

from epay_transfers.ledger.errors import LedgerUnavailable, RecordUnreadable
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger_format import broken
from epay_transfers.ledger.store.redis_errors import redis_errors_as, unavailable_for
from epay_transfers.ledger.store.scripts import Call, Scripts

_LOG = logging.getLogger(__name__)

Tell = Callable[[RecordUnreadable], None]

#: What stands in the record's place is something else than a record; or nothing does.
NO_HASH = "it is no hash"
NOT_THERE = "it is not there"

#: What stands in `due` is no transfer's key.
NO_KEY = "it is no transfer's key"

_ASIDE_MS = 3_600_000


def log_unreadable(error: RecordUnreadable) -> None:
    log_line(
        _LOG.error, "record.unreadable", "The record of %(key)s can't be read: %(why)s", key=error.key, why=error.why
    )


def fields_of(reply: dict[str, str] | Exception) -> dict[str, str] | None:
    """What the server says of a record; None: something else than a hash. Raises what else the server said."""
    if not isinstance(reply, Exception):
        return reply
    if str(reply).startswith("WRONGTYPE"):
        return None
    raise reply


class SetAside:
    def __init__(self, client: redis.Redis) -> None:
        self._scripts = Scripts(client, ("set_aside",))

    def set(self, unreadable: Sequence[RecordUnreadable], now_ms: int) -> None:
        """They are looked at again in an hour. One alarm is raised, by whichever worker comes first."""
        names = (redis_keys.DUE, redis_keys.UNREADABLE, redis_keys.EVENTS, redis_keys.COUNTERS)
        calls: list[Call] = [
            ("set_aside", names, (error.key, error.why, now_ms, _ASIDE_MS, "sweeper")) for error in unreadable
        ]
        with redis_errors_as(LedgerUnavailable):
            replies = self._scripts.run_many(calls) if calls else []
        for error, reply in zip(unreadable, replies, strict=True):
            if isinstance(reply, Exception):
                raise unavailable_for(reply, LedgerUnavailable)
            if reply[0] == "BROKEN":
                raise broken(reply[1])
            if reply[0] == "ASIDE":
                log_unreadable(error)
