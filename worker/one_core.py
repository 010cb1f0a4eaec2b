"""The worker keeps all its threads on one core, and moves them when others take that core while another is idle.

Python runs one thread of a process at a time. A thread that hands the interpreter on to one on another core wakes that
core by an interrupt, which is dear, in a virtual machine most of all; on one core the same work takes a third less CPU
(docs/capacity.md). Nothing but cost depends on it: where the system has no such thing, or forbids it, nothing happens.

What others take of each core the system counts. Besides, the workers of a machine tell each other where they are, so
that two that have nothing to do yet are not on one core: each holds a socket that is named after its core. Where they
do not see each other's, as in two containers, what they take of a core shows once they have something to do.
"""

import errno
import logging
import os
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from epay_transfers.ledger.clock import Clock

_LOG = logging.getLogger(__name__)

#: Shares of a core. So much better another one must be; so much another worker on it counts, though it be idle; and
#: what differs by so little is alike.
_MARGIN = 0.25
_NEIGHBOUR = 0.3
_ALIKE = 0.05

#: Seconds from one look to the next, and to a second look where the first one found a better core. Chance doubles them
#: at the most: so two workers that found the same core idle do not both go there, and back again.
_EACH_S = 3.0
_AGAIN_S = 0.5

#: Ticks of a core (1/100 s) below which a look says nothing.
_FEWEST_TICKS = 20

#: The name of the socket of a core, in the abstract namespace: no file, and gone with its process.
NAME = "\0epay-transfers worker on core "

#: Threads that were started while others were moved are found in the next of so many passes.
_PASSES = 10

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one core, in ticks since the machine's start."""

    busy: int
    all: int


def better_core(taken: Mapping[int, float], neighbours: Collection[int], here: int, chance: Callable[[], float]) -> int:
    """The core to be on: `here`, unless another is better by more than a margin.

    `taken`: by core, which share of it others took, from 0 to 1. `neighbours`: the cores that other workers are on.
    `chance`: from 0 to below 1; it chooses among those that are alike, or all workers would go to the same one.
    """
    costs = {core: share + _NEIGHBOUR * (core in neighbours) for core, share in taken.items()}
    least = min(costs.values(), default=0.0)
    if costs.get(here, 0.0) - least <= _MARGIN:
        return here
    alike = sorted(core for core, cost in costs.items() if cost <= least + _ALIKE)
    return alike[int(chance() * len(alike))]


def taken_of(before: Mapping[int, Counts], after: Mapping[int, Counts]) -> dict[int, float]:
    """Which share of each core was taken between two counts; a core that was off for a while is left out."""
    shares = {}
    for core in before.keys() & after.keys():
        ticks = after[core].all - before[core].all
        if ticks >= _FEWEST_TICKS:
            shares[core] = min(max((after[core].busy - before[core].busy) / ticks, 0.0), 1.0)
    return shares


class Place(Protocol):
    """A core that this worker is on, as other workers see it."""

    def close(self) -> None: ...


class Machine(Protocol):
    """What a worker asks of its machine. Each may raise `OSError`."""

    def may_use(self) -> frozenset[int]:
        """The cores that the process may run on, by its main thread; none where the system does not say."""

    def runs_on(self) -> int:
        """The core that the system has put the process on."""

    def bind(self, core: int) -> None:
        """All threads of the process on this core; threads that they start are there, too."""

    def counts(self) -> dict[int, Counts]: ...

    def own_ticks(self) -> float:
        """What this process has used of all cores."""

    def take_place(self, core: int) -> Place | None:
        """None: another worker has it."""

    def is_taken(self, core: int) -> bool:
        """Does a worker have it?"""


