"""The lanes send, confirm and inquire, and what pauses them: for one terminal or for all, with a cause, by whom, why.

Pauses stand side by side, each under an id of its own: a lane is open when none of them holds. `claim` and `create`
read them inside their scripts. One with an `until` ends by itself, by the ledger's time. An operator adds a pause,
which holds at once and without a worker (`add`); a worker writes down by whom and why, and it alone removes one.

A pause may let some transfers through, to try whether its cause is over: what becomes of such a trial tells.
"""

import json
import re
import secrets
from collections.abc import Mapping
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


class Cause(StrEnum):
    """Why a lane is paused."""

    # A person's.
    FRAUD = "fraud"
    MAINTENANCE = "maintenance"
    BANK = "bank"  #: the bank asked for it, or is to be spared
    OTHER = "other"

    # A worker's.
    SETUP_CODE = "setup_code"  #: the bank's codes blame the terminal's set-up, several in a row
    CREDENTIALS = "credentials"  #: the bank refuses the credentials of the terminal
    TERMINAL_LIMIT = "terminal_limit"  #: the bank's limit for the terminal, until the next day
    MONEY_LIMIT = "money_limit"  #: a limit of EPAY_LIMITS
    LEDGER_BACK = "ledger_back"  #: the ledger lost what it had confirmed
    FAILOVER = "failover"  #: another server took the ledger's place


PEOPLES_CAUSES = (Cause.FRAUD, Cause.MAINTENANCE, Cause.BANK, Cause.OTHER)

_ID = re.compile(r"[a-z0-9_.*-]{1,120}", re.IGNORECASE | re.ASCII)
_VALUE = re.compile(r"(\d{1,15}) (send|confirm|inquire) (\S{1,64}) (-|\d{1,4}) (\S{1,40}) (.*)", re.ASCII | re.DOTALL)
_NO_TRIES, _NO_TRIAL = "-", "-"

#: Without letters that are taken for digits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 4

_NOT_WRITTEN = "an operator", "no worker has written down the reason yet"


@dataclass(frozen=True, slots=True)
class Pause:
    """`until_ms` 0: until an operator opens it. `tries`: so many transfers may still go, to see whether it is over;
    None: none was asked for. `trial`: the key of the last transfer that went so.
    """

    id: str
    lane: Lane
    terminal: str
    cause: Cause = Cause.OTHER
    until_ms: int = 0
    actor: str = ""
    reason: str = ""
    since_ms: int = 0
    tries: int | None = None
    trial: str = ""
    written: str = field(default="", repr=False, compare=False)  #: as it stands; "" until a worker wrote it

    def holds_at(self, now_ms: int) -> bool:
        """As `claim.lua` has it."""
        return self.until_ms == 0 or self.until_ms > now_ms

    def is_for(self, lane: Lane, terminal: str) -> bool:
        return self.lane is lane and self.terminal in {ALL, terminal}

    def to_text(self) -> str:
        """The scripts read what stands before the JSON."""
        tries = _NO_TRIES if self.tries is None else str(self.tries)
        words = [self.cause, self.actor, self.reason, self.since_ms]
        return f"{self.until_ms} {self.lane} {self.terminal} {tries} {self.trial or _NO_TRIAL} {json.dumps(words)}"


