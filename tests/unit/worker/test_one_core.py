"""Which core a worker keeps its threads on, and when it goes to another one."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epay_transfers.worker import one_core
from epay_transfers.worker.one_core import Counts, Linux, OneCore, better_core, taken_of
from tests.support.clocks import FakeClock

SHARES = st.dictionaries(st.integers(0, 7), st.floats(0, 1), min_size=1)
CHANCE = st.floats(0, 1, exclude_max=True)

TICKS_A_SECOND = 100


@given(taken=SHARES, neighbours=st.sets(st.integers(0, 7)), here=st.integers(0, 7), chance=CHANCE)
def test_another_core_is_chosen_only_where_it_is_better_by_the_margin(
    taken: dict[int, float], neighbours: set[int], here: int, chance: float
) -> None:
    there = better_core(taken, neighbours, here, lambda: chance)

    def cost(core: int) -> float:
        return taken[core] + one_core._NEIGHBOUR * (core in neighbours)

    best = min(map(cost, taken))
    if there == here:
        assert here not in taken or cost(here) - best <= one_core._MARGIN
    else:
        assert cost(here) - cost(there) > one_core._MARGIN - one_core._ALIKE
        assert cost(there) <= best + one_core._ALIKE


@given(taken=SHARES, neighbours=st.sets(st.integers(0, 7)), here=st.integers(0, 7), chance=CHANCE)
def test_a_worker_that_has_gone_would_not_go_back(
    taken: dict[int, float], neighbours: set[int], here: int, chance: float
) -> None:
    """So no worker goes from core to core while nothing else changes."""
    there = better_core(taken, neighbours, here, lambda: chance)

    assert better_core(taken, neighbours, there, lambda: chance) == there


def test_of_two_idle_cores_the_one_without_a_worker_is_better() -> None:
    assert better_core({0: 0.0, 1: 0.0}, {0}, 0, lambda: 0.0) == 1
    assert better_core({0: 0.0, 1: 0.0}, {0, 1}, 0, lambda: 0.0) == 0


def test_a_core_that_others_take_is_left_though_an_idle_worker_is_on_the_other_one() -> None:
    assert better_core({0: 0.6, 1: 0.0}, {1}, 0, lambda: 0.0) == 1
    assert better_core({0: 0.5, 1: 0.0}, {1}, 0, lambda: 0.0) == 0


def test_what_is_taken_is_of_the_time_between_two_looks() -> None:
    before = {0: Counts(500, 1000), 1: Counts(0, 1000), 2: Counts(0, 0), 3: Counts(5, 10)}
    after = {0: Counts(550, 1100), 1: Counts(0, 1100), 2: Counts(1, 5), 4: Counts(0, 100)}

    assert taken_of(before, after) == {0: 0.5, 1: 0.0}, "too few ticks say nothing, nor does a core that was off"


@dataclass
class Cores:
    """Cores that workers of one machine share, and what all others take of each."""

    others: dict[int, float]
    demand: dict[str, float] = field(default_factory=dict)  #: by worker, of a core
    at: dict[str, frozenset[int]] = field(default_factory=dict)
    places: dict[int, str] = field(default_factory=dict)
    ticks: dict[int, Counts] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    moves: int = 0

    def pass_time(self, seconds: float) -> None:
        """A core that is asked for more than it has gives each its share. A worker on several asks each for a part."""
        ticks = seconds * TICKS_A_SECOND
        for core, others in self.others.items():
            asked = {name: self.demand[name] / len(at) for name, at in self.at.items() if core in at}
            wanted = others + sum(asked.values())
            share = min(1.0, 1 / wanted) if wanted else 0.0
            before = self.ticks.get(core, Counts(0, 0))
            self.ticks[core] = Counts(before.busy + round(min(wanted, 1.0) * ticks), before.all + round(ticks))
            for name, part in asked.items():
                self.own[name] = self.own.get(name, 0.0) + part * share * ticks


@dataclass
class Place:
    cores: Cores
    core: int

    def close(self) -> None:
        self.cores.places.pop(self.core, None)


@dataclass
class FakeMachine:
    """A worker's view of them."""

    cores: Cores
    name: str
    sees: bool = True  #: the other workers' sockets

    def may_use(self) -> frozenset[int]:
        return self.cores.at.setdefault(self.name, frozenset(self.cores.others))

    def runs_on(self) -> int:
        return min(self.cores.others)

    def bind(self, cores: frozenset[int]) -> None:
        self.cores.moves += 1
        self.cores.at[self.name] = cores

    def counts(self) -> dict[int, Counts]:
        return dict(self.cores.ticks)

    def own_ticks(self) -> float:
        return self.cores.own.get(self.name, 0.0)

    def take_place(self, core: int) -> Place | None:
        if not self.sees:
            return Place(Cores({}), core)
        if core in self.cores.places:
            return None
        self.cores.places[core] = self.name
        return Place(self.cores, core)

    def is_taken(self, core: int) -> bool:
        return self.sees and core in self.cores.places


