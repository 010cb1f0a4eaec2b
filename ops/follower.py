"""The follower of the audit trail: a process that writes every event as a line, and goes on where it stood.

It ships the trail to a log that can only be added to. It outlives restarts of the ledger, and ends by a signal alone.
It compares the events' numbers as it reads them; what does not follow is a line of its own among them. Its place is
stored after the lines are out: each event comes at least once.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.store.events import Event, Events, LogState, place_of
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime import trail
from epay_transfers.runtime.trail import Flaw, Numbers, TrailAlarm

BEGINNING = "0-0"

#: Between two comparisons of the whole log with the ledger's counter.
_COMPARE_S = 1.0

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0

#: Between two looks whether the process is to stop.
_LOOK_S = 0.2

#: Each question to the ledger has a timeout: a round that takes so long hangs.
_HANGS_S = 60.0

#: Lines that are still not out after this are said.
_SLOW_OUTPUT_S = 10.0


@dataclass
class Position:
    """How far the trail was read: the id of the last event, and what its numbers say."""

    place: str = BEGINNING
    numbers: Numbers = field(default_factory=Numbers)


class PlaceFile:
    """A follower's position, in a file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position:
        """The beginning where there is no such file yet."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            place_of(found["place"])
            numbers = Numbers(_number(found["number"]), _number(found["announced"]))
            return Position(found["place"], numbers)
        except FileNotFoundError:
            return Position()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise Refusal(
                f"--place: {self._path} holds no follower's place, or can't be read; name another file, or remove it "
                "to begin with the oldest event"
            ) from None

    def store(self, position: Position) -> None:
        numbers = position.numbers
        text = json.dumps({"place": position.place, "number": numbers.last, "announced": numbers.announced})
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


def _number(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise TypeError


@dataclass(frozen=True, slots=True)
class Output:
    """Where the lines go. `flush` returns when they have left the process."""

    event: Callable[[Event], None]
    alarm: Callable[[TrailAlarm], None]
    flush: Callable[[], None]
    trouble: Callable[[str], None]


class Follower:
    def __init__(
        self,
        events: Events,
        position: Position,
        output: Output,
        clock: Clock,
        *,
        is_stopping: Callable[[], bool],
        sleep: Callable[[float], None],
        store: Callable[[Position], None] = lambda _: None,
    ) -> None:
        self._events = events
        self._position = position
        self._output = output
        self._clock = clock
        self._is_stopping = is_stopping
        self._sleep = sleep
        self._store = store
        self._snapshot: LogState | None = None  #: compared with what was read, when all of it is read
        self._compared_at = clock.monotonic() - _COMPARE_S
        self._broken = ""  #: the part that was told to be broken
        self._told_added = 0  #: by how much the entries that the server saw differ from the counter, as told
        self._round_at = clock.monotonic()
        self._is_reading = False  #: did the ledger answer the last question?
        self._writing_since: float | None = None  #: since when lines are under way that are not stored yet

    def live(self) -> list[str]:
        """Why it should be started anew. An output that takes no line is no reason: another follower has the same."""
        span_s = self._clock.monotonic() - self._round_at
        if self._writing_since is None and span_s > _HANGS_S:
            return [f"hangs: a question to the ledger takes {span_s:.0f} s"]
        return []

    def ready(self) -> list[str]:
        """Why events stay in the ledger, and do not come to the log."""
        found = self.live()
        if not self._is_reading:
            found.append("no events: the ledger did not answer the last question")
        since = self._writing_since
        if since is not None and (span_s := self._clock.monotonic() - since) > _SLOW_OUTPUT_S:
            found.append(f"not written: the output has not taken the last lines for {span_s:.0f} s")
        if self._is_stopping():
            found.append("stopping")
        return found

    def run(self) -> None:
        """Until it is told to stop. A ledger that is away is waited for, ever longer."""
        wait_s = _FIRST_WAIT_S
        while not self._is_stopping():
            try:
                self._came_round()
                for batch in self._events.follow(self._position.place):
                    self._is_reading = True
                    if self._is_stopping():
                        self._take(batch)
                        return
                    self._take(batch)
                    is_anew = self._compare(is_idle=not batch)
                    self._came_round()
                    wait_s = _FIRST_WAIT_S
                    if is_anew:
                        break
            except LedgerUnavailable as error:  # `LedgerBroken` too: it may be mended
                self._snapshot, self._is_reading = None, False
                self._look_what_is_broken()
                self._output.trouble(
                    f"the ledger does not answer: {error.why}; the follower asks again in {wait_s:.1f} s"
                )
                self._rest(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _take(self, batch: list[Event]) -> None:
        for event in batch:
            self._say(self._position.numbers.read(event))
            self._begin_writing()
            self._output.event(event)
            self._position.place = event.id
        if batch:
            self._keep()

    def _compare(self, *, is_idle: bool) -> bool:
        """What no event shows: that events are gone. True: the log is another one, and is read from its beginning.

        A state of the log is compared when all that it holds was read; or could have been, and was gone.
        """
        if self._snapshot is None:
            if self._clock.monotonic() - self._compared_at < _COMPARE_S:
                return False
            self._compared_at = self._clock.monotonic()
            self._snapshot = self._events.state()
            if place_of(self._snapshot.last_id) < place_of(self._position.place):
                self._begin_anew(self._snapshot)
                return True
        state, position = self._snapshot, self._position
        is_all_read = place_of(position.place) >= place_of(state.last_id)
        if not (is_all_read or is_idle):
            return False
        self._snapshot = None
        found = list(position.numbers.compare_oldest(state))
        if position.place == state.last_id or not is_all_read:
            found += position.numbers.compare_newest(state)
            position.place = state.last_id
        if state.added - state.counted != self._told_added:
            self._told_added = state.added - state.counted
            found.append(trail.alarm(Flaw.ADDED, added=state.added, counted=state.counted))
        self._say(found)
        if found:
            self._keep()
        return False

    def _begin_anew(self, state: LogState) -> None:
        """The log ends before the place that was read: it was deleted, or the ledger went back."""
        position = self._position
        self._snapshot = None
        self._say([trail.alarm(Flaw.WENT_BACK, id=position.place, number=position.numbers.last or 0)])
        if state.counted < (position.numbers.last or 0):
            position.numbers = Numbers()
        position.place = BEGINNING
        self._keep()

    def _look_what_is_broken(self) -> None:
        """A server that answers with another thing than a log is no server that is away."""
        try:
            self._events.state()
            self._broken = ""
        except LedgerBroken as error:
            if error.part != self._broken:
                self._say([trail.alarm(Flaw.BROKEN, part=error.part)])
                self._flush()
            self._broken = error.part
        except LedgerUnavailable:
            return

    def _say(self, found: Iterable[TrailAlarm]) -> None:
        for one in found:
            self._begin_writing()
            self._output.alarm(one)

    def _keep(self) -> None:
        self._output.flush()
        self._store(self._position)
        self._writing_since = None

    def _flush(self) -> None:
        self._output.flush()
        self._writing_since = None

    def _begin_writing(self) -> None:
        if self._writing_since is None:
            self._writing_since = self._clock.monotonic()

    def _came_round(self) -> None:
        self._round_at = self._clock.monotonic()

    def _rest(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        while not self._is_stopping() and self._clock.monotonic() < end:
            self._came_round()
            self._sleep(_LOOK_S)
