"""A town: a few transfers, and everybody who has to do with them, one at a time and in between one another.

`live` lets the seed choose who acts; `rest` takes all troubles away and lets time run until nothing is left to do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ledger import keys
from ledger.doorbell import bell_of
from ledger.errors import TransfersError
from ledger.record import Record
from ledger.states import FINAL, State, Verb
from producers import PanCard, SavedCard, TransferIntent, Transfers
from producers import Receiver as IntentReceiver
from tests.simulation.bank import HORIZON_S, NO, YES
from tests.simulation.laws import Laws
from tests.simulation.people import Place, WorkerProcess, start_producer, start_worker
from tests.simulation.rollback import Rollback
from tests.simulation.world import CALM, STRANDS, Process

_WORKERS = 2
_JUMPS_S = (1, 1, 5, 5, 5, 15, 15, 61, 61, 61, 300, 300, 900, 3600, HORIZON_S)
_BACK = {Verb.SETTLE_PAID: "paid", Verb.SETTLE_REVERSED: "given_back"}
_ENDED = FINAL | {State.HELD, State.DEAD}
_ROUNDS = 400
_AT_ONCE = 2
_ACTORS = ("execute", "confirm", "inquire")


Weights = list[tuple[Callable[[str], None], float]]


@dataclass
class Town:
    place: Place
    laws: Laws
    intents: dict[str, TransferIntent]  #: by key
    rollback: Rollback | None = None
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    producers: dict[str, tuple[Process, Transfers]] = field(default_factory=dict)
    mds: list[tuple[str, str]] = field(default_factory=list)
    _begun: int = 0

    def __post_init__(self) -> None:
        self.world = self.place.world
        self.world.time_passed = self._time_passed
        plain = [(self.hear, 6), (self.sweep, 5), (self.keep_house, 1), (self.enqueue, 2), (self.strike, 0.4)]
        asks, answers = [(self.ring, 7), (self.time_out, 0.3)], (self.answer_challenge, 9)
        by_state: dict[State | None, Weights] = {
            None: [(self.enqueue, 30)],
            State.QUEUED: [*asks, (self.enqueue, 4), (self.cancel, 1)],
            State.SENDING: [(self.sweep, 8), *asks],
            State.PARKED: [answers, *asks, (self.cancel, 1)],
            State.RESUMED: [*asks, answers],
            State.CONFIRMING: [(self.sweep, 8), *asks],
            State.IN_DOUBT: asks,
            State.HELD: [*asks, (self.operate, 6)],
            State.DEAD: [*asks, (self.operate, 12), (self.cancel, 1)],
        }
        self._activities = {state: [*plain, *by_state.get(state, [])] for state in (None, *State)}

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
            if self.rollback:
                self.rollback.maybe()
        world.end_all()
        if self.rollback:
            self.rollback.now_or_never()

    def _somebody_begins(self) -> None:
        """Somebody who has to do with one of the transfers, as it is now."""
        key = self.any_key()
        activities, weights = zip(*self._activities[self.laws.states.get(key)], strict=True)
        (activity,) = self.world.dice.choices(activities, weights)
        self._begun += 1
        self.world.begin(f"{self._begun} {activity.__name__}", lambda: activity(key))

    def any_key(self) -> str:
        """Mostly of one that is not over: there are a few at a time, and the others come when these are over."""
        states = self.laws.states
        over = [key for key in self.intents if key in states and states[key].final]
        rest = [key for key in self.intents if key not in over][:_AT_ONCE]
        return self.world.dice.choice(over if over and (not rest or self.world.chance(0.05)) else rest)

    def rest(self) -> None:
        """No more troubles, and an operator who has read the runbook. Then everybody must come to an end."""
        self.world.weather = CALM
        self.place.ledger.away_until_ms = self.place.vault.away_until_ms = 0
        if self.rollback and self.rollback.has_happened:
            self._mend()
        for _ in range(_ROUNDS):
            while self.place.street.rings:
                self.hear()
            self.keep_house()
            self.sweep()
            records = [record for name in self.intents if (record := self.peek(name))]
            if not self.place.street.rings:
                if all(record.state in _ENDED for record in records) and not self.place.books.late:
                    return
                self._to_the_next()
        raise AssertionError("it does not come to an end")

    def ask_once_more(self) -> None:
        """A day later, the bank is asked about those who are held."""
        self.let_pass(86_400 + 60)
        self.rest()

    def _to_the_next(self) -> None:
        due = self.place.ledger.line.one("ZRANGE", keys.DUE, 0, 0, "WITHSCORES")
        first_s = (int(float(due[1])) - self.world.clock.now_ms()) / 1000 if due else 600.0
        self.let_pass(max(first_s, 1.0))

    def _mend(self) -> None:
        """What the runbook says of a ledger that went back: count on from beyond the mark, then open the lanes."""
        mark = int(self.place.vault.line.one("GET", keys.HIGH_WATER) or 0)
        seen = max([mark, *(worker.ledger.seen for worker in self.workers.values())])
        self.place.ledger.line.one("HSET", keys.COUNTERS, "sequence", seen + 1000)
        self.place.ledger.line.one("DEL", keys.LANES)

    # Workers.

    def hear(self, _key: str = "") -> None:
        """A message, not always the oldest; now and then it is heard again."""
        rings, dice = self.place.street.rings, self.world.dice
        if not rings:
            return
        at = dice.randrange(len(rings)) if self.world.weather.others else 0
        _, actor, key = rings[at]
        if self.world.weather is CALM or dice.random() < 0.9:
            del rings[at]
        worker = self.worker()
        if worker:
            worker.hear(actor, key)

    def ring(self, key: str) -> None:
        """One more ring for somebody who is at it, or waits; now and then one that makes no sense."""
        record, worker = self.peek(key), self.worker()
        bell = bell_of(record) if record else None
        if worker and record:
            worker.hear(bell.actor if bell and self.world.chance(0.9) else self.world.dice.choice(_ACTORS), key)

    def sweep(self, _key: str = "") -> None:
        worker = self.worker()
        if worker:
            self._let(worker.worker.sweeper.run_once)

    def keep_house(self, _key: str = "") -> None:
        worker = self.worker()
        if worker:
            self._let(worker.housekeeper.run_once)

    def worker(self) -> WorkerProcess | None:
        """One of them; one that was killed is started anew. None: it did not come up."""
        name = f"worker-{self.world.dice.randrange(_WORKERS)}"
        known = self.workers.get(name)
        if known is None or known.process.dead:
            self.workers.pop(name, None)
            try:
                self.workers[name] = start_worker(self.place, name)
            except TransfersError:
                return None
        return self.workers[name]

    # Producers.

    def enqueue(self, key: str) -> None:
        """A new intent, or one that is known: nobody remembers whether it was answered."""
        intent = self.intents[key]
        self._let(lambda: self.transfers("backend").enqueue(intent))

    def cancel(self, key: str) -> None:
        self._let(lambda: self.transfers("backend").cancel(key, reason="not wanted"))

    def answer_challenge(self, key: str) -> None:
        """The client's browser opens the bank's page; then, or later, it comes back, and may say another word than before."""
        dice, web, record = self.world.dice, self.transfers("web"), self.peek(key)
        if record and record.state is State.PARKED:
            self._let(lambda: self._open_page(web, record.handle))
        if self.mds:
            handle, md = dice.choice(self.mds[-3:])
            said = YES if dice.random() < 0.8 else NO
            self._let(lambda: web.confirm(md=md, pa_res=said, handle=dice.choice((handle, None))))

    def _open_page(self, web: Transfers, handle: str) -> None:
        challenge = web.challenge(handle)
        if challenge and (handle, challenge.md) not in self.mds:
            self.mds.append((handle, challenge.md))

    def transfers(self, name: str) -> Transfers:
        known = self.producers.get(name)
        if known is None or known[0].dead:
            known = self.producers[name] = start_producer(self.place, name)
        return known[1]

    # Operators.

    def operate(self, key: str) -> None:
        """Requeue or discard the dead, inquire, or settle the held by the bank's own books."""
        record = self.peek(key)
        if record is None:
            return
        now = self.world.clock.now_ms()
        if record.state is State.DEAD:
            asked = self.world.dice.choice(("requeue", "requeue", "discard"))
            self._move(record, Verb.ASK, due=now, fields={"asked": asked, "rings": 0})
        elif record.state is State.HELD:
            account = self.place.books.account(record.key)
            is_over = not account.under_way and now >= record.doubted + HORIZON_S * 1000
            for verb, word in _BACK.items():
                if account.word == word:
                    self._move(record, verb)
            if account.word in {"unheard", "rejected"} and is_over:
                self._move(record, Verb.SETTLE_NOT_PAID)

    def _move(self, record: Record, verb: Verb, **details: object) -> None:
        ledger = self.transfers("backend")._parts.ledger
        self._let(lambda: ledger.move(record, verb, actor="operator", **details))

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
        self.place.vault.drop(self.world.dice.choice((keys.card(key), keys.pares(key))))

    def strike(self, _key: str = "") -> None:
        """A server is away for a while, the vault has forgotten everything, the queue is gone, or the bank gives back."""
        dice, now = self.world.dice, self.world.clock.now_ms()
        trouble = dice.choice(("ledger", "vault", "queue", "vault forgets", "bank gives back"))
        self.world.tell("TROUBLE:", trouble)
        match trouble:
            case "ledger":
                self.place.ledger.away_until_ms = now + dice.choice((2_000, 30_000, 400_000))
            case "vault":
                self.place.vault.away_until_ms = now + dice.choice((2_000, 30_000, 400_000))
            case "queue":
                self.place.street.rings.clear()
            case "vault forgets" if self.rollback is None:
                self.place.vault.line.one("FLUSHDB")
            case _:
                self.place.books.give_back()

    def peek(self, key: str) -> Record | None:
        """As the ledger has it, and without a step."""
        flat = self.place.ledger.line.one("HGETALL", keys.record(key))
        raw = dict(zip(flat[::2], flat[1::2], strict=True))
        return Record.from_hash(raw) if raw else None

    def _let(self, call: Callable[[], object]) -> None:
        """What goes wrong for want of a server, or is refused, is no bug: whoever asked comes again."""
        try:
            answer = call()
        except TransfersError as error:
            self.world.tell("is told", type(error).__name__)
        else:
            self.world.tell("is told", answer)


def intent(number: int, urgency: str, now_ms: int) -> TransferIntent:
    """A client's, whose card lives a quarter of an hour; or a payout, which has two hours."""
    is_now = urgency == "now"
    card = PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov")
    deadline = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(hours=2)
    return TransferIntent(
        reference=f"payout-{number}",
        invoice_id=f"26112400000{number}",
        amount=100 + number,
        description="Payout",
        sender=card if is_now else SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        receiver=IntentReceiver(number="5522042705066736"),
        urgency=urgency,
        deadline=None if is_now else deadline,
    )
