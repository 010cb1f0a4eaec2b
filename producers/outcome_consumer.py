"""A consumer of the outcome feed that calls a handler: `Transfers.run_outcomes`.

The handler's return acknowledges an outcome. Its exception does not: then that outcome, and each later one of the same
transfer, waits here and is tried again, and the other transfers go on. After so many tries it is set aside for people,
and the later ones of that transfer with it: so the versions that a group's handlers see of a transfer rise.

What is held here is owed in the ledger as well, so that a consumer may die between any two lines.
"""

import inspect
import logging
from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf

from epay_transfers.ledger import metadata
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable, WrongCall
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store.events import place_of
from epay_transfers.ledger.store.outcome_feed import Delivery, SetAside, Turn
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome
from epay_transfers.ledger.tracebacks import described
from epay_transfers.producers.outcomes import Feed, Outcome, acknowledges, check_names, fresh_name, say_unreadable

_LOG = logging.getLogger(__name__)

Handler = Callable[[Outcome], object]

#: How many outcomes are taken at once, and how many are held at most: those whose handler failed, and those behind.
_BATCH = 10
_MOST_HELD = 1000

#: Of those that are held and may be tried, so many are looked at in one round trip.
_LOOKED_AT = 100

#: How long the server is asked to wait for new outcomes; how long a consumer rests while it waits for another try.
_BLOCK_MS = 1000
_REST_S = 0.25

#: Between two looks for what operators want to be replayed; of so many transfers at once.
_LOOK_S = 1.0
_REPLAYED = 50

#: Before the next look at an outcome that waits for one that another consumer has: from, to.
_WAITS_S = 0.05, 1.0

#: Before the ledger is asked again after it did not answer.
_AWAY_S = 1.0

#: The pauses between two tries grow so, to this at most: with eight deliveries, a database may be away for 25 minutes.
_GROWS = 4
_LONGEST_S = 600.0

_FEWEST_DELIVERIES = 2


def backoff_s(deliveries: int) -> float:
    """How long an outcome waits after its handler failed for so many times: 1 s, 4 s, 16 s, up to ten minutes."""
    return min(float(_GROWS ** min(deliveries - 1, 10)), _LONGEST_S)


@dataclass(slots=True, eq=False)
class _Held:
    """An outcome that this consumer owes."""

    outcome: Outcome
    place: str  #: in the log
    deliveries: int  #: how often it was handed out
    is_counted: bool = False  #: it was just taken, which counts as the delivery that is to come
    due: float = 0.0  #: not tried before this (monotonic)
    metadata: Mapping[str, str] | None = None  #: the transfer's; None: its record was not looked up yet
    before: str = ""  #: the place of the one before it, by the record
    is_free: bool = False  #: the one before it is dealt with
    is_done: bool = False  #: the handler returned; it is not acknowledged yet
    waits_s: float = 0.0  #: it waits for another consumer, and the next look is so much later
    error: str = ""  #: the class of the handler's last error

    @property
    def order(self) -> tuple[int, int]:
        return place_of(self.place)


