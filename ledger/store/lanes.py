"""The lanes send, confirm and inquire: paused and resumed one by one, for one terminal or for all, with who and why.

`claim` and `create` read them inside their scripts. A stop with an `until` ends by itself, by the ledger's time. An
operator adds a pause, which holds at once and without a worker (`add`); a worker writes down by whom and why, and it
alone resumes a lane.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.tell import HashChange, Teller

ALL = "*"


class Lane(StrEnum):
    SEND = "send"
    CONFIRM = "confirm"
    INQUIRE = "inquire"


_LANES = frozenset(Lane)

#: Of a pause that an operator added, and no worker has written down yet.
_ADDED = ("an operator", "no worker has written down the reason yet")


@dataclass(frozen=True, slots=True)
class Pause:
    """`until_ms` 0: until an operator resumes it."""

    lane: Lane
    terminal: str
    until_ms: int
    actor: str
    reason: str
    written: str = field(default="", repr=False, compare=False)  #: as it stands; "" until a worker wrote it

    @property
    def mark(self) -> str:
        """Which pause this is: an operator who asks to resume a lane names the one that the operator saw.

        Each has a number of its own, by chance: one that comes later in the same words is another.
        """
        return hashlib.sha256(self.written.encode()).hexdigest()[:16]

    def holds_at(self, now_ms: int) -> bool:
        """As `claim.lua` has it."""
        return self.until_ms == 0 or self.until_ms > now_ms


class Lanes:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._teller = Teller(client)
        self._seen: list[Pause] = []

    def add(self, lane: Lane, terminal: str) -> None:
        """An operator's pause, from now on. Nothing of it can be taken back by the same server user."""
        with redis_errors_as(LedgerUnavailable):
            self._client.sadd(redis_keys.PAUSES, f"{lane}:{terminal}")

    def pause(self, lane: Lane, terminal: str, *, actor: str, reason: str, until_ms: int = 0) -> None:
        """The value opens with `until`, which is all that the scripts read of it: the ledger's time."""
        value = f"{until_ms} " + json.dumps([actor, reason, secrets.token_hex(4)])
        change = HashChange(redis_keys.LANES, set={f"{lane}:{terminal}": value})
        self._tell(Alarm.LANE_PAUSED, lane, terminal, actor, reason, change)

    def unpause(
        self, lane: Lane, terminal: str, *, actor: str, reason: str, request: str = "", seen: Pause | None = None
    ) -> bool:
        """`request`: the id of the operator's entry that this answers. `seen`: only this pause; else False."""
        name = f"{lane}:{terminal}"
        was = None if seen is None else {name: seen.written}
        change = HashChange(redis_keys.LANES, remove=[name], leaves=(redis_keys.PAUSES, name), was=was)
        return self._tell(Alarm.LANE_RESUMED, lane, terminal, actor, reason, change, request)

    def pauses(self) -> list[Pause]:
        """Those that hold now."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("dict[str, str]", self._client.hgetall(redis_keys.LANES))
            added = cast("set[str]", self._client.smembers(redis_keys.PAUSES))
            now_ms = ledger_ms(self._client, self._test_clock) if raw else 0
        unwritten = added - {name for name, value in raw.items() if value.startswith("0 ")}
        raw |= {name: "0 " + json.dumps(_ADDED) for name in unwritten}
        found = []
        for name, value in sorted(raw.items()):
            until, _, rest = value.partition(" ")
            lane, _, terminal = name.partition(":")
            if lane not in _LANES:
                continue  # a newer version's, which was rolled back: nothing here goes by it
            actor, reason, *_ = json.loads(rest)
            written = "" if name in unwritten else value
            found.append(Pause(Lane(lane), terminal, int(until), actor, reason, written))
        return [pause for pause in found if pause.holds_at(now_ms)]

    def pause_of(self, lane: Lane, terminal: str) -> Pause | None:
        """The pause of this very terminal, as it is in the ledger now."""
        return next((pause for pause in self.pauses() if pause.lane is lane and pause.terminal == terminal), None)

    def refresh(self) -> None:
        """Read them; `paused` answers from memory until the next time."""
        self._seen = self.pauses()

    def paused(self, lane: Lane, terminal: str, now_ms: int) -> Pause | None:
        """As of the last `refresh`: half a second old at the most. `claim` sees them as they are.

        `now_ms`: what the caller knows of the ledger's time.
        """
        those = (pause for pause in self._seen if pause.lane is lane and pause.terminal in {ALL, terminal})
        return next((pause for pause in those if pause.holds_at(now_ms)), None)

    def _tell(
        self, verb: Alarm, lane: Lane, terminal: str, actor: str, why: str, change: HashChange, request: str = ""
    ) -> bool:
        entry = {"lane": str(lane), "terminal": terminal, "actor": actor, "reason": why}
        if request:
            entry["request"] = request
        return self._teller.tell(verb, entry, change)