def chance_of(seed: str) -> Callable[[], float]:
    return random.Random(seed).random  # noqa: S311 - to be the same each time


class Run:
    """Workers on one machine, each with a chance and a time of its own."""

    def __init__(self, cores: Cores, workers: dict[str, float], *, seed: int, sees: bool) -> None:
        self.cores, self.clock = cores, FakeClock()
        cores.demand = dict(workers)
        cores.pass_time(1)
        self.workers = [
            OneCore(FakeMachine(cores, name, sees), self.clock, chance_of(f"{seed} {name}")) for name in workers
        ]
        for worker in self.workers:
            worker.begin()

    def go_on(self, seconds: float, *, step: float = 0.1) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.cores.pass_time(step)
            for worker in self.workers:
                worker.look()

    @property
    def at(self) -> list[list[int]]:
        return sorted(map(sorted, self.cores.at.values()))


@settings(max_examples=20)
@given(demands=st.lists(st.floats(0, 1), min_size=2, max_size=4), seed=st.integers(0, 999))
def test_workers_that_see_each_other_have_a_core_each_from_the_start(demands: list[float], seed: int) -> None:
    workers = {f"worker {number}": demand for number, demand in enumerate(demands)}
    run = Run(Cores(dict.fromkeys(range(len(demands)), 0.0)), workers, seed=seed, sees=True)

    run.go_on(60)

    assert run.at == [[core] for core in range(len(demands))]
    assert run.cores.moves == len(demands), "and none has moved"


@settings(max_examples=20)
@given(seed=st.integers(0, 9999))
def test_two_busy_workers_that_do_not_see_each_other_part_and_stay(seed: int) -> None:
    """As in two containers: both are on core 0 before they have work, and core 1 is idle."""
    run = Run(Cores({0: 0.0, 1: 0.0}), {"a": 0.1, "b": 0.1}, seed=seed, sees=False)
    run.go_on(10)
    assert run.at == [[0], [0]]

    run.cores.demand = {"a": 1.0, "b": 1.0}
    run.go_on(120)
    assert run.at == [[0], [1]]

    before = run.cores.moves
    run.go_on(120)
    assert run.cores.moves == before


@settings(max_examples=20)
@given(
    others=st.lists(st.floats(0, 1), min_size=2, max_size=4),
    demands=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    seed=st.integers(0, 9999),
    sees=st.booleans(),
)
def test_whatever_takes_the_cores_the_workers_come_to_rest(
    others: list[float], demands: list[float], seed: int, *, sees: bool
) -> None:
    """But for those that have a core only while they do not ask for it: these try again each five minutes."""
    workers = {f"worker {number}": demand for number, demand in enumerate(demands)}
    run = Run(Cores(dict(enumerate(others))), workers, seed=seed, sees=sees)
    run.go_on(800, step=0.5)

    before = run.cores.moves
    run.go_on(300, step=0.5)

    assert run.cores.moves - before <= 2 * len(demands)


def alone(machine: FakeMachine) -> Run:
    """One worker that is looked at each time when it is due: every two seconds, and half a second after a doubt."""
    run = Run(machine.cores, {}, seed=0, sees=True)
    run.workers = [OneCore(machine, run.clock, lambda: 0.0)]
    run.cores.demand = {machine.name: 0.1}
    run.workers[0].begin()
    return run


def test_a_worker_leaves_a_core_that_others_take() -> None:
    run = Run(Cores({0: 0.0, 1: 0.0}), {"a": 1.0}, seed=1, sees=True)
    run.go_on(10)
    assert run.at == [[0]]

    run.cores.others[0] = 1.0
    run.go_on(20)
    assert run.at == [[1]]


def test_a_core_that_is_taken_for_a_moment_is_not_left() -> None:
    """The second look sees it idle again."""
    run = alone(FakeMachine(Cores({0: 0.0, 1: 0.0}), "a"))
    run.cores.others[0] = 0.9
    run.go_on(0.6)
    run.cores.others[0] = 0.0
    run.go_on(10)
    assert (run.at, run.cores.moves) == ([[0]], 1)

    run.cores.others[0] = 0.9
    run.go_on(10)
    assert run.at == [[1]]