class Pauses:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._teller = Teller(client)
        self._seen: list[Pause] = []
        self.sequence = 0  #: of the ledger, at the last pause that this process wrote or ended

    def add(self, lane: Lane, terminal: str, cause: Cause, until_ms: int = 0) -> str:
        """An operator's pause, from now on; its id. The same server user can neither change nor remove one."""
        while True:
            pause_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
            text = Pause(pause_id, lane, terminal, cause, until_ms).to_text()
            with redis_errors_as(LedgerUnavailable):
                if self._client.hsetnx(redis_keys.ADDED_PAUSES, pause_id, text):
                    return pause_id

    def pause(
        self,
        lane: Lane,
        terminal: str,
        *,
        actor: str,
        reason: str,
        cause: Cause = Cause.OTHER,
        until_ms: int = 0,
        pause_id: str = "",
        request: str = "",
    ) -> str:
        """A worker's, or what a worker writes down of an operator's (`pause_id`). Returns the id.

        A worker's own pause has the id of its cause: many workers that see the same make one, and it is never
        shortened. `request`: the id of the operator's entry that this answers.
        """
        with read_errors_as(LedgerUnavailable):
            now_ms = ledger_ms(self._client, self._test_clock)
        own_id = pause_id or f"{cause}-{lane}-{'all' if terminal == ALL else terminal}"
        there = self.get(own_id)
        if there and there.written and (there.until_ms == 0 or there.until_ms >= until_ms > 0) and there.tries is None:
            return own_id
        made = Pause(own_id, lane, terminal, cause, until_ms, actor, reason, now_ms)
        change = HashChange(redis_keys.PAUSES, set={own_id: made.to_text()}, leaves=(redis_keys.ADDED_PAUSES, own_id))
        self._tell(Alarm.LANE_PAUSED, made, actor, reason, change, request)
        return own_id

    def unpause(self, pause: Pause, *, actor: str, reason: str, request: str = "") -> bool:
        """False: it stands otherwise by now, or not any more. `request`: as for `pause`."""
        change = HashChange(
            redis_keys.PAUSES,
            remove=[pause.id],
            leaves=(redis_keys.ADDED_PAUSES, pause.id),
            was={pause.id: pause.written},
        )
        return self._tell(Alarm.LANE_RESUMED, pause, actor, reason, change, request)

    def let_try(self, pause: Pause, tries: int, *, actor: str, reason: str, request: str = "") -> bool:
        """The next `tries` claims go through it. False: it stands otherwise by now, or not any more."""
        changed = Pause(
            pause.id, pause.lane, pause.terminal, pause.cause, pause.until_ms, pause.actor, pause.reason,
            pause.since_ms, tries,
        )  # fmt: skip
        change = HashChange(
            redis_keys.PAUSES,
            set={pause.id: changed.to_text()},
            leaves=(redis_keys.ADDED_PAUSES, pause.id),
            was={pause.id: pause.written},
        )
        return self._tell(Alarm.LANE_TRIED, pause, actor, reason, change, request)

    def standing(self) -> list[Pause]:
        """Those that hold now, the longest first. What can't be read holds everything, and is shown so."""
        with read_errors_as(LedgerUnavailable):
            written = cast("dict[str, str]", self._client.hgetall(redis_keys.PAUSES))
            added = cast("dict[str, str]", self._client.hgetall(redis_keys.ADDED_PAUSES))
            now_ms = ledger_ms(self._client, self._test_clock) if written or added else 0
        texts = [(name, text, True) for name, text in written.items()]
        texts += [(name, text, False) for name, text in added.items() if name not in written]
        found = [pause for name, text, is_written in texts for pause in _read(name, text, is_written=is_written)]
        return sorted(
            (pause for pause in found if pause.holds_at(now_ms)), key=lambda pause: (pause.since_ms, pause.id)
        )

    def written(self) -> dict[str, str]:
        """Those that a worker wrote, by id, as they stand; what is over is forgotten."""
        with read_errors_as(LedgerUnavailable):
            there = cast("dict[str, str]", self._client.hgetall(redis_keys.PAUSES))
            now_ms = ledger_ms(self._client, self._test_clock) if there else 0
            for name in [name for name, text in there.items() if not _holds(name, text, now_ms)]:
                self._client.hdel(redis_keys.PAUSES, name)
                del there[name]
        return there

    def restore(self, pause_id: str, text: str, *, actor: str) -> bool:
        """Set one again that the ledger has lost, as it stood. False: its time is over."""
        with read_errors_as(LedgerUnavailable):
            if not _holds(pause_id, text, ledger_ms(self._client, self._test_clock)):
                return False
        pause = _read(pause_id, text, is_written=True)[0]
        change = HashChange(redis_keys.PAUSES, set={pause_id: text}, once=True)
        reason = f"the ledger has lost it, and the vault has kept it: {pause.reason}"
        self._tell(Alarm.LANE_PAUSED, pause, actor, reason, change, "")
        return True

    def get(self, pause_id: str) -> Pause | None:
        """The first of this id that stands now."""
        return next((pause for pause in self.standing() if pause.id == pause_id), None)

    def refresh(self) -> None:
        """Read them; `holding` answers from memory until the next time."""
        self._seen = self.standing()

    def holding(self, lane: Lane, terminal: str, now_ms: int) -> Pause | None:
        """What holds this lane, as of the last `refresh`: half a second old at the most. `claim` sees them as they are.

        One that lets a trial through does not count. `now_ms`: what the caller knows of the ledger's time.
        """
        those = (pause for pause in self._seen if pause.is_for(lane, terminal) and not pause.tries)
        return next((pause for pause in those if pause.holds_at(now_ms)), None)

    def trials(self) -> list[Pause]:
        """Those that have let a transfer through, as of the last `refresh`."""
        return [pause for pause in self._seen if pause.trial]

    def _tell(self, verb: Alarm, pause: Pause, actor: str, why: str, change: HashChange, request: str) -> bool:
        entry = {"lane": str(pause.lane), "terminal": pause.terminal, "pause": pause.id, "cause": str(pause.cause)}
        entry |= {"actor": actor, "reason": why} | ({"request": request} if request else {})
        sequence = self._teller.tell_counted(verb, entry, change)
        self.sequence = max(self.sequence, sequence)
        return sequence > 0


def _holds(name: str, text: str, now_ms: int) -> bool:
    return any(pause.holds_at(now_ms) for pause in _read(name, text, is_written=True))


def is_pause_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _read(name: str, text: str, *, is_written: bool) -> list[Pause]:
    """One for each lane where it can't be read: then the scripts hold all of them."""
    match = _VALUE.fullmatch(text)
    if match is None:
        return [Pause(name, lane, ALL, actor="?", reason="it can't be read", written=text) for lane in Lane]
    until, lane, terminal, tries, trial, rest = match.groups()
    cause, actor, reason, since_ms = _words(rest)
    if not is_written:
        actor, reason = _NOT_WRITTEN
    return [
        Pause(
            id=name,
            lane=Lane(lane),
            terminal=terminal,
            cause=cause,
            until_ms=int(until),
            actor=actor,
            reason=reason,
            since_ms=since_ms,
            tries=None if tries == _NO_TRIES else int(tries),
            trial="" if trial == _NO_TRIAL else trial,
            written=text if is_written else "",
        )
    ]


def _words(text: str) -> tuple[Cause, str, str, int]:
    try:
        cause, actor, reason, since_ms = json.loads(text)
    except ValueError:
        return Cause.OTHER, "?", "it can't be read", 0
    known: Mapping[str, Cause] = {each.value: each for each in Cause}
    return known.get(str(cause), Cause.OTHER), str(actor), str(reason), since_ms if isinstance(since_ms, int) else 0
