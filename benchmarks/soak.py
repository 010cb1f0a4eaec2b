"""Figure 13: a worker at 60 transfers a second for an hour: memory, file descriptors, threads. `make soak MINUTES=60`.

A sample every ten seconds goes to `soak.json`, of which `benchmarks.draw` makes a plot. What is judged is the growth
from the tenth minute to the end, or from the middle on of a run that is shorter: the slope of a line through ten parts
of that time. Of memory they are the medians. Of descriptors and threads they are the least of each part: what a burst
of work opened is closed a minute after it, and what leaks stays.
"""

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure

RATE = 60
MINUTES = float(os.environ.get("BENCH_MINUTES", "60"))
VALUES = Path(__file__).with_name("soak.json")

_EVERY_S = 10.0
_SETTLED_S = 600.0
_PARTS = 10

#: What a line through the samples may climb in an hour: the kernel's pages and the allocator's are not one transfer's.
_MOST_MB_AN_HOUR = 1.0

Sample = dict[str, float]
OfPart = Callable[[list[float]], float]


def samples(minutes: float) -> list[Sample]:
    seconds = minutes * 60
    with ours.running() as given, given.worker() as worker:
        producer = ["-m", "benchmarks.steady", "0", str(RATE), str(seconds)]
        with processes.python(producer, given.environment) as process:
            found, begun = [], time.monotonic()
            while process.poll() is None:
                time.sleep(_EVERY_S)
                sample = {
                    "second": time.monotonic() - begun,
                    "memory_mb": processes.memory_kb(worker) / 1024,
                    "descriptors": processes.descriptors(worker),
                    "threads": processes.threads(worker),
                    "transfers": given.bank.counts()["transfers"],
                }
                found.append(sample)
                print(json.dumps(sample), file=sys.stderr, flush=True)
    return found


def measure(minutes: float = MINUTES) -> list[Figure]:
    found = samples(minutes)
    VALUES.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return judged(found)


def judged(found: list[Sample]) -> list[Figure]:
    from_s = min(_SETTLED_S, found[-1]["second"] / 2)
    later = [each for each in found if each["second"] >= from_s]
    rate = (later[-1]["transfers"] - later[0]["transfers"]) / (later[-1]["second"] - later[0]["second"])
    by_medians = _an_hour(later, "descriptors", statistics.median)
    note = f"from {from_s / 60:.0f} to {found[-1]['second'] / 60:.0f} min, {rate:.0f} transfers/s"
    return [
        Figure(
            13,
            "growth of the worker's memory",
            _an_hour(later, "memory_mb", statistics.median),
            "MB/h",
            at_most=_MOST_MB_AN_HOUR,
            note=f"{note}; {_ends(later, 'memory_mb', statistics.median)} MB",
        ),
        Figure(
            13,
            "growth of its file descriptors",
            _an_hour(later, "descriptors", min),
            "/h",
            at_most=1,
            note=f"{_ends(later, 'descriptors', min)}; by medians {by_medians:.2f}",
        ),
        Figure(
            13,
            "growth of its threads",
            _an_hour(later, "threads", min),
            "/h",
            at_most=0,
            note=_ends(later, "threads", min),
        ),
    ]


def _an_hour(later: list[Sample], name: str, of_part: OfPart) -> float:
    times, values = _parts(later, "second", statistics.median), _parts(later, name, of_part)
    return statistics.linear_regression(times, values).slope * 3600


def _ends(later: list[Sample], name: str, of_part: OfPart) -> str:
    values = _parts(later, name, of_part)
    return f"{values[0]:.0f} → {values[-1]:.0f}"


def _parts(later: list[Sample], name: str, of_part: OfPart) -> list[float]:
    """One value for each of the parts that follow each other, ten at the most."""
    values = [each[name] for each in later]
    many = math.ceil(len(values) / _PARTS)
    return [of_part(values[at : at + many]) for at in range(0, len(values), many)]


def main() -> None:
    print(figures.table(measure(*map(float, sys.argv[1:]))))


if __name__ == "__main__":
    main()
