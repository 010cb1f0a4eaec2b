"""The event log as a group's consumers read it where the order of each transfer's outcomes is kept.

The group's list of what each consumer owes is the truth: it outlives consumers, and counts how often each outcome was
handed out. An outcome is handed out only once the one before it, of the same transfer, is owed no more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event, Events, moves_in, place_of
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome, aside_field, replay_field
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: Of what a group's consumers owe, so many are looked through in one round trip.
_PAGE = 1000

#: What a consumer gives back when it ends may be taken at once: as if it had been owed for a day.
_LONG_AGO_MS = 86_400_000


class Turn(StrEnum):
    """Whether an outcome may be handed out, by where the one before it stands."""

    READY = "ready"
    WAITS = "waits"
    ASIDE = "aside"


class SetAside(StrEnum):
    """What became of an outcome that was to be set aside."""

    ASIDE = "ASIDE"
    GONE = "GONE"  #: it is owed by this consumer no more
    LATER = "LATER"  #: the one before it is not aside any more, or is about to be replayed


@dataclass(frozen=True, slots=True)
class Delivery:
    """`count`: how often the event was handed out, with the time for which it was just taken."""

    event: Event
    count: int


@dataclass(frozen=True, slots=True)
class OfRecord:
    """What the record of an outcome's transfer says beside it."""

    before: str = ""  #: the place of the outcome before it; empty where none is known
    metadata: str = field(default="", repr=False)  #: as the record keeps them


