"""The audit trail: are the events that stand in the ledger those that its scripts wrote, all of them, in their order?

A script gives each event the next number (`_events.lua`), and what trims the log says up to which number. So
what was taken out of the log, what was added to it by hand and a log that went back show in the numbers. The audit and
the follower both read them by this module. It finds what was done with fewer steps than a script makes; a process that
may write events and counters can still write an event that is right in every number, and no number can show that.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.sentences import WordWithSentence
from epay_transfers.ledger.store.events import Event, LogState

#: The first word of an actor that may trim: a worker by EVENTS_KEEP, an operator what was exported.
_TRIM = frozenset({"worker", "operator"})
_LONGEST = 15


class Flaw(WordWithSentence):
    """What is wrong with the trail. In the sentence, `{name}` is a number that was found."""

    UNNUMBERED = "unnumbered", "the event {id} has no number: no script wrote it"
    GAP = "gap", "the events {first} to {last} are missing"
    OUT_OF_ORDER = (
        "out_of_order",
        "the event {id} has the number {number}, after {before}: an event was forged, or the ledger went back",
    )
    UNANNOUNCED = "unannounced_trim", "the events up to {last} are gone, and no event `trimmed` says so"
    NOT_GONE = "trim_not_made", "an event `trimmed` says that the events up to {last} are gone, but {number} stands"
    COUNTER = "counter", "the last event has the number {number}, but the ledger's counter says {counted}"
    ADDED = "entries_added", "the log had {added} entries added to it, but the ledger's counter says {counted} events"
    BROKEN = "broken", "the ledger's {part} are of another type, or no number: another program replaced them"
    WENT_BACK = (
        "went_back",
        "the log went back behind {id}, number {number}: it was deleted, or the ledger was restored",
    )


@dataclass(frozen=True, slots=True)
class TrailAlarm:
    flaw: Flaw
    found: dict[str, str] = field(default_factory=dict)

    @property
    def says(self) -> str:
        return self.flaw.sentence.format_map(self.found)


def alarm(flaw: Flaw, **found: int | str) -> TrailAlarm:
    return TrailAlarm(flaw, {name: str(value) for name, value in found.items()})


def number_of(event: Event) -> int | None:
    """None: it has no number that a script would give."""
    text = event.fields.get("number", "")
    is_number = text.isascii() and text.isdecimal() and text[0] != "0" and len(text) <= _LONGEST
    return int(text) if is_number else None


@dataclass
class Numbers:
    """The numbers as far as the trail was read.

    `last` is that of the last event; None before the first one. `announced` is up to which number workers said that
    they removed events; None where that is not known, because the reading did not begin with the oldest event.
    """

    last: int | None = None
    announced: int | None = 0

    def read(self, event: Event) -> Iterator[TrailAlarm]:
        """What is wrong with this event, by those before it."""
        number = number_of(event)
        if number is None:
            yield alarm(Flaw.UNNUMBERED, id=event.id)
            return
        if self.last is not None and number > self.last + 1:
            yield alarm(Flaw.GAP, first=self.last + 1, last=number - 1)
        elif self.last is not None and number <= self.last:
            yield alarm(Flaw.OUT_OF_ORDER, id=event.id, number=number, before=self.last)
        self.last = number
        may_trim = event.fields.get("actor", "").split(" ")[0] in _TRIM
        if event.fields.get("verb") == Alarm.TRIMMED and may_trim:
            up_to = number_of(Event(event.id, {"number": event.fields.get("up_to", "")})) or 0
            self.announced = max(self.announced or 0, min(up_to, number - 1))

    def compare_oldest(self, state: LogState) -> Iterator[TrailAlarm]:
        """The oldest event that is left, with what workers said. All events of that state must have been read."""
        number = number_of(state.oldest) if state.oldest else state.counted + 1
        if number is None:
            return  # as it was read it was named
        if self.announced is None:
            self.announced = number - 1
        if number - 1 > self.announced:
            yield alarm(Flaw.UNANNOUNCED, last=number - 1)
            self.announced = number - 1

    def compare_newest(self, state: LogState) -> Iterator[TrailAlarm]:
        """The last number with the ledger's counter, where that event was the last one when the counter was read."""
        last = state.counted if self.last is None else self.last
        if state.counted > last:
            yield alarm(Flaw.GAP, first=last + 1, last=state.counted)
        elif state.counted < last:
            yield alarm(Flaw.COUNTER, number=last, counted=state.counted)
        self.last = state.counted


def flaws(state: LogState, events: Iterator[Event]) -> Iterator[TrailAlarm]:
    """Of a whole log: `events` are those that stood in it when `state` was read, from the oldest one on."""
    numbers = Numbers()
    for event in events:
        yield from numbers.read(event)
    announced = numbers.announced or 0
    yield from numbers.compare_oldest(state)
    oldest = number_of(state.oldest) if state.oldest else None
    if oldest is not None and announced >= oldest:
        yield alarm(Flaw.NOT_GONE, last=announced, number=oldest)
    yield from numbers.compare_newest(state)
    if state.added != state.counted:
        yield alarm(Flaw.ADDED, added=state.added, counted=state.counted)
