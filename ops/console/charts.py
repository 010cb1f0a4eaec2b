"""Charts as SVG, drawn here: `drawing` makes the places of lines, marks and words, and `charts.html` writes them.

They are our own, and not a library's in the browser: they are there without JavaScript, under a policy that runs and
styles nothing but the console's files, no foreign code lies in the wheel, and a browser draws a few lines of at most
240 points. Each line has its name and its last figure at its end, and a dash of its own: colour alone says nothing. The
axis begins at 0. Where no sample was, the ground is grey and no line goes on. The figures are a table, too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from epay_transfers.ops.overview.history import History, Line, Point

#: Of the drawing, in its own units: about as many pixels as on the narrowest screen, so its words are as large there.
WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 250, 12, 166
_APART = 14  #: of two names, one above the other

_HOUR_MS = 3_600_000
_ROW_MS = 600_000  #: of the table: its rows are so long

_STEPS = (1, 2, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class DrawnLine:
    number: int  #: its colour and its dash
    path: str
    name: str
    last: str
    label_y: float


@dataclass(frozen=True, slots=True)
class Mark:
    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Drawing:
    name: str
    title: str
    unit: str
    says: str  #: for those who do not see it
    lines: Sequence[DrawnLine]
    levels: Sequence[Mark]
    hours: Sequence[Mark]
    gaps: Sequence[tuple[float, float]]  #: from where, how wide
    rows: Sequence[tuple[str, Sequence[str]]]  #: the first minute of each, and each line's highest figure in it


def drawing(history: History) -> Drawing:
    top = _nice(max((value for line in history.lines for value in _values(line)), default=0))

    def x(at_ms: int) -> float:
        return _LEFT + (at_ms - history.from_ms) * (_RIGHT - _LEFT) / (history.until_ms - history.from_ms)

    def y(value: float) -> float:
        return _BOTTOM - value * (_BOTTOM - _TOP) / top

    levels = [0, top] if top == 1 else [0, top / 2, top]
    first_hour = -(-history.from_ms // _HOUR_MS) * _HOUR_MS
    hours = range(first_hour, history.until_ms + 1, _HOUR_MS)
    ends = _spread([y(_values(line)[-1]) if _values(line) else _BOTTOM for line in history.lines])
    return Drawing(
        name=history.name,
        title=history.title,
        unit=history.unit,
        says=_says(history),
        lines=[
            DrawnLine(number, _path(line, x, y), line.name, short(line.last), end)
            for number, (line, end) in enumerate(zip(history.lines, ends, strict=True), 1)
        ],
        levels=[Mark(y(level), short(level)) for level in levels],
        hours=[Mark(x(hour), clock(hour)) for hour in hours],
        gaps=[(x(start), x(end) - x(start)) for start, end in history.gaps],
        rows=_rows(history),
    )


def clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%H:%M}"


def short(value: float | None) -> str:
    """`0.25`, `7.5`, `120`, `12.5 k`, `1.25 M`: what fits beside a line. A gap is `?`."""
    if value is None:
        return "?"
    for size, word in ((1e9, " bn"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{_digits(value / (1e3 if word == ' k' else size))}{word}"
    return _digits(value)


def _digits(value: float) -> str:
    rounded = f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded


def _values(line: Line) -> list[float]:
    return [point.value for point in line.points if point.value is not None]


def _nice(most: float) -> float:
    """A round number that is not less."""
    size = 10.0 ** math.floor(math.log10(most)) if most else 1
    return next(step * size for step in _STEPS if step * size >= most)


def _path(line: Line, x: Callable[[int], float], y: Callable[[float], float]) -> str:
    """Each stretch without a gap; one point alone is a dot."""
    words, is_drawn = [], False
    for point in line.points:
        if point.value is not None:
            words.append(f"{'L' if is_drawn else 'M'}{x(point.at_ms):.1f} {y(point.value):.1f}")
            words += [] if is_drawn else ["h0"]
        is_drawn = point.value is not None
    return "".join(words)


def _spread(wanted: Sequence[float]) -> list[float]:
    """Names at these heights, moved apart so that each can be read."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    found, least = list(wanted), float(_TOP)
    for at in order:
        found[at] = least = max(wanted[at], least)
        least += _APART
    most = float(_BOTTOM)
    for at in reversed(order):
        found[at] = most = min(found[at], most)
        most -= _APART
    return found


def _says(history: History) -> str:
    lines = []
    for line in history.lines:
        highest = max((point for point in line.points if point.value is not None), key=_value, default=None)
        at_most = f", at most {short(highest.value)} at {clock(highest.at_ms)}" if highest is not None else ""
        lines.append(f"{line.name}: {short(line.last)} by the last sample{at_most}.")
    gaps = [f"{clock(start)} to {clock(end)}" for start, end in history.gaps]
    without = f" No sample from {', from '.join(gaps)}." if gaps else ""
    span = f"From {clock(history.from_ms)} to {clock(history.until_ms)} UTC, {history.unit}."
    return f"{span} {' '.join(lines)}{without}"


def _value(point: Point) -> float:
    return point.value or 0


def _rows(history: History) -> list[tuple[str, list[str]]]:
    """The newest first. Where no sample tells of a line, its figure is `?`."""
    highest: dict[tuple[int, int], float] = {}
    for at, line in enumerate(history.lines):
        for point in line.points:
            if point.value is not None:
                place = (point.at_ms // _ROW_MS, at)
                highest[place] = max(point.value, highest.get(place, 0))
    numbers = range(history.until_ms // _ROW_MS, history.from_ms // _ROW_MS - 1, -1)
    return [
        (clock(number * _ROW_MS), [short(highest.get((number, at))) for at in range(len(history.lines))])
        for number in numbers
    ]
