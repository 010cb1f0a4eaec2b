"""A scenario: a few transfers and all actors that work on them, one step of one actor at a time.

`live` lets the seed choose who acts; `rest` takes all troubles away and lets time run until nothing is left to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from epay_transfers.ledger.states import FINAL, State
from epay_transfers.ledger.store import redis_keys
from tests.simulation.activities import Activities
from tests.simulation.bank import HORIZON_S
from tests.simulation.laws import Laws
from tests.simulation.people import Place
from tests.simulation.rollback import Rollback
from tests.simulation.vault_back import VaultBack
from tests.simulation.world import CALM, STRANDS

_JUMPS_S = (1, 1, 5, 5, 5, 15, 15, 61, 61, 61, 300, 300, 900, 3600, HORIZON_S)
#: How far off a machine's clock may be from one moment to the next. 0: it is right again.
_OFF_S = (0, 0, 1.5, -1.5, 90, -90, 7200, -7200, 3 * 86_400, -3 * 86_400)
_ENDED = FINAL | {State.NEEDS_REVIEW, State.DEAD}
_ROUNDS = 400
_MISSED = 100  #: so many rounds, and then a producer misses what is queued still, and brings its card again
_AT_ONCE = 2

Weights = Sequence[tuple[Callable[[str], None], float]]


@dataclass
class Scenario:
    place: Place
    laws: Laws
    activities: Activities
    rollback: Rollback | None = None
    vault_back: VaultBack | None = None
    _begun: int = 0

    def __post_init__(self) -> None:
        self.world = self.place.world
        self.world.time_passed = self._time_passed
        plain: Weights = [
            (self.activities.hear, 6),
            (self.activities.sweep, 5),
            (self.activities.read_inboxes, 4),
            (self.activities.keep_house, 1),
            (self.activities.enqueue, 2),
            (self.strike, 0.4),
            (self.set_a_clock, 0.6),
        ]
        asks: Weights = [(self.activities.wake_up, 7), (self.time_out, 0.3)]
        answers = (self.activities.answer_challenge, 9)
        by_state: dict[State | None, Weights] = {
            None: [(self.activities.enqueue, 30)],
            State.QUEUED: [*asks, (self.activities.enqueue, 4), (self.activities.cancel, 1)],
            State.SENDING: [(self.activities.sweep, 8), *asks],
            State.PARKED: [answers, *asks, (self.activities.cancel, 1)],
            State.RESUMED: [*asks, answers],
            State.CONFIRMING: [(self.activities.sweep, 8), *asks],
            State.IN_DOUBT: [*asks, (self.activities.operate, 0.5)],
            State.PAID: [(self.activities.operate, 1)],
            State.NEEDS_REVIEW: [*asks, (self.activities.operate, 6)],
            State.DEAD: [*asks, (self.activities.operate, 12), (self.activities.cancel, 1)],
        }
        self._weights = {state: [*plain, *by_state.get(state, [])] for state in (None, *State)}

    # A life.

    def live(self, ticks: int) -> None:
        """At each tick somebody begins, somebody who is under way goes on, or time passes."""
        world = self.world
        for _ in range(ticks):
            if world.chance(0.1):
                self.let_time_pass()
            elif world.strands and (len(world.strands) >= STRANDS or world.chance(0.65)):
                world.go_on(world.dice.choice(world.strands))
            else:
                self._somebody_begins()
            for fault in self._faults():
                fault.maybe()
        world.end_all()
        for fault in self._faults():
            fault.now_or_never()

    def _faults(self) -> list[Rollback | VaultBack]:
        return [fault for fault in (self.rollback, self.vault_back) if fault]

    def _somebody_begins(self) -> None:
        """Somebody who has to do with one of the transfers, as it is now."""
        key = self.any_key()
        activities, weights = zip(*self._weights[self.laws.states.get(key)], strict=True)
        (activity,) = self.world.dice.choices(activities, weights)
        self._begun += 1
        self.world.begin(f"{self._begun} {activity.__name__}", lambda: activity(key))

    def lose_who_knows(self) -> None:
        """Workers and producers that were told what the ledger has forgotten are mostly gone; the idle ones live."""
        sequence = int(self.place.ledger.line.one("HGET", redis_keys.COUNTERS, "sequence") or 0)
        told = [(each.process, each.ledger) for each in self.activities.workers.values()]
        told += [(process, transfers._context.ledger) for process, transfers in self.activities.producers.values()]
        for process, ledger in told:
            if not process.dead and ledger.seen > sequence and self.world.chance(0.8):
                self.world.kill(process)
        idle = sum(not each.process.dead and each.ledger.seen <= sequence for each in self.activities.workers.values())
        self.world.counts["idle workers that the ledger went back under"] += idle

    def any_key(self) -> str:
        """Mostly of one that is not over: there are a few at a time, and the others come when these are over."""
        states = self.laws.states
        over = [key for key in self.activities.intents if key in states and states[key].final]
        rest = [key for key in self.activities.intents if key not in over][:_AT_ONCE]
        return self.world.dice.choice(over if over and (not rest or self.world.chance(0.05)) else rest)

    def rest(self) -> None:
        """No more troubles, and an operator who has read the runbook. Then everybody must come to an end."""
        self.world.weather = CALM
        self.world.set_all_clocks_right()
        self.place.ledger.away_until_ms = self.place.vault.away_until_ms = 0
        if self.vault_back and self.vault_back.is_behind:
            self._restart_the_vault(self.vault_back)
        if self.rollback and self.rollback.has_happened:
            self._mend(self.rollback)
        for number in range(_ROUNDS):
            if self.rollback and self.place.ledger.line.one("EXISTS", redis_keys.PAUSES):
                self._mend(self.rollback)
            if number == _MISSED:
                for name in self.activities.intents:
                    self.activities.bring_card(name)
            while self.place.queue.messages:
                self.activities.hear()
            self.activities.keep_house()
            self.activities.read_inboxes()
            self.activities.sweep()
            records = [record for name in self.activities.intents if (record := self.activities.peek(name))]
            if not self.place.queue.messages:
                if all(record.state in _ENDED for record in records) and not self.place.books.late:
                    return
                self._to_the_next(at_least_s=1.0 if number < _MISSED else 1800.0)
        raise AssertionError("it does not come to an end")

    def ask_once_more(self) -> None:
        """A day later, the bank is asked about those who are held."""
        self.let_pass(86_400 + 60)
        self.rest()

    def _to_the_next(self, at_least_s: float) -> None:
        due = self.place.ledger.line.one("ZRANGE", redis_keys.DUE, 0, 0, "WITHSCORES")
        first_s = (int(float(due[1])) - self.world.clock.now_ms()) / 1000 if due else 600.0
        self.let_pass(max(first_s, at_least_s))

    def _mend(self, rollback: Rollback) -> None:
        """What the runbook says of a ledger that went back.

        Everybody is stopped, since who saw it sends nothing any more; it counts on from beyond what anybody saw. What
        is dead in it, and known to the bank, is discarded. Each transfer that it forgot and whose card was taken out
        stops all once more, when its take meets the tombstone.
        """
        for process in (*(each.process for each in self.activities.workers.values()), *self.activities.backends()):
            self.world.kill(process)
        ledger, vault = self.place.ledger.line, self.place.vault.line
        seen = max(
            int(vault.one("GET", redis_keys.HIGH_WATER) or 0),
            int(ledger.one("HGET", redis_keys.COUNTERS, "sequence") or 0),
        )
        ledger.one("HSET", redis_keys.COUNTERS, "sequence", seen + 1000)
        ledger.one("DEL", redis_keys.PAUSES)
        vault.one("DEL", redis_keys.KEPT_PAUSES)
        for name in sorted(self.laws.dead_before):
            self.activities.discard(name)
        if rollback.leaves_idle_workers:
            for name in self.activities.intents:  # producers bring again what they were never told the end of
                self.activities.enqueue(name)

    def _restart_the_vault(self, vault_back: VaultBack) -> None:
        """Who looks after the vault is called, by any worker that looks at it for two minutes; and restarts it."""
        worker = self.activities.worker()
        for _ in range(3):
            if worker:
                worker.keep_house()
            self.let_pass(61)
        if not vault_back.is_behind:
            return  # its operator came before anyone noticed: it would have grown level, which is not promised
        told = [entry[1] for entry in self.place.ledger.line.one("XRANGE", redis_keys.EVENTS, "-", "+")]
        self.laws._must(any("vault_went_back" in entry for entry in told), "the vault went back, and no alarm says so")
        vault_back.operator_restarts()

    # Time and trouble.

    def let_time_pass(self) -> None:
        seconds = self.world.dice.choice(_JUMPS_S)
        if self.world.may_pass(seconds):
            self.let_pass(seconds)

    def let_pass(self, seconds: float) -> None:
        self.world.tell("time passes:", seconds)
        self.world.pass_time(seconds)

    def _time_passed(self) -> None:
        self.place.vault.time_out()
        self.place.books.arrive()

    def time_out(self, key: str) -> None:
        """A blob goes before its time: a server's clock is not this world's."""
        self.place.vault.drop(self.world.dice.choice((redis_keys.card(key), redis_keys.pares(key))))

    def set_a_clock(self, _key: str = "") -> None:
        """A machine's clock jumps, or is set right again."""
        self.world.set_a_clock(int(self.world.dice.choice(_OFF_S) * 1000))

    def strike(self, _key: str = "") -> None:
        """A server is away for a while, the vault has forgotten everything, the queue is gone, the bank gives back."""
        dice, now = self.world.dice, self.world.clock.now_ms()
        trouble = dice.choice(("ledger", "vault", "queue", "vault forgets", "bank gives back"))
        self.world.tell("TROUBLE:", trouble)
        match trouble:
            case "ledger":
                self.place.ledger.away_until_ms = now + dice.choice((2_000, 30_000, 400_000))
            case "vault":
                self.place.vault.away_until_ms = now + dice.choice((2_000, 30_000, 400_000))
            case "queue":
                self.place.queue.messages.clear()
            case "vault forgets" if self.rollback is None:
                self.place.vault.restart()
            case _:
                self.place.books.give_back()
