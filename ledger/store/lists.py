"""Lists of transfers by state, terminal and how long they have been in that state: exact, whole, a page at a time.

A page ends with a cursor, the place of its last transfer; there is none after the last page, and only then. A transfer
that moves between two pages may be missed or come twice, but no list ever ends early.
"""

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, cast

import redis

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as


class CursorUnreadable(TransfersError):
    """It is no cursor of ours."""

    def __init__(self) -> None:
        super().__init__("cursor: can't be read; give the one that the page before ended with")


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The place of a transfer in a list: since when it has been in its state (ms), and its key."""

    since_ms: int
    key: str

    def __str__(self) -> str:
        return f"{self.since_ms}.{self.key}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises `CursorUnreadable`."""
        since, _, key = text.partition(".")
        if not (since.isascii() and since.isdigit() and len(since) <= _DIGITS and is_key(key)):
            raise CursorUnreadable
        return cls(int(since), key)


@dataclass(frozen=True, slots=True)
class Listed:
    """One transfer of a list."""

    state: State
    terminal: str
    at: Cursor

    @classmethod
    def of(cls, record: Record) -> Self:
        """Where this record must be listed."""
        return cls(record.state, record.terminal, Cursor(record.state_since, record.key))


@dataclass(frozen=True, slots=True)
class Page:
    listed: Sequence[Listed]
    next: Cursor | None  #: None: there is nothing more

    @property
    def keys(self) -> list[str]:
        return [each.at.key for each in self.listed]


#: Times have as many digits, from 2001 to 2286.
_DIGITS = 15

#: How many a terminal's list gives in one round trip while several lists are read as one.
_CHUNK = 200


class Lists:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(
        self,
        state: State,
        terminal: str,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        after: Cursor | None = None,
        newest: bool = False,
    ) -> int:
        """How many are in this list, without a look at each: came into it in this time, and come after this place."""
        wanted = _Range(state, terminal, since_ms, until_ms, after, newest=newest)
        with read_errors_as(LedgerUnavailable):
            return self._client.zlexcount(redis_keys.BY_STATE, wanted.low, wanted.high)

    def terminals(self, state: State) -> list[str]:
        """The terminals with transfers in this state."""
        found: list[str] = []
        after = f"[{state}:"
        while True:
            with read_errors_as(LedgerUnavailable):
                names = cast(
                    "list[str]", self._client.zrangebylex(redis_keys.BY_STATE, after, f"({state};", start=0, num=1)
                )
            if not names:
                return found
            found.append(names[0].split(":")[1])
            after = f"({state}:{found[-1]};"

    def page(
        self,
        states: Collection[State],
        *,
        terminal: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        after: Cursor | None = None,
        limit: int = 100,
        newest: bool = False,
    ) -> Page:
        """Those that came into one of these states from `since_ms` on and before `until_ms`, longest in it first."""
        found: list[Listed] = []
        for listed in self._all(states, terminal, since_ms, until_ms, after, min(limit + 1, _CHUNK), newest=newest):
            if len(found) == limit:
                return Page(found, found[-1].at if found else None)
            found.append(listed)
        return Page(found, None)

    def all(self, states: Collection[State], *, terminal: str | None = None, chunk: int = _CHUNK) -> Iterator[Listed]:
        """Every transfer of these states, longest in it first."""
        return self._all(states, terminal, None, None, None, chunk, newest=False)

    def _all(
        self,
        states: Collection[State],
        terminal: str | None,
        since_ms: int | None,
        until_ms: int | None,
        after: Cursor | None,
        chunk: int,
        *,
        newest: bool,
    ) -> Iterator[Listed]:
        sources = [
            self._source(_Range(state, name, since_ms, until_ms, after, newest=newest), chunk)
            for state in sorted(states)
            for name in ([terminal] if terminal else self.terminals(state))
        ]
        return heapq.merge(*sources, key=lambda listed: listed.at, reverse=newest)

    def _source(self, wanted: "_Range", chunk: int) -> Iterator[Listed]:
        low, high = wanted.low, wanted.high
        while True:
            with read_errors_as(LedgerUnavailable):
                names = cast(
                    "list[str]",
                    self._client.zrevrangebylex(redis_keys.BY_STATE, high, low, start=0, num=chunk)
                    if wanted.newest
                    else self._client.zrangebylex(redis_keys.BY_STATE, low, high, start=0, num=chunk),
                )
            yield from (_listed(name) for name in names)
            if len(names) < chunk:
                return
            low, high = (low, f"({names[-1]}") if wanted.newest else (f"({names[-1]}", high)


@dataclass(frozen=True, slots=True)
class _Range:
    """A part of one list, by name: names of one list are in the order of their times."""

    state: State
    terminal: str
    since_ms: int | None
    until_ms: int | None
    after: Cursor | None
    newest: bool

    @property
    def low(self) -> str:
        start = f"{self.state}:{self.terminal}:"
        lowest = f"[{start}{'' if self.since_ms is None else self.since_ms}"
        if self.after is None or self.newest:
            return lowest
        return max(f"({start}{self.after.since_ms}:{self.after.key}", lowest, key=lambda bound: bound[1:])

    @property
    def high(self) -> str:
        start = f"{self.state}:{self.terminal}"
        highest = f"({start};" if self.until_ms is None else f"({start}:{self.until_ms}"
        if self.after is None or not self.newest:
            return highest
        return min(f"({start}:{self.after.since_ms}:{self.after.key}", highest, key=lambda bound: bound[1:])


#: A table costs a fraction of what the enumeration does by itself, and lists are long.
_STATES = {str(state): state for state in State}


def _listed(name: str) -> Listed:
    state, terminal, since, key = name.split(":", 3)
    return Listed(_STATES.get(state) or State(state), terminal, Cursor(int(since), key))
