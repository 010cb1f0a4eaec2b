"""The world of a simulation: one seed throws all dice, one clock is everybody's, and anybody may die between two steps.

Whoever is about to take a step asks the world first (`before`) and comes back after it (`after`). There the seed may let
time pass, let somebody else act in between, or end the process: which refuses every further step, as the dead do.
"""

import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import FakeClock

#: How deep activities may stand in one another: this one between two steps of that one between two steps of a third.
DEPTH = 3

#: How long one activity may be kept waiting in all. A request that was begun arrives before the horizon of doubt.
PATIENCE_S = 1500.0

_PAUSES_S = (0.001, 0.001, 0.3, 2, 6, 6, 20, 61, 61, 300)


class Crashed(BaseException):
    """The process was killed. Nobody catches this but the world; who does something all the same, is refused."""


@dataclass(slots=True)
class Process:
    name: str
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each trouble is, at each step."""

    crash: float
    unheard: float  #: a command does not reach its server
    unanswered: float  #: its reply does not come back
    others: float  #: somebody else acts first
    pause: float
    silence: float  #: at the bank: each of the ways in which an answer can be lost

    @classmethod
    def throw(cls, dice: random.Random) -> "Weather":
        """Each seed has a weather of its own: where everything fails always, nothing gets far."""
        return cls(
            crash=dice.choice((0, 0.005, 0.02, 0.04)),
            unheard=dice.choice((0, 0.005, 0.02)),
            unanswered=dice.choice((0, 0.01, 0.04)),
            others=dice.choice((0.05, 0.15, 0.3)),
            pause=dice.choice((0, 0.02, 0.08)),
            silence=dice.choice((0.02, 0.1, 0.2)),
        )


CALM = Weather(0, 0, 0, 0, 0, 0)


class World:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311 - the same seed is to be the same world
        self.clock = FakeClock()
        self.weather = Weather.throw(self.dice)
        self.somebody: Callable[[], None] = lambda: None  #: lets one of all who live here act
        self.time_passed: Callable[[], None] = lambda: None
        self.depth = 0
        self.steps = 0
        self._waited_s = 0.0
        self._told: deque[tuple[Any, ...]] = deque(maxlen=4000)

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    # Steps.

    def before(self, process: Process) -> None:
        self.steps += 1
        self._alive(process)
        self._trouble(process)
        self._alive(process)

    def after(self, process: Process) -> None:
        self._trouble(process)
        self._alive(process)

    def act(self, name: str, activity: Callable[[], object]) -> None:
        """One activity from its begin to its end, or to its process' death."""
        if self.depth == 0:
            self._waited_s = 0.0
        self.tell("does", name)
        self.depth += 1
        try:
            activity()
        except Crashed:
            pass
        finally:
            self.depth -= 1

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.time_passed()

    def wait(self, process: Process, seconds: float) -> None:
        """A pause that the program itself makes."""
        self.pass_time(seconds)
        self.before(process)

    def kill(self, process: Process) -> None:
        process.dead = True
        self.tell("is killed", process.name)

    def _trouble(self, process: Process) -> None:
        weather, throw = self.weather, self.dice.random()
        if throw < weather.crash:
            self.kill(process)
        elif throw < weather.crash + weather.others:
            if self.depth < DEPTH:
                self.somebody()
        elif throw < weather.crash + weather.others + weather.pause:
            pause_s = self.dice.choice(_PAUSES_S)
            if self._waited_s + pause_s < PATIENCE_S:
                self._waited_s += pause_s
                self.pass_time(pause_s)

    def _alive(self, process: Process) -> None:
        if process.dead:
            raise Crashed

    # What happened, for who has to understand it.

    def tell(self, *what: Any) -> None:
        self._told.append((self.clock.now_ms(), self.depth, *what))

    def story(self) -> str:
        begin = self._told[0][0] if self._told else 0
        lines = [f"{(at - begin) / 1000:>10.3f} {'    ' * depth}{_shown(what)}" for at, depth, *what in self._told]
        return "\n".join(lines)


def _shown(what: list[Any]) -> str:
    return " ".join(_command(part) if isinstance(part, tuple) else str(part) for part in what)[:400]


def _command(command: tuple[Any, ...]) -> str:
    """A script's call as its verb and its key, where it is one that moves a transfer."""
    texts = [str(word) for word in command]
    for text in texts:
        if text.startswith('{"'):
            said = json.loads(text)
            more = {name: said[name] for name in ("set", "due") if name in said}
            return f"{texts[0]} {said.get('verb', '')} {said.get('key', '')} e{said.get('epoch', '')} {more}"
    return " ".join(text.removeprefix("transfers:{t}:")[:60] for text in texts)
