"""Which server answers as the ledger, and which one the workers compared with the vault last.

`claim` refuses while these differ. So after a restart, a restore or a failover nothing is sent before a worker has
compared what that server holds with what the vault keeps of it.
"""

from dataclasses import dataclass

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.tell import HashChange, Teller

#: How often it is noted that the compared server was seen. By that, one that ran beside it is known.
_SEEN_MS = 5_000


@dataclass(frozen=True, slots=True)
class ServerLook:
    """`compared`: empty where none was yet. `sequence`: the ledger's, at this look."""

    server: str
    compared: str
    was_replica: bool
    ran_beside: bool  #: it started before the compared one was seen last
    sequence: int

    @property
    def is_compared(self) -> bool:
        return self.server == self.compared


class LedgerServer:
    def __init__(self, client: redis.Redis, actor: str) -> None:
        self._client = client
        self._actor = actor
        self._scripts = Scripts(client, ("ledger_look",))
        self._teller = Teller(client)

    def look(self) -> ServerLook:
        return self._look("")

    def count(self) -> ServerLook:
        """The same; and where it is the compared one, the sequence rises, so that no move has this number."""
        return self._look("count")

    def take_first(self, look: ServerLook) -> None:
        """A new ledger's: there is nothing that it could have forgotten."""
        with redis_errors_as(LedgerUnavailable):
            self._client.hsetnx(redis_keys.SERVER, "is", look.server)

    def take(self, look: ServerLook, found: str) -> int:
        """It was compared, with what was found: claims go on, as far as no pause holds. The sequence of the event.

        0: another worker has taken it, or yet another server answers, which `claim` refuses.
        """
        change = HashChange(redis_keys.SERVER, set={"is": look.server}, was={"is": look.compared})
        return self._teller.tell_counted(Alarm.LEDGER_SERVER, {"actor": self._actor, "found": found}, change)

    def _look(self, word: str) -> ServerLook:
        with redis_errors_as(LedgerUnavailable):
            keys = (redis_keys.SERVER, redis_keys.COUNTERS)
            server, compared, *was, sequence = self._scripts.run("ledger_look", keys, (_SEEN_MS, word))
        return ServerLook(server, compared, was[0] == "1", was[1] == "1", int(sequence))