@dataclass(slots=True, kw_only=True)
class OutcomeConsumer:
    feed: Feed
    clock: Clock
    is_contradicted: Callable[[str, State], bool]
    pause: Callable[[float], None]
    handler: Handler
    group: str
    consumer: str
    leaves: bool  #: its name was made up, and means nothing once it ends
    idle: float | None
    claim_after: float
    set_aside_after: int
    _held: dict[str, _Held] = field(default_factory=dict)  #: by place
    _queues: dict[str, list[_Held]] = field(default_factory=dict)  #: by transfer, in order: only the first may be tried
    _unreadable: set[str] = field(default_factory=set)  #: places: they stay owed
    _look_at: float = -inf
    _claim_at: float = -inf
    _keep_at: float = inf
    _quiet_ms: int = 0
    _is_away: bool = False

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Until it is stopped, or was idle for long enough. Raises `LedgerUnavailable` where no waiting helps."""
        try:
            self._add(self.feed.owed(self.group, self.consumer, count=_MOST_HELD, but=()))
            while not is_stopped() and self._goes_on(is_stopped):
                pass
        finally:
            if self.leaves:
                with suppress(LedgerUnavailable):  # then another consumer takes it all after `claim_after`
                    self._leave()

    def _goes_on(self, is_stopped: Callable[[], bool]) -> bool:
        try:
            if self._is_away:
                self.feed.join(self.group)  # a ledger that lost its data lost the group
            goes_on = self._step(is_stopped)
        except LedgerUnavailable as error:
            if not error.is_passing:
                raise
            if not self._is_away:
                self._is_away = True
                log_line(
                    _LOG.warning,
                    "outcomes.away",
                    "The consumer of group %(group)s goes on once the ledger answers: %(why)s",
                    group=self.group,
                    why=error.why,
                )
            self.pause(_AWAY_S)
            return True
        if self._is_away:
            self._is_away = False
            log_line(_LOG.warning, "outcomes.back", "The consumer of group %(group)s goes on", group=self.group)
        return goes_on

    def _step(self, is_stopped: Callable[[], bool]) -> bool:
        """Deal with what may be tried now, and take what is new. False: it was idle for long enough."""
        self._look()
        ready = self._ready()
        for held in self._in_turn(ready):
            if is_stopped():
                return True
            self._keep()
            if held.place in self._held:
                self._deal_with(held)
        if is_stopped():
            return True
        room = self._room()
        next_s = self._next_s()
        block_ms = 0 if ready or next_s < inf else self._block_ms()
        batch = (
            self.feed.take(self.group, self.consumer, count=min(_BATCH, room), block_ms=block_ms) if room > 0 else []
        )
        self._add([Delivery(event, 1) for event in batch], is_counted=True)
        if ready or batch or next_s < inf:
            self._quiet_ms = 0
            if not ready and not batch:
                self.pause(max(0.0, min(next_s, _REST_S)))
            return True
        self._quiet_ms += block_ms
        return self.idle is None or self._quiet_ms < self.idle * 1000

    # What is held.

    def _add(self, deliveries: Iterable[Delivery], *, is_counted: bool = False) -> None:
        for delivery in deliveries:
            event = delivery.event
            if event.id in self._held:
                continue
            try:
                outcome = Outcome.of(event, acknowledges(self.feed, self.group, event.id), delivery.count)
            except (KeyError, ValueError):
                self._leave_owed(event.fields.get("key", ""), event.id)
                continue
            if outcome is None:
                self.feed.ack(self.group, event.id)
                continue
            held = _Held(outcome, event.id, delivery.count, is_counted)
            if not self._held:
                self._keep_at = self.clock.monotonic() + self.claim_after / 3
            self._held[held.place] = held
            insort(self._queues.setdefault(outcome.key, []), held, key=lambda each: each.order)

    def _leave_owed(self, key: str, place: str) -> None:
        """Until a version comes that can read it."""
        say_unreadable(key)
        self._unreadable.add(place)

    def _drop(self, held: _Held) -> None:
        del self._held[held.place]
        queue = self._queues[held.outcome.key]
        queue.remove(held)
        if not queue:
            del self._queues[held.outcome.key]

    def _finish(self, held: _Held) -> None:
        """It is dealt with: the next of its transfer may be tried."""
        self._drop(held)
        queue = self._queues.get(held.outcome.key)
        if queue and queue[0].outcome.version == held.outcome.version + 1:
            queue[0].is_free = True
            queue[0].metadata = held.metadata  # they never change

    def _keep(self) -> None:
        """Keep others from claiming what waits here, and forget what they claimed while a handler was slow."""
        now = self.clock.monotonic()
        if now < self._keep_at:
            return
        mine = self.feed.keep(self.group, self.consumer, list(self._held))
        for place in self._held.keys() - mine:
            self._drop(self._held[place])
        self._keep_at = now + self.claim_after / 3

    def _look(self) -> None:
        """What operators want replayed, and what other consumers left."""
        self._keep()
        now = self.clock.monotonic()
        if now >= self._look_at:
            replayed = self.feed.replay(self.group, self.consumer, most=_REPLAYED)
            self._add(replayed)
            if replayed:
                log_line(
                    _LOG.info,
                    "outcomes.replayed",
                    "Operators replay %(count)s outcomes of group %(group)s",
                    count=len(replayed),
                    group=self.group,
                )
            self._look_at = now + _LOOK_S
        room = _MOST_HELD - len(self._held)
        if now >= self._claim_at and room > 0:
            left = self.feed.owed(
                self.group,
                self.consumer,
                count=room,
                but=self._held.keys() | self._unreadable,
                idle_ms=int(self.claim_after * 1000),
            )
            self._add(left)
            self._claim_at = now + self.claim_after / 2

    def _room(self) -> int:
        """For how many more. Where it is full, those that wait for other consumers are left to be claimed anew."""
        if len(self._held) >= _MOST_HELD:
            waiting = [held for queue in self._queues.values() if queue[0].waits_s for held in queue]
            for held in waiting:
                self._drop(held)
        return _MOST_HELD - len(self._held)

    # Whose turn it is.

    def _ready(self) -> list[_Held]:
        now = self.clock.monotonic()
        firsts = (queue[0] for queue in self._queues.values())
        return sorted((held for held in firsts if held.due <= now), key=lambda held: held.order)[:_LOOKED_AT]

    def _next_s(self) -> float:
        """Until one that is held may be tried; `inf` where none will be."""
        now = self.clock.monotonic()
        return min((queue[0].due for queue in self._queues.values()), default=inf) - now

    def _block_ms(self) -> int:
        return _BLOCK_MS if self.idle is None else min(_BLOCK_MS, int(self.idle * 1000) - self._quiet_ms)

    def _in_turn(self, ready: list[_Held]) -> list[_Held]:
        """Those of which the outcome before was dealt with. Where that was set aside, this is set aside too."""
        ready = self._known(ready)
        asked = [held for held in ready if not held.is_free and held.outcome.version > 1]
        behind = [(held, held.before) for held in asked if held.before]
        turns = self.feed.turns(self.group, [(held.outcome.key, before) for held, before in behind]) if behind else []
        late = set()
        for (held, before), turn in zip(behind, turns, strict=True):
            if turn is Turn.READY:
                continue
            late.add(held.place)
            if turn is Turn.ASIDE:
                self._set_aside(held, behind=before)
            elif before in self._unreadable:
                held.due, held.waits_s = inf, _WAITS_S[1]  # until another version of this program reads that one
            else:
                held.waits_s = min(max(2 * held.waits_s, _WAITS_S[0]), _WAITS_S[1])
                held.due = self.clock.monotonic() + held.waits_s
        free = [held for held in ready if held.place not in late]
        for held in free:
            held.is_free, held.waits_s = True, 0.0
        return free

    def _known(self, ready: list[_Held]) -> list[_Held]:
        """Those of which the record is known; it is looked up here for those of which it was not."""
        unknown = [held for held in ready if held.metadata is None]
        found = self.feed.of_records([(held.outcome.key, held.place) for held in unknown]) if unknown else []
        for held, record in zip(unknown, found, strict=True):
            try:
                held.metadata, held.before = metadata.read(record.metadata), record.before
            except ValueError:
                self._drop(held)
                self._leave_owed(held.outcome.key, held.place)
        return [held for held in ready if held.metadata is not None]

    # The handler.

    def _deal_with(self, held: _Held) -> None:
        if not held.is_done:
            if not held.is_counted and held.deliveries >= self.set_aside_after:
                self._set_aside(held)
                return
            money = held.outcome.money
            if self.is_contradicted(held.outcome.key, held.outcome.state):
                money = Money.UNKNOWN
            if not self._is_counted(held):
                self._drop(held)  # another consumer dealt with it
                return
            outcome = replace(held.outcome, money=money, deliveries=held.deliveries, metadata=held.metadata or {})
            held.is_done = self._is_handled(held, outcome)
        if held.is_done:  # the ledger may be away now: the handler is not called again for it
            self.feed.ack(self.group, held.place)
            self._finish(held)
        elif held.deliveries >= self.set_aside_after:
            self._set_aside(held)
        else:
            held.due = self.clock.monotonic() + backoff_s(held.deliveries)

    def _is_counted(self, held: _Held) -> bool:
        """Count the delivery that comes now, before it comes: a process that dies at it is one that failed."""
        if held.is_counted:
            held.is_counted = False
            return True
        if not self.feed.count_delivery(self.group, self.consumer, held.place, held.deliveries + 1):
            return False
        held.deliveries += 1
        return True

    def _is_handled(self, held: _Held, outcome: Outcome) -> bool:
        try:
            answer = self.handler(outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of this transfer alone
            held.error, places = described(error)
            log_line(
                _LOG.warning,
                "outcome.failed",
                "The handler of group %(group)s failed at %(key)s, version %(version)s, delivery %(deliveries)s: "
                "%(error)s at %(places)s",
                group=self.group,
                key=outcome.key,
                version=outcome.version,
                deliveries=outcome.deliveries,
                error=held.error,
                places=", ".join(places),
            )
            return False
        if inspect.iscoroutine(answer):
            answer.close()
            raise WrongCall(_ASYNC)
        return True

    def _set_aside(self, held: _Held, *, behind: str = "") -> None:
        outcome = held.outcome
        aside = AsideOutcome(
            group=self.group,
            key=outcome.key,
            place=held.place,
            reference=outcome.reference,
            version=outcome.version,
            state=outcome.state,
            deliveries=0 if behind else held.deliveries,
            error="" if behind else held.error,
            is_behind=bool(behind),
            at_ms=self.clock.now_ms(),
        )
        put = self.feed.set_aside(self.consumer, aside, behind=behind)
        if put is SetAside.LATER:
            return
        self._drop(held)
        if put is SetAside.ASIDE:
            log_line(
                _LOG.error,
                "outcome.set_aside",
                "The outcome of %(key)s, version %(version)s, was set aside for group %(group)s, since %(why)s; "
                "`transfers outcomes list` shows it",
                key=outcome.key,
                version=outcome.version,
                group=self.group,
                why="an earlier one of the transfer is set aside" if behind else f"{held.deliveries} deliveries failed",
            )

    def _leave(self) -> None:
        taken = [held.place for held in self._held.values() if held.is_counted]
        others = [held.place for held in self._held.values() if not held.is_counted]
        self.feed.release(self.group, self.consumer, taken, count=0)  # they were taken, and not handed out
        self.feed.release(self.group, self.consumer, others)
        self.feed.leave(self.group, self.consumer)


_ASYNC = "run_outcomes calls its handler: give a function, and not an async one"


def run_outcomes(
    feed: Feed,
    clock: Clock,
    is_contradicted: Callable[[str, State], bool],
    pause: Callable[[float], None],
    handler: Handler,
    *,
    group: str,
    consumer: str | None,
    is_stopped: Callable[[], bool],
    idle: float | None,
    claim_after: float,
    set_aside_after: int,
) -> None:
    """As `Transfers.run_outcomes` says."""
    _check_handler(handler)
    if set_aside_after < _FEWEST_DELIVERIES:
        raise WrongCall(f"set_aside_after: give {_FEWEST_DELIVERIES} deliveries at least")
    check_names(group, consumer)
    feed.join(group)
    OutcomeConsumer(
        feed=feed,
        clock=clock,
        is_contradicted=is_contradicted,
        pause=pause,
        handler=handler,
        group=group,
        consumer=consumer or fresh_name(),
        leaves=consumer is None,
        idle=idle,
        claim_after=claim_after,
        set_aside_after=set_aside_after,
    ).run(is_stopped)


def _check_handler(handler: object) -> None:
    """Raises `WrongCall`. An async function would be called, and never run."""
    if not callable(handler) or inspect.iscoroutinefunction(handler):
        raise WrongCall(_ASYNC)