class OneCore:
    """For one thread at a time."""

    def __init__(self, machine: Machine, clock: Clock, chance: Callable[[], float]) -> None:
        """`chance`: from 0 to below 1, another one each time."""
        self._machine = machine
        self._clock = clock
        self._chance = chance
        self._cores: frozenset[int] = frozenset()
        self._core: int | None = None
        self._place: Place | None = None
        self._counts: dict[int, Counts] = {}
        self._own_ticks = 0.0
        self._next_look = 0.0
        self._doubts = False  #: the last look found a better core

    def settle(self) -> None:
        """On the core where the system has put the process, or on one that no other worker has. At the start."""
        with self._unless_forbidden():
            self._settle()

    def look(self) -> None:
        """Is another core better? It may be called as often as one likes."""
        if self._core is not None and self._clock.monotonic() >= self._next_look:
            with self._unless_forbidden():
                self._look(self._core)

    def _settle(self) -> None:
        self._cores = self._machine.may_use()
        if len(self._cores) < 2:
            return
        here = self._machine.runs_on()
        others = sorted(self._cores - {here}, key=lambda _core: self._chance())
        for core in ([here] if here in self._cores else []) + others:
            if place := self._machine.take_place(core):
                self._go(core, place)
                return
        self._go(here if here in self._cores else others[0], None)

    def _look(self, here: int) -> None:
        cores = self._machine.may_use()
        if cores != {here}:  # an operator bound it otherwise, or its container has other cores now
            self._leave()
            self._settle()
            return
        if self._place is None:
            self._place = self._machine.take_place(here)
        neighbours = {core for core in self._cores - {here} if self._machine.is_taken(core)}
        neighbours |= set() if self._place else {here}
        there = better_core(self._taken(here), neighbours, here, self._chance)
        if there == here or not self._doubts:
            self._rest(doubts=there != here)
            return
        place = self._machine.take_place(there)
        if place is None and there not in neighbours:
            self._rest(doubts=False)  # another worker was quicker
            return
        _LOG.info("core.moved", extra={"core": there, "from_core": here})
        self._go(there, place)

    def _taken(self, here: int) -> dict[int, float]:
        """By others, since the last look."""
        before, own_before = self._counts, self._own_ticks
        self._counts, self._own_ticks = self._machine.counts(), self._machine.own_ticks()
        taken = {core: share for core, share in taken_of(before, self._counts).items() if core in self._cores}
        if here in taken:
            ticks = self._counts[here].all - before[here].all
            taken[here] = max(taken[here] - (self._own_ticks - own_before) / ticks, 0.0)
        return taken

    def _go(self, core: int, place: Place | None) -> None:
        before, self._place = self._place, place
        if before:
            before.close()
        self._counts, self._own_ticks = self._machine.counts(), self._machine.own_ticks()  # else it could never look
        self._machine.bind(core)
        if self._core is None:
            _LOG.info("core.taken", extra={"core": core})
        self._core = core
        self._rest(doubts=False)

    def _rest(self, *, doubts: bool) -> None:
        self._doubts = doubts
        self._next_look = self._clock.monotonic() + (_AGAIN_S if doubts else _EACH_S) * (1 + self._chance())

    def _leave(self) -> None:
        if self._place:
            self._place.close()
        self._core = self._place = None

    @contextmanager
    def _unless_forbidden(self) -> Iterator[None]:
        """Where the system refuses, or does not say, the threads stay where they are."""
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: what /proc says is another than Linux' own
            _LOG.info("core.left", extra={"why": type(error).__name__})
            self._leave()


class Linux:
    """The machine, by its system calls and /proc. On another system there are no cores to choose from."""

    def may_use(self) -> frozenset[int]:
        if sys.platform != "linux":
            return frozenset()
        return frozenset(os.sched_getaffinity(os.getpid()))

    def runs_on(self) -> int:
        return int(_PROC.joinpath("self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[36])

    def bind(self, core: int) -> None:
        for _ in range(_PASSES):
            elsewhere = [thread for thread in _threads() if _cores_of(thread) != {core}]
            if not elsewhere:
                return
            for thread in elsewhere:
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.sched_setaffinity(thread, {core})

    def counts(self) -> dict[int, Counts]:
        """Of the first fields: user, nice, system, idle, waiting for a disk, two for interrupts, what a host took."""
        found = {}
        for line in _PROC.joinpath("stat").read_text(encoding="utf-8").splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                ticks = [int(field) for field in fields[:8]]
                found[int(name.removeprefix("cpu"))] = Counts(sum(ticks) - ticks[3] - ticks[4], sum(ticks))
        return found

    def own_ticks(self) -> float:
        used = os.times()
        return (used.user + used.system) * os.sysconf("SC_CLK_TCK")

    def take_place(self, core: int) -> Place | None:
        held = _socket()
        if held is None:
            return _NoPlace()
        try:
            held.bind(f"{NAME}{core}")
        except OSError as error:
            held.close()
            return None if error.errno == errno.EADDRINUSE else _NoPlace()
        return held

    def is_taken(self, core: int) -> bool:
        asked = _socket()
        if asked is None:
            return False
        with asked:
            return asked.connect_ex(f"{NAME}{core}") == 0


class _NoPlace:
    """The system has no such sockets, or forbids them: no worker sees another's."""

    def close(self) -> None:
        """There is nothing to give back."""


def _socket() -> socket.socket | None:
    try:
        return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError:
        return None


def _threads() -> list[int]:
    return [int(path.name) for path in _PROC.joinpath("self/task").iterdir()]


def _cores_of(thread: int) -> set[int] | None:
    try:
        return os.sched_getaffinity(thread)
    except ProcessLookupError:
        return None