def test_a_worker_on_anothers_core_goes_to_one_that_becomes_free() -> None:
    """Both may be idle: then nothing but the places says so."""
    run = alone(FakeMachine(Cores({0: 0.0, 1: 0.0}, places={0: "b", 1: "c"}), "a"))
    run.go_on(10)
    assert run.at == [[0]]

    del run.cores.places[1]
    run.go_on(10)
    assert run.at == [[1]]


class Late(FakeMachine):
    """Another worker takes the place after the look, each time."""

    def is_taken(self, core: int) -> bool:  # noqa: ARG002 - the machine's form
        return False


def test_a_worker_that_comes_late_to_a_free_core_stays_where_it_is() -> None:
    run = alone(Late(Cores({0: 0.0, 1: 0.0}, places={1: "b"}), "a"))
    run.cores.others[0] = 0.9
    run.go_on(20)

    assert (run.at, run.cores.moves) == ([[0]], 1)


def test_where_others_take_all_cores_the_threads_go_anywhere_until_there_is_room_again() -> None:
    """Kept to one core, it would wait for that one, whatever the other one has left."""
    run = Run(Cores({0: 0.0, 1: 0.0}), {"a": 1.0}, seed=1, sees=True)
    run.cores.others = {0: 1.0, 1: 1.0}
    run.go_on(20)
    assert run.at == [[0, 1]]
    assert run.cores.places == {}

    run.cores.others = {0: 0.0, 1: 0.2}
    run.go_on(20)
    (its,) = run.at
    assert len(its) == 1
    assert list(run.cores.places) == its


def test_workers_alone_on_all_cores_keep_to_them() -> None:
    """None of them has more than its own core, and nothing else runs: no core is crowded."""
    run = Run(Cores({0: 0.0, 1: 0.0}), {"a": 1.0, "b": 1.0}, seed=1, sees=True)
    run.go_on(60)

    assert (run.at, run.cores.moves) == ([[0], [1]], 2)


def test_one_core_alone_is_left_as_it_is() -> None:
    cores = Cores({0: 0.0})
    run = Run(cores, {"a": 1.0}, seed=1, sees=True)
    run.go_on(20)

    assert (cores.moves, cores.places) == (0, {})


def test_a_worker_that_was_bound_otherwise_stays_within_that() -> None:
    run = alone(FakeMachine(Cores(dict.fromkeys(range(4), 0.0)), "a"))
    run.go_on(10)
    assert run.at == [[0]]

    run.cores.at["a"] = frozenset({2, 3})  # as `taskset -ap` does, or its container's own set of cores
    run.go_on(10)
    assert run.at in ([[2]], [[3]])

    run.cores.at["a"] = frozenset({1})
    run.go_on(10)
    assert run.at == [[1]], "an operator has bound it to one core, and it is the operator's"
    assert run.cores.places == {}


class Refusing(FakeMachine):
    def bind(self, cores: frozenset[int]) -> None:  # noqa: ARG002 - the machine's form
        raise PermissionError


class Silent(FakeMachine):
    def counts(self) -> dict[int, Counts]:
        raise FileNotFoundError


@pytest.mark.parametrize("kind", [Refusing, Silent])
def test_a_system_that_refuses_or_does_not_say_is_no_error(kind: type[FakeMachine]) -> None:
    run = alone(kind(Cores({0: 0.0, 1: 0.0}), "a"))
    run.go_on(10)

    assert (run.at, run.cores.moves, run.cores.places) == ([[0, 1]], 0, {})


def test_linux_says_which_cores_there_are_and_what_each_has_done() -> None:
    machine = Linux()

    assert machine.may_use() == os.sched_getaffinity(0)
    assert machine.runs_on() in machine.may_use()
    counts = machine.counts()
    assert machine.may_use() <= counts.keys()
    assert all(0 <= core.busy <= core.all for core in counts.values())
    assert machine.own_ticks() > 0


def test_a_place_is_one_workers_until_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_core, "NAME", f"\0epay-transfers test {os.getpid()} ")
    machine = Linux()

    place = machine.take_place(0)
    assert place
    assert machine.is_taken(0)
    assert machine.take_place(0) is None
    assert not machine.is_taken(1)

    place.close()
    assert not machine.is_taken(0)
