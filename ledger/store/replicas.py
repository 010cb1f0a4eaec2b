"""How many replicas of the ledger must have a claim before money is sent (`LEDGER_REPLICAS`), and the proof of it.

The proof is asked for on the connection that wrote, in the same write: WAIT says how many replicas have all that this
connection has seen. WAITAOF, where the server has it (Redis 7.2, Valkey), says the same of their disks, and of the
server's own. A replica that is asked by WAITAOF alone answers what it had on its disk before the command came, and
answers again a second later; so WAIT goes first, and after it the disk has it.

What if we die between the claim and the proof? Nothing was taken out of the vault: the sweeper queues it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from epay_transfers.ledger.store.connection import in_one_write
from epay_transfers.ledger.store.server_problems import ServerReason, reason_of

#: Each of the two waits so long at the most. A replica that is well answers in a millisecond; and both have to end well
#: before the client's own timeout, or the claim's answer would be lost with the connection.
WAIT_MS = 1_000


class TooFewReplicas(Exception):
    """What was to be counted before money moves is not on enough replicas: nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """`count`: so many must have it; 0 asks nothing. `on_disk`: on their disks as well, where the server can say."""

    count: int = 0
    on_disk: bool = True

    @property
    def commands(self) -> list[tuple[str | int, ...]]:
        """What is asked right behind a write."""
        if not self.count:
            return []
        on_disk: list[tuple[str | int, ...]] = [("WAITAOF", 1, self.count, WAIT_MS)] if self.on_disk else []
        return [("WAIT", self.count, WAIT_MS), *on_disk]

    def why_not(self, answers: Sequence[object]) -> str:
        """Why these answers to `commands` are no proof; empty where they are one. An error is none."""
        if not self.count:
            return ""
        in_memory, *on_disk = answers
        if not isinstance(in_memory, int):
            return _unanswered(in_memory)
        if in_memory < self.count:
            return f"{in_memory} of {self.count} replicas of the ledger have what it confirmed"
        return _why_not_on_disk(on_disk[0], self.count) if on_disk else ""

    def ask(self, client: redis.Redis) -> str:
        """Why they have not all that the ledger has now; empty where they have. Raises redis-py's errors."""
        if not self.count:
            return ""
        pong, *answers = in_one_write(client, [("PING",), *self.commands])
        if isinstance(pong, redis.RedisError):
            raise pong
        return self.why_not(answers)


NO_REPLICAS = Replicas()


def _why_not_on_disk(answer: object, count: int) -> str:
    """Of WAITAOF, which Redis 7.0 does not know: there WAIT has to do."""
    match answer:
        case redis.RedisError() if reason_of(answer) is ServerReason.UNKNOWN_COMMAND:
            return ""
        case [int(own), int(have)] if own >= 1:
            return "" if have >= count else f"{have} of {count} replicas of the ledger have on disk what it confirmed"
        case [int(), int()]:
            return "the ledger's server has not on its disk what it confirmed"
        case _:
            return _unanswered(answer)


def _unanswered(answer: object) -> str:
    """The server's own words are dropped: they may repeat what it was sent."""
    if isinstance(answer, redis.ResponseError):
        reason = reason_of(answer)
        if reason is ServerReason.NOT_PERMITTED:
            return "this user may not ask the ledger's server about its replicas (WAIT, WAITAOF)"
        return "the ledger's server does not say what its replicas have on their disks"
    return "the ledger's server went away before it said what its replicas have"