class OutcomeFeed(Events):
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        super().__init__(client, test_clock)
        self._outcome_scripts = Scripts(client, ("outcome_ready", "outcome_aside", "outcome_replay"))

    def counts(self, group: str, consumer: str, events: Sequence[Event]) -> dict[str, int]:
        """By place: how often each of these, which the consumer owes, was handed out. They stand in order."""
        if not events:
            return {}
        with read_errors_as(LedgerUnavailable):
            owed = self._client.xpending_range(
                redis_keys.EVENTS, group, events[0].id, events[-1].id, _PAGE, consumername=consumer
            )
        return {entry["message_id"]: entry["times_delivered"] for entry in cast("list[Any]", owed)}

    def owed(
        self, group: str, consumer: str, *, count: int, but: Collection[str], idle_ms: int | None = None
    ) -> list[Delivery]:
        """What this consumer took before it was restarted; with `idle_ms`, what any took so long ago, and is its now.

        Without those in `but`. It is handed out by this to no handler: `count_delivery` counts that.
        """
        found: dict[str, int] = {}
        start = "-"
        with read_errors_as(LedgerUnavailable):
            while len(found) < count:
                page = cast(
                    "list[Any]",
                    self._client.xpending_range(
                        redis_keys.EVENTS,
                        group,
                        start,
                        "+",
                        _PAGE,
                        consumername=consumer if idle_ms is None else None,
                        idle=idle_ms,
                    ),
                )
                found |= {each["message_id"]: each["times_delivered"] for each in page if each["message_id"] not in but}
                if len(page) < _PAGE:
                    break
                start = f"({page[-1]['message_id']}"
            if not found:
                return []
            claimed = self._claimed(group, consumer, list(found)[:count], idle_ms=idle_ms or 0)
            return [Delivery(event, found[event.id]) for event in self._events_at(claimed)]

    def keep(self, group: str, consumer: str, places: Collection[str]) -> set[str]:
        """Which of these are still this consumer's. They are so for `claim_after` from now on."""
        if not places:
            return set()
        first, last = min(places, key=place_of), max(places, key=place_of)
        with read_errors_as(LedgerUnavailable):
            owed = self._client.xpending_range(redis_keys.EVENTS, group, first, last, 10 * _PAGE, consumername=consumer)
            mine = {entry["message_id"] for entry in cast("list[Any]", owed)} & set(places)
            return set(self._claimed(group, consumer, sorted(mine, key=place_of)))

    def count_delivery(self, group: str, consumer: str, place: str, count: int) -> bool:
        """Before it is handed out for the `count`-th time. False: it was acknowledged meanwhile."""
        with read_errors_as(LedgerUnavailable):
            return bool(self._claimed(group, consumer, [place], retrycount=count))

    def release(self, group: str, consumer: str, places: Sequence[str], *, count: int | None = None) -> None:
        """Another consumer may take them at once. `count`: how often they were handed out, where that differs."""
        with read_errors_as(LedgerUnavailable):
            self._claimed(group, consumer, places, idle=_LONG_AGO_MS, retrycount=count)

    def of_records(self, outcomes: Sequence[tuple[str, str]]) -> list[OfRecord]:
        """Of each outcome, by its key and its place, in one round trip."""
        keys = list(dict.fromkeys(key for key, _ in outcomes if is_key(key)))
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(redis_keys.record(key), ["history", "metadata"])
        with read_errors_as(LedgerUnavailable):
            replies = cast("list[list[str | None]]", pipeline.execute() if keys else [])
        records = dict(zip(keys, replies, strict=True))
        found = []
        for key, place in outcomes:
            history, metadata = records.get(key, (None, None))
            earlier = [move for move in moves_in(history or "") if place_of(move) < place_of(place)]
            found.append(OfRecord(earlier[-1] if earlier else "", metadata or ""))
        return found

    def turns(self, group: str, before: Sequence[tuple[str, str]]) -> list[Turn]:
        """May they be handed out? `before`: of each, its key and the place of the outcome before it."""
        fields = [aside_field(group, key, place) for key, place in before]
        with read_errors_as(LedgerUnavailable):
            words = self._outcome_scripts.run(
                "outcome_ready", (redis_keys.EVENTS, redis_keys.OUTCOMES_ASIDE), (group, *fields)
            )
        return [Turn(word) for word in words]

    def set_aside(self, consumer: str, outcome: AsideOutcome, *, behind: str = "") -> SetAside:
        """Keep it for people, in place of owing it. `behind`: the place of the outcome before it, which is aside."""
        group, key = outcome.group, outcome.key
        args = (
            group,
            consumer,
            outcome.place,
            outcome.field,
            outcome.to_json(),
            aside_field(group, key, behind) if behind else "",
            replay_field(group, key),
        )
        names = (redis_keys.EVENTS, redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS)
        with redis_errors_as(LedgerUnavailable):
            return SetAside(self._outcome_scripts.run("outcome_aside", names, args)[0])

    def replay(self, group: str, consumer: str, *, most: int) -> list[Delivery]:
        """What operators asked to replay, of so many transfers: it is this consumer's now."""
        with read_errors_as(LedgerUnavailable):
            asked = cast("dict[str, str]", self._client.hgetall(redis_keys.OUTCOME_REPLAYS))
            keys = [key for of, _, key in (field.partition(" ") for field in asked) if of == group][:most]
            if not keys:
                return []
            aside = cast("list[str]", self._client.hkeys(redis_keys.OUTCOMES_ASIDE))
        places: list[str] = []
        for key in keys:
            fields = [field for field in aside if field.startswith(aside_field(group, key, ""))]
            places += self._replayed(group, consumer, key, fields)
        with read_errors_as(LedgerUnavailable):
            return [Delivery(event, 0) for event in self._events_at(sorted(places, key=place_of))]

    def _replayed(self, group: str, consumer: str, key: str, fields: Sequence[str]) -> list[str]:
        names = (redis_keys.EVENTS, redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS)
        with redis_errors_as(LedgerUnavailable):
            return self._outcome_scripts.run(
                "outcome_replay", names, (group, consumer, replay_field(group, key), *fields)
            )[1:]

    def _claimed(
        self,
        group: str,
        consumer: str,
        places: Sequence[str],
        *,
        idle_ms: int = 0,
        idle: int | None = None,
        retrycount: int | None = None,
    ) -> list[str]:
        """Those that are this consumer's now: they were owed, for so long. It counts as no delivery."""
        if not places:
            return []
        return cast(
            "list[str]",
            self._client.xclaim(
                redis_keys.EVENTS,
                group,
                consumer,
                idle_ms,
                list(places),
                idle=idle,
                retrycount=retrycount,
                justid=True,
            ),
        )

    def _events_at(self, places: Iterable[str]) -> list[Event]:
        """What is not in the log any more has no fields."""
        pipeline = self._client.pipeline(transaction=False)
        wanted = list(places)
        for place in wanted:
            pipeline.xrange(redis_keys.EVENTS, place, place)
        found = cast("list[list[tuple[str, dict[str, str]]]]", pipeline.execute() if wanted else [])
        return [Event(place, entries[0][1] if entries else {}) for place, entries in zip(wanted, found, strict=True)]
