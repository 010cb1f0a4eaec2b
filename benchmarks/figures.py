"""Figures: what is measured, beside the goal that it has, as a table for people. It measures nothing."""

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

#: Runs of each side, in turn, so that what slows the machine down slows all sides.
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True, slots=True)
class Figure:
    number: int  #: in the list of goals
    name: str
    value: float
    unit: str = ""  #: empty for a ratio
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def goal(self) -> str:
        if self.at_most is not None:
            return f"≤ {_plain(self.at_most)} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"≥ {_plain(self.at_least)} {self.unit}".rstrip()
        return ""

    @property
    def is_reached(self) -> bool | None:
        """None where there is no goal."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "no", None: ""}[self.is_reached]

    @property
    def said(self) -> str:
        return f"{_plain(self.value)} {self.unit}".rstrip()


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


Side = TypeVar("Side")
Measured = TypeVar("Measured")


def in_turn(sides: Mapping[Side, Callable[[], Measured]], rounds: int = ROUNDS) -> dict[Side, list[Measured]]:
    """Each side once, then each again: what each side measured."""
    values: dict[Side, list[Measured]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, measure in sides.items():
            values[name].append(measure())
            print(f"  {name}: {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return values


def spread(values: Sequence[float]) -> str:
    """The least and the most of the rounds."""
    return f"{_plain(min(values))} to {_plain(max(values))}"


def show(measure: Callable[[int], Sequence[Figure]]) -> None:
    """A module that runs alone: its table. The command's first word may be the number of rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(table(measure(rounds)))


def table(figures: Sequence[Figure]) -> str:
    """Markdown, in columns of one width: it is read on a screen as well."""
    rows = [("#", "figure", "value", "goal", "reached", "note")]
    rows += [(str(each.number), each.name, each.said, each.goal, each.verdict, each.note) for each in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[-1] = len(rows[0][-1])  # some notes are long
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _plain(value: float) -> str:
    """Three digits that count; no powers of ten."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
