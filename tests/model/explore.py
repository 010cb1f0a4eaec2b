"""The explorer: every world that can be reached, breadth first, so that the first trace to a broken law is a shortest.

It knows nothing of transfers: it is given a first world, the steps that lead out of a world, and the law.
"""

import gc
import time
from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

W = TypeVar("W", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Found(Generic[W]):
    """What an exploration came to."""

    states: int
    seconds: float  #: of the processor: the machine may be busy with something else
    broken: str = ""  #: the law that broke, if one did
    trace: Sequence[tuple[str, W]] = field(default=())  #: the steps that lead to it
    is_complete: bool = True  #: False: it ended at its limit, and more may be there

    @property
    def holds(self) -> bool:
        return self.is_complete and not self.broken


def explore(
    first: W,
    steps: Callable[[W], Iterable[tuple[str, W, bool]]],
    law: Callable[[W], str],
    *,
    limit: int,
    is_end: Callable[[W], bool] | None = None,
) -> Found[W]:
    """With `is_end`, also: from every world, steps that must come some day lead to an end."""
    begun = time.process_time()
    was_enabled = gc.isenabled()
    gc.disable()  # nothing here is cyclic, and there are millions of tuples
    try:
        return _explore(first, steps, law, limit, is_end, begun)
    finally:
        if was_enabled:
            gc.enable()


def _explore(
    first: W,
    steps: Callable[[W], Iterable[tuple[str, W, bool]]],
    law: Callable[[W], str],
    limit: int,
    is_end: Callable[[W], bool] | None,
    begun: float,
) -> Found[W]:
    index = {first: 0}
    order = [first]
    parents = array("I", [0])
    starts, ends = array("I"), array("I")  # the arrows of the steps that must come, by number

    def found(broken: str, number: int, *, is_complete: bool = True) -> Found[W]:
        trace = _trace(order, parents, steps, number) if broken else []
        return Found(len(order), time.process_time() - begun, broken, trace, is_complete)

    number = 0
    while number < len(order):
        world = order[number]
        if broken := law(world):
            return found(broken, number)
        for _, after, must_come in steps(world):
            there = index.setdefault(after, len(order))
            if there == len(order):
                order.append(after)
                parents.append(number)
            if is_end and must_come and there != number:
                starts.append(number)
                ends.append(there)
        number += 1
        if len(order) > limit:
            return found("", 0, is_complete=False)
    if is_end:
        stuck = _first_stuck(order, starts, ends, is_end)
        if stuck >= 0:
            return found("stuck: no step that must come leads to an end", stuck)
    return found("", 0)


def _trace(
    order: Sequence[W], parents: Sequence[int], steps: Callable[[W], Iterable[tuple[str, W, bool]]], number: int
) -> list[tuple[str, W]]:
    path = [number]
    while number:
        number = parents[number]
        path.append(number)
    path.reverse()
    return [next((label, after) for label, after, _ in steps(order[a]) if after == order[b]) for a, b in pairwise(path)]


def _first_stuck(order: Sequence[W], starts: Sequence[int], ends: Sequence[int], is_end: Callable[[W], bool]) -> int:
    """The first world from which no end can be reached, or -1."""
    into: list[list[int]] = [[] for _ in order]
    for start, end in zip(starts, ends, strict=True):
        into[end].append(start)
    good = bytearray(len(order))
    todo = [number for number, world in enumerate(order) if is_end(world)]
    for number in todo:
        good[number] = 1
    while todo:
        for number in into[todo.pop()]:
            if not good[number]:
                good[number] = 1
                todo.append(number)
    return good.find(0)
