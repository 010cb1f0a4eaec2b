"""The worker keeps all its threads on one core, and moves them when others take that core while another is idle.

Python runs one thread of a process at a time. A thread that hands the interpreter on to one on an idle core wakes that
core by an interrupt, which is dear, in a virtual machine most of all; on one core the same work takes 30 % less CPU,
with TLS 17 % (docs/capacity.md). Where no core is idle there is nothing to wake, and a worker that kept to one would
wait for it: its threads go anywhere then. Nothing but cost depends on all this: where the system has no such thing, or
forbids it, nothing happens.

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

#: Where others take more than the first of its core, and all that they leave of all cores is less than the second, its
#: threads go anywhere; where they leave more than the third, it keeps to one. Between the two it stays as it is.
_MOST_SHARED, _LEAST_LEFT, _ROOM = 0.25, 0.75, 0.9

#: Seconds from one look to the next; and to the first one, and to a second one where a look found something better.
#: Chance doubles them at the most: so two workers that found the same core idle do not both go there, and back again.
_EACH_S = 2.0
_SOON_S = 0.5

#: Seconds for which its threads may be anywhere before it keeps to one core again: twice as long each time, and at most
#: so long. So a load that comes and goes, or goes because of it, moves it seldom.
_APART_S, _LONGEST_APART_S = 5.0, 320.0

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


def left_of(busy: Mapping[int, float], own: float) -> float:
    """How many cores others leave to a worker that takes `own` of them."""
    return sum(1 - share for share in busy.values()) + own


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

    def bind(self, cores: frozenset[int]) -> None:
        """All threads of the process on these cores; threads that they start are there, too."""

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
        self._cores: frozenset[int] = frozenset()  #: that it may use; none where it leaves the threads alone
        self._core: int | None = None  #: None: its threads may be on any of them
        self._place: Place | None = None
        self._counts: dict[int, Counts] = {}
        self._own_ticks = 0.0
        self._next_look = 0.0
        self._doubts = False  #: the last look found something better
        self._apart_s = _APART_S

    def begin(self) -> None:
        """Look which cores there are. The first looks show whether one is left to this worker; until then all are."""
        with self._unless_forbidden():
            self._begin()

    def look(self) -> None:
        """Keep to a core, go to a better one, or to all of them? It may be called as often as one likes."""
        if self._cores and self._clock.monotonic() >= self._next_look:
            with self._unless_forbidden():
                self._look()

    def _begin(self) -> None:
        cores = self._machine.may_use()
        if len(cores) > 1:
            self._since_the_last_look()
            self._cores = cores
            self._rest(_SOON_S)

    def _settle(self) -> None:
        """On the core where the system has put the process, or on one that no other worker has."""
        here = self._machine.runs_on()
        others = sorted(self._cores - {here}, key=lambda _core: self._chance())
        order = ([here] if here in self._cores else []) + others
        for core in order:
            if place := self._machine.take_place(core):
                self._go(core, place)
                return
        self._go(order[0], None)

    def _look(self) -> None:
        here = self._core
        if self._machine.may_use() != (self._cores if here is None else {here}):
            self._leave()  # an operator bound it otherwise, or its container has other cores now
            self._begin()
            return
        busy, own = self._since_the_last_look()
        if here is None:
            if self._is_sure(is_better=left_of(busy, own) > _ROOM):
                self._settle()
            return
        taken = dict(busy)
        if here in taken:
            taken[here] = max(taken[here] - own, 0.0)
        if self._place is None:
            self._place = self._machine.take_place(here)
        neighbours = {core for core in self._cores - {here} if self._machine.is_taken(core)}
        neighbours |= set() if self._place else {here}
        there = better_core(taken, neighbours, here, self._chance)
        spreads = taken.get(here, 0.0) > _MOST_SHARED and left_of(busy, own) < _LEAST_LEFT
        if not self._is_sure(is_better=spreads or there != here):
            return
        if spreads:
            self._spread()
            return
        place = self._machine.take_place(there)
        if place or there in neighbours:  # else another worker was quicker
            _LOG.info("core.moved", extra={"core": there, "from_core": here})
            self._go(there, place)

    def _since_the_last_look(self) -> tuple[dict[int, float], float]:
        """Which share of each core was taken, and how much of one this process took."""
        before, own_before = self._counts, self._own_ticks
        self._counts, self._own_ticks = self._machine.counts(), self._machine.own_ticks()
        busy = {core: share for core, share in taken_of(before, self._counts).items() if core in self._cores}
        ticks = [self._counts[core].all - before[core].all for core in busy]
        return busy, (self._own_ticks - own_before) / max(ticks, default=1)

    def _is_sure(self, *, is_better: bool) -> bool:
        """Two looks in a row have to say so, the second one soon after the first."""
        is_sure = is_better and self._doubts
        self._doubts = is_better and not is_sure
        self._rest(_SOON_S if self._doubts else _EACH_S)
        return is_sure

    def _rest(self, seconds: float) -> None:
        self._next_look = self._clock.monotonic() + seconds * (1 + self._chance())

    def _go(self, core: int, place: Place | None) -> None:
        self._release()
        self._place = place
        self._since_the_last_look()
        self._machine.bind(frozenset({core}))
        if self._core is None:
            _LOG.info("core.taken", extra={"core": core})
        self._core, self._doubts = core, False
        self._rest(_EACH_S)

    def _spread(self) -> None:
        self._release()
        self._machine.bind(self._cores)
        self._core = None
        self._rest(self._apart_s)
        self._apart_s = min(2 * self._apart_s, _LONGEST_APART_S)
        _LOG.info("core.crowded")

    def _release(self) -> None:
        if self._place:
            self._place.close()
        self._place = None

    def _leave(self) -> None:
        self._release()
        self._core, self._cores = None, frozenset()

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

    def bind(self, cores: frozenset[int]) -> None:
        for _ in range(_PASSES):
            elsewhere = [thread for thread in _threads() if _cores_of(thread) != cores]
            if not elsewhere:
                return
            for thread in elsewhere:
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.sched_setaffinity(thread, cores)

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


def _cores_of(thread: int) -> frozenset[int] | None:
    try:
        return frozenset(os.sched_getaffinity(thread))
    except ProcessLookupError:
        return None
