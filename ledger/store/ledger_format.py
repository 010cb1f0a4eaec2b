"""The format of a ledger: how what stands beside the records is kept (pauses, lists, counters). It is a number.

1 has no number in it: pauses lie in `lanes` and in a set, lists in `open`. The scripts write the number of 2 with the
first event, and change no ledger of another format, for they would not see its pauses. `upgrade` converts. 3 is 2
with archived references: the first transfer that is archived makes it so, and this version uses both.
"""

from collections.abc import Mapping
from typing import cast

import redis

from epay_transfers.ledger.errors import LedgerBroken, LedgerFormat, LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import of_its_type, read_errors_as

#: As `_events.lua` has it.
FORMAT = "2"
WITH_ARCHIVED = "3"
OLDER = "1"

_USABLE = frozenset({FORMAT, WITH_ARCHIVED})

FIELD = "format"


def format_of(counters: Mapping[str, str]) -> str:
    """Of a ledger with these counters. One that nothing has happened in is of this version: the runbook
    gives an empty one its sequence by hand.
    """
    return counters.get(FIELD) or (OLDER if "events" in counters else FORMAT)


def other_format(client: redis.Redis) -> LedgerFormat | None:
    """What keeps this version from using the ledger. Raises what the client raises."""
    with of_its_type("counters"):
        found = format_of(cast("dict[str, str]", client.hgetall(redis_keys.COUNTERS)))
    return None if found in _USABLE else LedgerFormat(found, FORMAT)


def check_format(client: redis.Redis) -> None:
    """Raises `LedgerFormat`, `LedgerBroken`, `LedgerUnavailable`. By HGET: a follower of the log may do no more."""
    with read_errors_as(LedgerUnavailable), of_its_type("counters"):
        kept = {name: cast("str | None", client.hget(redis_keys.COUNTERS, name)) for name in (FIELD, "events")}
    found = format_of({name: text for name, text in kept.items() if text is not None})
    if found not in _USABLE:
        raise LedgerFormat(found, FORMAT)


def broken(part: str) -> LedgerBroken:
    """What the word BROKEN of a script means."""
    word, _, found = part.partition(" ")
    return LedgerFormat(found, FORMAT) if word == FIELD else LedgerBroken(part)
