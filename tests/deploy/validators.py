"""What `make lint` says of `deploy/`: each file is read by the tool that knows its form, without a network.

`python -m tests.deploy.validators` prints a line for each complaint, and ends with 1 if there is one. A tool that is
missing is a line, and in CI (`CI=true`) a complaint.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.tools import find_tool

ROOT = Path(__file__).parents[2]

#: systemd's own measure, from 0 (closed) to 10 (open), and what the runbook promises of it.
MOST_EXPOSED = {"python": 1.2, "server": 1.0}

#: Programs of the units that a machine of the tests may lack.
_INSTALLED_LATER = re.compile(
    r"Command (/opt/transfers(?:-console)?/bin/transfers|/usr/bin/redis-server) is not executable: "
)


_SYSTEMD = "apt-get install systemd"


class Missing(Exception):
    """The tool is not on this machine; the text says what installs it."""


@dataclass(frozen=True, slots=True)
class Validator:
    """`complaints` takes the folder that has `deploy` in it. Raises `Missing`."""

    name: str
    complaints: Callable[[Path], Iterator[str]]


def _run(name: str, brought_by: str, *words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    beside = Path(sys.executable).with_name(name)
    program = str(beside) if beside.exists() else find_tool(name)
    if program is None:
        raise Missing(f"{name}: not here ({brought_by})")
    return subprocess.run(  # noqa: S603 - the tool
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )


def _lines(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What a tool that has failed printed; something in any case."""
    found = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return (found or [f"ended with {done.returncode}"]) if done.returncode else []


def units(root: Path) -> Iterator[str]:
    """It ends with 0 for a setting that it does not know, and says so: so each line that it prints is a complaint."""
    folder = root / "deploy/systemd"
    for path in sorted(folder.glob("*.service")):
        words = ("verify", "--man=no", "--generators=no", f"./{path.name}")
        done = _run("systemd-analyze", _SYSTEMD, *words, folder=folder)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        complaints = [line for line in said if not _INSTALLED_LATER.search(line)]
        yield from complaints
        if done.returncode and not said:
            yield f"{path.name}: systemd-analyze verify ended with {done.returncode}"


def exposure(root: Path) -> Iterator[str]:
    folder = root / "deploy/systemd"
    for path in sorted(folder.glob("*.service")):
        kind = "server" if path.stem in {"transfers-ledger", "transfers-vault", "transfers-sentinel"} else "python"
        most = MOST_EXPOSED[kind]
        words = ("security", "--offline=yes", "--no-pager", f"--threshold={most * 10:.0f}", f"./{path.name}")
        done = _run("systemd-analyze", _SYSTEMD, *words, folder=folder)
        if done.returncode:
            last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
            yield f"{path.name}: more exposed than {most}: {' '.join(last)}"


def users(root: Path) -> Iterator[str]:
    with TemporaryDirectory() as made:
        (Path(made) / "etc").mkdir()
        file = root / "deploy/systemd/transfers.sysusers"
        yield from _lines(_run("systemd-sysusers", _SYSTEMD, f"--root={made}", str(file), folder=root))


def compose(root: Path) -> Iterator[str]:
    """By the schema of the Compose Specification, which comes with the tool."""
    words = ("--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")
    yield from _lines(_run("check-jsonschema", "make setup", *words, folder=root))


def dockerfile(root: Path) -> Iterator[str]:
    yield from _lines(_run("hadolint", "make setup", "--no-color", "deploy/Dockerfile", folder=root))


def prometheus(root: Path) -> Iterator[str]:
    """With the alerts that it names."""
    yield from _lines(
        _run(
            "promtool",
            "apt-get install prometheus",
            "check",
            "config",
            "prometheus.yml",
            folder=root / "deploy/prometheus",
        )
    )


VALIDATORS = (
    Validator("systemd units", units),
    Validator("exposure of the units", exposure),
    Validator("users of the units", users),
    Validator("compose.yaml", compose),
    Validator("Dockerfile", dockerfile),
    Validator("prometheus.yml", prometheus),
)


def main(root: Path = ROOT) -> int:
    status = 0
    is_ci = os.environ.get("CI") == "true"
    for each in VALIDATORS:
        try:
            complaints = list(each.complaints(root))
        except Missing as error:
            print(f"{each.name}: {error}, {'and in CI nothing is skipped' if is_ci else 'skipped'}")  # noqa: T201
            status = 1 if is_ci else status
            continue
        for complaint in complaints:
            print(f"{each.name}: {complaint}")  # noqa: T201
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
