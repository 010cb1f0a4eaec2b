"""The outcome feed: what became of every transfer, from the ledger's own events, to each group of readers.

At least once: an outcome is its consumer's until `ack`, and another one's if that consumer dies. It may come twice and
out of order: ignore a lower version of a transfer than you have seen. Nothing is lost while no reader runs.
`outcome_consumer` calls a handler with them instead, in the order of each transfer.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, Self

from epay_transfers.ledger import metadata
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.outcome_feed import Delivery, OfRecord, SetAside, Turn
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.ledger.transfer import maybe_moment, moment
from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.validators import REFERENCE_IS, is_reference

_LOG = logging.getLogger(__name__)

#: How many outcomes a consumer holds at once; how long it waits for new ones before it looks for what others left.
_BATCH = 10
_BLOCK_MS = 1000


class Feed(Protocol):
    """`ledger.store.outcome_feed.OutcomeFeed`, as far as groups go."""

    def join(self, group: str) -> None: ...
    def take(self, group: str, consumer: str, *, count: int, block_ms: int = 0, after: str = ">") -> list[Event]: ...
    def claim(self, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Event]: ...
    def ack(self, group: str, event_id: str) -> None: ...
    def leave(self, group: str, consumer: str) -> None: ...
    def counts(self, group: str, consumer: str, events: Sequence[Event]) -> dict[str, int]: ...
    def of_records(self, outcomes: Sequence[tuple[str, str]]) -> list[OfRecord]: ...

    # In the order of each transfer.

    def owed(
        self, group: str, consumer: str, *, count: int, but: Collection[str], idle_ms: int | None = None
    ) -> list[Delivery]: ...
    def keep(self, group: str, consumer: str, places: Collection[str]) -> set[str]: ...
    def count_delivery(self, group: str, consumer: str, place: str, count: int) -> bool: ...
    def release(self, group: str, consumer: str, places: Sequence[str], *, count: int | None = None) -> None: ...
    def turns(self, group: str, before: Sequence[tuple[str, str]]) -> list[Turn]: ...
    def set_aside(self, consumer: str, outcome: AsideOutcome, *, behind: str = "") -> SetAside: ...
    def replay(self, group: str, consumer: str, *, most: int) -> list[Delivery]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOutcome:
    """What one move made of a transfer. What a payer asks is `final` and `money`. Times are UTC.

    An `Outcome` or an `AsyncOutcome`: the type for a function that acknowledges nothing itself.
    """

    key: str  #: the ledger's name of the transfer, as in its receipt
    reference: str  #: your own name of it
    version: int  #: grows with each move: ignore one that is not higher than what you have seen
    state: State  #: where this move led
    final: bool  #: nothing will change any more (but for a reversal, or a correction by two operators)
    money: Money  #: `none` and final: it may be paid another way. `unknown` is also what the bank contradicts
    code: str  #: the bank's, where this move brought one
    reason: str  #: ours, a word
    next_at: datetime | None  #: when a worker or an inquiry looks again
    not_before: datetime | None  #: the bank asks not to try this card before
    attempts: int  #: tries that ended without an answer of the bank to the transfer
    at: datetime  #: when the move was made
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)  #: as your intent gave it
    deliveries: int = field(default=1, compare=False)  #: how often it was handed out, with this time; may be one more
    _acknowledge: Callable[[], None] = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, event: Event, acknowledge: Callable[[], None], deliveries: int = 1, *, kept_metadata: str = ""
    ) -> Self | None:
        """None for an event that is no transfer's move: the pause of a lane, an alarm.

        No event has the metadata: `kept_metadata` is the record's. Raises `ValueError` for what can't be read.
        """
        told = event.fields
        if not is_move(event):
            return None
        state = State(told["state"])
        return cls(
            key=told["key"],
            reference=told["reference"],
            version=int(told["version"]),
            state=state,
            final=state.final,
            money=state.money,
            code=told.get("code", ""),
            reason=told.get("reason", ""),
            next_at=maybe_moment(0 if state.final else int(told.get("next_attempt_at", 0))),
            not_before=maybe_moment(int(told.get("not_before_at", 0))),
            attempts=int(told.get("attempts", 0)),
            at=moment(event.at_ms),
            metadata=metadata.read(kept_metadata),
            deliveries=deliveries,
            _acknowledge=acknowledge,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(AnyOutcome):
    """What one move made of a transfer, until it is acknowledged. What a payer asks is `final` and `money`."""

    @clear_frames_on_error
    def ack(self) -> None:
        """Mark it as processed: no reader of the group gets it again. Call it after your own commit.

        Raises `LedgerUnavailable`: then the outcome may come again.
        """
        self._acknowledge()


def check_names(group: str, consumer: str | None) -> None:
    """Raises `IntentRejected` for a name that is none."""
    for name, text in (("group", group), ("consumer", consumer or group)):
        if not is_reference(text):
            raise IntentRejected(name, REFERENCE_IS)


def outcomes(
    feed: Feed,
    clock: Clock,
    is_contradicted: Callable[[str, State], bool],
    *,
    group: str,
    consumer: str | None,
    idle: float | None,
    claim_after: float,
    is_stopped: Callable[[], bool],
) -> Generator[Outcome, None, None]:
    """As `Transfers.outcomes` says. The group exists when this returns; reading begins with the first `next`.

    `is_contradicted`: does the bank say now that the money of this transfer, which ended without, has moved?
    `is_stopped`: is looked at before each wait for new ones, which takes a second; then it ends.
    """
    check_names(group, consumer)
    feed.join(group)
    reader = _Reader(feed, clock, is_contradicted, group, consumer or fresh_name(), idle, claim_after, is_stopped)
    return reader.read(leaves=consumer is None)


@dataclass(slots=True)
class _Reader:
    feed: Feed
    clock: Clock
    is_contradicted: Callable[[str, State], bool]
    group: str
    consumer: str
    idle: float | None
    claim_after: float
    is_stopped: Callable[[], bool]
    _quiet_until: float = 0.0  #: no reader had left anything: not before this is it looked for again

    def read(self, *, leaves: bool) -> Generator[Outcome, None, None]:
        try:
            for batch in self._batches():
                moves = [(event.fields.get("key", ""), event.id) for event, _ in batch if is_move(event)]
                records = self.feed.of_records(moves) if moves else []
                kept = {key: record.metadata for (key, _), record in zip(moves, records, strict=True)}
                for event, count in batch:
                    acknowledge, key = acknowledges(self.feed, self.group, event.id), event.fields.get("key", "")
                    try:
                        outcome = Outcome.of(event, acknowledge, count, kept_metadata=kept.get(key, ""))
                    except (KeyError, ValueError):
                        say_unreadable(key)
                        continue  # another version wrote it: it stays owed until a version comes that can read it
                    if outcome is None:
                        self.feed.ack(self.group, event.id)
                    elif self.is_contradicted(outcome.key, outcome.state):
                        yield replace(outcome, money=Money.UNKNOWN)
                    else:
                        yield outcome
        finally:
            if leaves:
                with suppress(LedgerUnavailable):
                    self.feed.leave(self.group, self.consumer)

    def _batches(self) -> Iterator[list[tuple[Event, int]]]:
        """First what this very consumer took before it was restarted; then what is new, or was left by the dead.

        Each with how often it was handed out.
        """
        after = "0"
        while owed := self.feed.take(self.group, self.consumer, count=_BATCH, after=after):
            after = owed[-1].id
            yield self._counted(owed)
        waited_ms = 0
        while not self.is_stopped():
            left = self._left_by_others()
            if left:
                yield self._counted(left)
                continue
            left_ms = _BLOCK_MS if self.idle is None else min(_BLOCK_MS, int(self.idle * 1000) - waited_ms)
            batch = self.feed.take(self.group, self.consumer, count=_BATCH, block_ms=left_ms)
            waited_ms = 0 if batch else waited_ms + left_ms
            if batch:
                yield [(event, 1) for event in batch]
            elif self.idle is not None and waited_ms >= self.idle * 1000:
                return

    def _counted(self, events: list[Event]) -> list[tuple[Event, int]]:
        counts = self.feed.counts(self.group, self.consumer, events)
        return [(event, counts.get(event.id, 1)) for event in events]

    def _left_by_others(self) -> list[Event]:
        if self.clock.monotonic() < self._quiet_until:
            return []
        left = self.feed.claim(self.group, self.consumer, idle_ms=int(self.claim_after * 1000), count=_BATCH)
        if not left:
            self._quiet_until = self.clock.monotonic() + self.claim_after / 2
        return left


def acknowledges(feed: Feed, group: str, place: str) -> Callable[[], None]:
    return lambda: feed.ack(group, place)


def is_move(event: Event) -> bool:
    """Of a transfer. Else it is the pause of a lane, an alarm."""
    return bool(event.fields.get("state") and event.fields.get("version"))


def say_unreadable(key: str) -> None:
    log_line(
        _LOG.error,
        "outcome.unreadable",
        "The outcome of %(key)s can't be read by this version: another version wrote it",
        key=key,
    )


def fresh_name() -> str:
    """Of a consumer without a name of its own."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
