"""The last hours, as the samples of each minute tell them: how fast, how it ended, how long, and what waits. Pure.

The samples lie in the ledger, where workers put them, and in no memory of what shows them: they are there after its
restart, and are the same for everyone. A rate is what two samples differ by. A minute without a sample is a gap,
and so is what a sample does not say; neither is a zero.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from epay_transfers.ledger.money import EXPONENTS, to_decimal
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.samples import KEPT, Sample
from epay_transfers.ops.overview.facts import Facts

#: It goes back so far, and a worker brings a sample each minute: two that are further apart have a gap between them.
MINUTE_MS = 60_000
SPAN_MS = KEPT * MINUTE_MS
_GAP_MS = 100_000

#: The outcomes beside `paid`.
_UNPAID = tuple(state for state in State if state.final and state is not State.PAID)
_WATCHED = (
    (State.PARKED, "parked"),
    (State.IN_DOUBT, "in doubt"),
    (State.NEEDS_REVIEW, "in review"),
    (State.DEAD, "dead"),
)

#: In the order in which a transfer makes them; another kind comes after these.
_KINDS = ("token", "transfer", "confirm", "status")


@dataclass(frozen=True, slots=True)
class Point:
    """`value` None: a gap."""

    at_ms: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[Point]  #: the oldest first

    @property
    def last(self) -> float | None:
        return self.points[-1].value if self.points else None


@dataclass(frozen=True, slots=True)
class History:
    """One chart: lines of one unit. `gaps`: from when to when (ms) no sample tells of it."""

    name: str  #: of its place in a page
    title: str
    unit: str
    lines: Sequence[Line]
    from_ms: int
    until_ms: int
    gaps: Sequence[tuple[int, int]]


def histories(facts: Facts) -> Sequence[History] | None:
    """None where the samples can't be read; none of them where there is no sample yet."""
    if facts.samples is None:
        return None
    until = until_ms(facts)
    from_ms = until - SPAN_MS
    samples = sorted((one for one in facts.samples if from_ms <= one.at_ms <= until), key=lambda one: one.at_ms)
    if not samples:
        return []
    gaps = _gaps([from_ms, *(sample.at_ms for sample in samples)], until)
    is_over = bool(gaps) and gaps[-1][1] == until

    def history(name: str, title: str, unit: str, lines: Iterable[Line]) -> History:
        ended = [Line(line.name, [*line.points, Point(until, None)]) if is_over else line for line in lines]
        return History(name, title, unit, ended, from_ms, until, gaps)

    kinds = dict.fromkeys([*_KINDS, *(kind for sample in samples for kind in sample.p95_ms)])
    currencies = [currency for currency in EXPONENTS if any(_has(sample, currency) for sample in samples)]
    return [
        history("throughput", "Paid", "a minute", [_rate("paid", samples, State.PAID)]),
        history("outcomes", "Ended without a payment", "a minute", [_rate(each, samples, each) for each in _UNPAID]),
        history(
            "latency", "The bank's calls", "p95, seconds",
            [line for kind in kinds if _says(line := _line(kind, samples, _p95(kind)))],
        ),
        history(
            "counts", "What waits or is not known", "transfers",
            [_line(name, samples, _count(state)) for state, name in _WATCHED],
        ),
        *(
            history(
                f"money-{currency}", "The money in it", currency,
                [_line(name, samples, _sum(state, currency)) for state, name in _WATCHED],
            )
            for currency in currencies
        ),
    ]  # fmt: skip


def until_ms(facts: Facts) -> int:
    """The end of this minute: within it, what is told of the same samples stays what it is."""
    return -(-facts.now_ms // MINUTE_MS) * MINUTE_MS


def _gaps(times: Sequence[int], until: int) -> list[tuple[int, int]]:
    found = [(one, other) for one, other in pairwise(times) if other - one > _GAP_MS]
    return [*found, (times[-1], until)] if until - times[-1] > _GAP_MS + MINUTE_MS else found


def _rate(name: str, samples: Sequence[Sample], state: State) -> Line:
    """By how many more there are in a minute. Where there are fewer, one was corrected since: none ended so."""
    points = [Point(samples[0].at_ms, None)]
    for one, other in pairwise(samples):
        span_ms = other.at_ms - one.at_ms
        grown = max(0, other.counts.get(state, 0) - one.counts.get(state, 0))
        is_known = 0 < span_ms <= _GAP_MS
        points.append(Point(other.at_ms, grown * MINUTE_MS / span_ms if is_known else None))
    return Line(name, points)


def _line(name: str, samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> Line:
    points: list[Point] = []
    for sample in samples:
        if points and sample.at_ms - points[-1].at_ms > _GAP_MS:
            points.append(Point(points[-1].at_ms + MINUTE_MS, None))
        points.append(Point(sample.at_ms, read(sample)))
    return Line(name, points)


def _count(state: State) -> Callable[[Sample], float]:
    return lambda sample: sample.counts.get(state, 0)


def _sum(state: State, currency: str) -> Callable[[Sample], float | None]:
    def read(sample: Sample) -> float | None:
        if sample.sums is None:
            return None
        return float(to_decimal(sample.sums.get(state, {}).get(currency, 0), currency))

    return read


def _p95(kind: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.p95_ms[kind] / 1000 if kind in sample.p95_ms else None


def _says(line: Line) -> bool:
    return any(point.value is not None for point in line.points)


def _has(sample: Sample, currency: str) -> bool:
    return any(currency in of_state for of_state in (sample.sums or {}).values())
