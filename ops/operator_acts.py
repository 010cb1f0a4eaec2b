"""What operators did, by person and by verb, out of the event log: in it, an operator's event is one of thousands.

So the log is read once, in the background and from its end on, and what operators did is kept in memory: a page costs
the same however long the log is. It says how far back was looked, and never that there was nothing where it was not.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.store.events import Event, Events

_LOG = logging.getLogger(__name__)

#: Of the newest so many acts of operators the list is made.
MOST_ACTS = 20_000

#: So many events are read in one round trip; so many new ones while a page waits; and the pause between two trips.
_TRIP = 1000
_AT_ONCE = 2 * _TRIP
_REST_S = 0.02

#: The actor of an event is `operator NAME` for what an operator asked.
_OPERATOR = "operator "


@dataclass(frozen=True, slots=True)
class Acts:
    """Those that are known now, the newest first. `oldest_ms`: so far back was looked; 0 where the log is empty.

    `is_whole`: all that the log keeps was looked at. `is_behind`: newer events are there, and are being read.
    """

    events: Sequence[Event]
    looked_at: int
    oldest_ms: int
    is_whole: bool
    is_behind: bool

    def of(self, operator: str, verb: str) -> Sequence[Event]:
        """Empty for any."""
        return [
            event
            for event in self.events
            if operator in {"", operator_of(event)} and verb in {"", event.fields.get("verb", "")}
        ]

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Operator and verb → how many, the most frequent first."""
        counts = Counter((operator_of(event), event.fields.get("verb", "")) for event in self.events)
        return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def operator_of(event: Event) -> str:
    """The operator's name, as the server knows it; empty for what no operator did."""
    actor = event.fields.get("actor", "")
    return actor.removeprefix(_OPERATOR) if actor.startswith(_OPERATOR) else ""


class OperatorActs:
    """Any number of threads may use it. It begins to read when it is first asked."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._acts: deque[Event] = deque(maxlen=MOST_ACTS)  #: the oldest first
        self._newest = self._oldest = ""  #: places
        self._oldest_ms = self._looked_at = 0
        self._is_whole = False

    def now(self) -> Acts:
        """What operators did until now, as far as it is known. Raises `LedgerUnavailable`."""
        if self._reading.acquire(blocking=False):
            try:
                is_behind = not self._read_on()
            finally:
                self._reading.release()
        else:
            newest = self._events.newest(1)
            is_behind = bool(newest) and newest[-1].id != self._newest
        if is_behind or not self._has_all:
            threading.Thread(target=self._read_all, name="operators' acts", daemon=True).start()
        with self._lock:
            is_whole = self._is_whole and len(self._acts) < MOST_ACTS
            return Acts(list(reversed(self._acts)), self._looked_at, self._oldest_ms, is_whole, is_behind)

    @property
    def _has_all(self) -> bool:
        """Of what is kept of the older ones."""
        return self._is_whole or len(self._acts) == MOST_ACTS

    def _read_on(self) -> bool:
        """The new events; False: there are more than a page should wait for."""
        if not self._newest:
            found = self._events.newest(_AT_ONCE)
            self._add_older(found, is_all=len(found) < _AT_ONCE)
            return True
        newest = self._events.newest(1)
        last = newest[-1].id if newest else self._newest
        found = list(islice(self._events.all_until(last, after=self._newest), _AT_ONCE))
        self._add_newer(found)
        return len(found) < _AT_ONCE

    def _read_all(self) -> None:
        """One thread at a time. A ledger that is away ends it: the next page begins it again."""
        if not self._reading.acquire(blocking=False):
            return
        rest = threading.Event()
        try:
            while True:
                is_up_to_date = self._read_on()
                if not self._has_all:
                    found = self._events.newest(_TRIP, before=self._oldest)
                    self._add_older(found, is_all=len(found) < _TRIP)
                elif is_up_to_date:
                    return
                rest.wait(_REST_S)
        except TransfersError as error:
            _LOG.warning("operator_acts.later", extra={"why": type(error).__name__})
        finally:
            self._reading.release()

    def _add_newer(self, found: Sequence[Event]) -> None:
        with self._lock:
            self._acts.extend(event for event in found if operator_of(event))
            self._looked_at += len(found)
            if found:
                self._newest = found[-1].id

    def _add_older(self, found: Sequence[Event], *, is_all: bool) -> None:
        """Where it is full, the older ones are left out."""
        with self._lock:
            room = MOST_ACTS - len(self._acts)
            acts = [event for event in found if operator_of(event)]
            self._acts.extendleft(reversed(acts[-room:] if room else []))
            self._looked_at += len(found)
            self._is_whole = is_all
            if found:
                self._newest = self._newest or found[-1].id
                self._oldest, self._oldest_ms = found[0].id, found[0].at_ms
