"""The groups of consumers that read outcomes, and the end of one that comes no more.

The event log keeps what a group has not read, owes or set aside. So a group that was given up keeps the log from being
trimmed, until an operator has it forgotten. A consumer that comes back under its name begins with the oldest event that
is kept: so a group whose consumers were there a short while ago is not forgotten.
"""

from dataclasses import dataclass
from typing import Any

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events, place_of
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as

#: A consumer that was there within this time may come again: one that restarts, or waits for a server, is back by then.
QUIET_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class OutcomeGroup:
    name: str
    read_until_ms: int  #: the time of the last event that it has read; 0: it has read none
    owed: int  #: taken by a consumer, and not done
    aside: int
    consumers: int
    quiet_ms: int | None  #: since when the last of its consumers has asked for nothing; None: it has none

    @property
    def is_quiet(self) -> bool:
        return self.quiet_ms is None or self.quiet_ms >= QUIET_MS


class OutcomeGroups:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._aside = OutcomesAside(client)

    def all(self) -> list[OutcomeGroup]:
        """By name."""
        aside = self._aside.counts()
        with read_errors_as(LedgerUnavailable):
            if not self._client.exists(redis_keys.EVENTS):
                return []
            groups = self._client.xinfo_groups(redis_keys.EVENTS)
            found = [self._group(group, aside) for group in groups]
        return sorted(found, key=lambda group: group.name)

    def forget(self, group: OutcomeGroup, *, actor: str, why: str) -> None:
        """The event comes first: where we die behind it, the group still stands, and the same call goes on."""
        told = {"group": group.name, "owed": str(group.owed), "aside": str(group.aside), "reason": why}
        Events(self._client).alarm(Alarm.OUTCOMES_FORGOTTEN, actor=actor, **told)
        fields = [aside.field for aside in self._aside.all() if aside.group == group.name]
        asked = [f"{of} {key}" for of, key in self._aside.replays() if of == group.name]
        with redis_errors_as(LedgerUnavailable):
            self._client.xgroup_destroy(redis_keys.EVENTS, group.name)
            if fields:
                self._client.hdel(redis_keys.OUTCOMES_ASIDE, *fields)
            if asked:
                self._client.hdel(redis_keys.OUTCOME_REPLAYS, *asked)

    def _group(self, group: dict[str, Any], aside: dict[str, int]) -> OutcomeGroup:
        name = str(group["name"])
        consumers = self._client.xinfo_consumers(redis_keys.EVENTS, name)
        owed, *_ = self._client.xpending(redis_keys.EVENTS, name).values()
        return OutcomeGroup(
            name,
            place_of(str(group["last-delivered-id"]))[0],
            int(owed),
            aside.get(name, 0),
            len(consumers),
            min((int(each["idle"]) for each in consumers), default=None),
        )
