"""The world of a simulation: one seed throws all dice, and anybody may die between two steps. The world's time is the
servers'; each process has a machine of its own, whose clock may be off.

Who acts is a strand. Exactly one strand runs at any moment, and it hands over at a step only, where the seed says so:
threads carry the strands, since Python has no other way to put a plain call aside, but none ever runs beside another.
Who is about to take a step asks the world first (`before`) and comes back after it (`after`): there time may pass,
somebody else may go on, or the process ends, which refuses every further step, as the dead do.
"""

import json
import random
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.clocks import FakeClock, MachineClock

#: How many strands may be under way at once.
STRANDS = 4

#: How long a strand may be kept waiting. A request that was begun arrives before the horizon of doubt.
PATIENCE_S = 1500.0

#: How long a worker's lease is: a process that stands still for longer wakes without one.
LEASE_S = 60


class Crashed(BaseException):
    """The process was killed. Nobody catches this but the strand; who does something all the same, is refused."""


@dataclass(slots=True)
class Process:
    name: str
    clock: MachineClock
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each trouble is, at each step."""

    crash: float
    unheard: float  #: a command does not reach its server
    unanswered: float  #: its reply does not come back
    others: float  #: somebody else goes on first
    silence: float  #: at the bank: each of the ways in which an answer can be lost
    lacking: float  #: the ledger's replica has not what was written, and a worker that waits for it gives up

    @classmethod
    def throw(cls, dice: random.Random) -> "Weather":
        """Each seed has a weather of its own: where everything fails always, nothing gets far."""
        return cls(
            crash=dice.choice((0, 0.005, 0.02, 0.04)),
            unheard=dice.choice((0, 0.005, 0.02)),
            unanswered=dice.choice((0, 0.01, 0.04)),
            others=dice.choice((0.1, 0.25, 0.5)),
            silence=dice.choice((0.05, 0.15, 0.3)),
            lacking=dice.choice((0, 0, 0.1, 0.4)),
        )


CALM = Weather(0, 0, 0, 0, 0, 0)


class Strand:
    """One activity, which can be put aside at any of its steps."""

    def __init__(self, name: str, activity: Callable[[], object], now_s: float) -> None:
        self.name = name
        self.begun_s = now_s
        self.is_over = False
        self.error: Exception | None = None
        self._activity = activity
        self._its_turn, self._our_turn = threading.Lock(), threading.Lock()  # each is released by the other side
        self._its_turn.acquire()
        self._our_turn.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Until it is over or puts itself aside. What went wrong in it is raised here."""
        self._its_turn.release()
        self._our_turn.acquire()
        if self.is_over:
            self._thread.join()
        if self.error:
            raise self.error

    def put_aside(self) -> None:
        self._our_turn.release()
        self._its_turn.acquire()

    def _run(self) -> None:
        self._its_turn.acquire()
        try:
            self._activity()
        except Crashed:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised again where the world goes on
            self.error = error
        self.is_over = True
        self._our_turn.release()


class World:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311 - the same seed is to be the same world
        self.clock = FakeClock()
        self.weather = Weather.throw(self.dice)
        self.time_passed: Callable[[], None] = lambda: None
        self.steps = 0
        self.counts: Counter[str] = Counter()  #: how many of each trouble there were, and what came of them
        self.strands: list[Strand] = []
        self._now: Strand | None = None
        self._processes: list[Process] = []
        self._nobody = Process("", MachineClock(self.clock))
        self._told: deque[tuple[Any, ...]] = deque(maxlen=4000)

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    # Strands.

    def begin(self, name: str, activity: Callable[[], object]) -> None:
        self.strands.append(Strand(name, activity, self.clock.monotonic()))
        self.go_on(self.strands[-1])

    def go_on(self, strand: Strand) -> None:
        self._now = strand
        try:
            strand.go_on()
        finally:
            self._now = None
            if strand.is_over:
                self.strands.remove(strand)

    def end_all(self) -> None:
        """Who is under way goes on to its end, or dies, as the dice say."""
        while self.strands:
            if self.chance(0.1):
                self.kill(
                    self.dice.choice([process for process in self._processes if not process.dead] or [self._nobody])
                )
            self.go_on(self.dice.choice(self.strands))

    def abandon(self) -> None:
        """The simulation is over, however it ended: nobody is left behind."""
        for process in self._processes:
            process.dead = True
        for strand in list(self.strands):
            strand.error = None
            self.go_on(strand)

    # CardSteps.

    def process(self, name: str) -> Process:
        """Its clock is right when it starts: it would not start else."""
        self._processes.append(Process(name, MachineClock(self.clock)))
        return self._processes[-1]

    def set_a_clock(self, off_ms: int) -> None:
        """Of one of those that live."""
        alive = [process for process in self._processes if not process.dead]
        if alive:
            process = self.dice.choice(alive)
            process.clock.off_ms = off_ms
            self.counts["clocks set wrong" if off_ms else "clocks set right"] += 1
            self.tell("the clock of", process.name, "is off by", off_ms / 1000)

    def set_all_clocks_right(self) -> None:
        for process in self._processes:
            process.clock.off_ms = 0

    def before(self, process: Process) -> None:
        self.steps += 1
        self._alive(process)
        self._trouble(process)

    def after(self, process: Process) -> None:
        self._trouble(process)

    def wait(self, process: Process, seconds: float) -> None:
        """A pause that the program itself makes."""
        self._alive(process)
        self.pass_time(seconds)
        self.before(process)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.time_passed()

    def may_pass(self, seconds: float) -> bool:
        """Has everybody who is under way the patience for it?"""
        until = self.clock.monotonic() + seconds
        return all(until - strand.begun_s < PATIENCE_S for strand in self.strands)

    def kill(self, process: Process) -> None:
        process.dead = True
        self.counts["processes killed"] += 1
        self.tell("is killed:", process.name)

    def _trouble(self, process: Process) -> None:
        throw = self.dice.random()
        if throw < self.weather.crash:
            self.kill(process)
        elif throw < self.weather.crash + self.weather.others and self._now:
            since = self.clock.monotonic()
            self._now.put_aside()
            self.counts["sleeps longer than a lease"] += self.clock.monotonic() - since > LEASE_S
        self._alive(process)

    def _alive(self, process: Process) -> None:
        if process.dead:
            raise Crashed

    # What happened, for who has to understand it.

    def tell(self, *what: Any) -> None:
        self._told.append((self.clock.now_ms(), self._now.name if self._now else "", *what))

    def story(self) -> str:
        begin = self._told[0][0] if self._told else 0
        return "\n".join(
            f"{(at - begin) / 1000:>10.3f}  {strand:<22} {_shown(what)}" for at, strand, *what in self._told
        )


def _shown(what: list[Any]) -> str:
    return " ".join(_command(part) if isinstance(part, tuple) else str(part) for part in what)[:400]


def _command(command: tuple[Any, ...]) -> str:
    """A script's call as its verb and its key, where it is one that moves a transfer."""
    texts = [str(word) for word in command]
    for text in texts:
        if text.startswith('{"'):
            said = json.loads(text)
            more = {name: said[name] for name in ("set", "set_in", "due", "due_in") if name in said}
            return f"{texts[0]} {said.get('verb', '')} {said.get('key', '')} e{said.get('epoch', '')} {more}"
    return " ".join(text.removeprefix("transfers:{t}:")[:60] for text in texts)
