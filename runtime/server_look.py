"""One quick look at a server: does it answer, what is its role, how full is it, since when does it run?

It says what is so; whether that is as it must be, `health` says.
"""

from dataclasses import dataclass

import redis

from epay_transfers.ledger.errors import ServerProblem
from epay_transfers.ledger.store.connection import server_of
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem, problem_of, reason_of


@dataclass(frozen=True, slots=True)
class ServerLook:
    """`problem`: why it can't be asked; what else is here is unknown then. `limit` 0: it has none."""

    setting: str
    problem: ServerProblem | None = None
    role: str = ""
    memory: int = 0  #: what counts for the limit
    limit: int = 0
    run_id: str = ""
    uptime_s: int = 0

    @property
    def is_away(self) -> bool:
        return self.problem is not None

    @property
    def share(self) -> float | None:
        """Of its limit; None where it is not known, or where there is none."""
        return self.memory / self.limit if self.limit and not self.is_away else None


def look_at(client: redis.Redis) -> ServerLook:
    setting = server_of(client).setting
    try:
        info = client.info()
        return ServerLook(
            setting,
            role=str(info.get("role", "?")),
            memory=int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0)),
            limit=int(info.get("maxmemory", 0)),
            run_id=str(info.get("run_id", "")),
            uptime_s=int(info.get("uptime_in_seconds", 0)),
        )
    except redis.RedisError as error:
        return ServerLook(setting, known_problem(error) or problem_of(reason_of(error), server_of(client)))
    except (AttributeError, TypeError, ValueError):  # another program answers
        return ServerLook(setting, problem_of(ServerReason.NO_REDIS, server_of(client)))
