"""Limits on money: the most for one transfer, for a terminal and day, for a receiver's card and day. No I/O.

A day is the bank's. What was claimed counts, whatever the bank answers: a limit bounds what may be sent. The scripts
count; a worker's settings say how much.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from epay_transfers.ledger.invoice import ALMATY


class Limit(StrEnum):
    """Which limit a transfer would go beyond. The words are those of the setting."""

    TRANSFER = "transfer"
    TERMINAL_DAY = "terminal_day"
    RECEIVER_DAY = "receiver_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one terminal and one currency, in minor units. None: no limit."""

    transfer: int | None = None
    terminal_day: int | None = None
    receiver_day: int | None = None


NO_LIMITS = Limits()

#: For a currency that a terminal's limits do not name: nothing is sent in it.
NOTHING = Limits(transfer=0)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the bank, by the ledger's time."""

    name: str  #: as in `20251124`
    begins_ms: int
    ends_ms: int

    @classmethod
    def of(cls, now_ms: int) -> "Day":
        return _day(now_ms // _QUARTER_MS)


#: In every time zone a day begins with a quarter of an hour: so all of one quarter are of one day.
_QUARTER_MS = 900_000


@lru_cache(maxsize=64)
def _day(quarter: int) -> Day:
    """The calendar takes longer than the rest of a claim, and workers ask twice for each transfer."""
    at = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, ALMATY)
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = today + timedelta(days=1)
    return Day(f"{today:%Y%m%d}", int(today.timestamp() * 1000), int(tomorrow.timestamp() * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """As what a claim counts, and under which names. What was proved not to be sent is given back under `unsent_of_*`.

    An empty name: there is no such limit, and nothing is counted.
    """

    day: Day
    amount: int
    terminal: str = ""
    unsent_of_terminal: str = ""
    card: str = ""
    unsent_of_card: str = ""


def counts_of_terminal(limits: Limits, day: Day, *, terminal: str, currency: str, key: str, amount: int) -> Counts:
    if limits.terminal_day is None:
        return Counts(day=day, amount=amount)
    place = f"{terminal}:{currency}"
    return Counts(day=day, amount=amount, terminal=f"sum:{place}", unsent_of_terminal=f"unsent:{place}:{key}")
