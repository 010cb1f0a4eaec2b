"""The lowest versions: what `make lowest` installs are the floors of `pyproject.toml`, the base's and the extras'."""

import re
import tomllib

from tests.packaging.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lowest_lock_holds_each_floor() -> None:
    """Another floor needs `make lock`: else the run on the lowest versions would be one on others."""
    listed = PROJECT["dependencies"] + [
        line for extra in ("cli", "demo", "web") for line in PROJECT["optional-dependencies"][extra]
    ]
    floors = dict(re.findall(r"^([\w-]+)>=([\w.]+)", "\n".join(listed), re.MULTILINE))
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements-lowest.txt").read_text(), re.MULTILINE))

    assert {name: _three(version) for name, version in floors.items()} == {
        name: _three(locked[name]) for name in floors
    }


def test_the_locks_agree_but_for_the_lowest() -> None:
    """A demo and a worker run what the tests ran."""
    pins = {
        name: set(re.findall(r"^[\w.-]+==[\w.]+", (ROOT / f"requirements{name}.txt").read_text(), re.MULTILINE))
        for name in ("", "-demo", "-dev")
    }

    assert pins[""] <= pins["-demo"] <= pins["-dev"]


def _three(version: str) -> tuple[int, ...]:
    """`2.8` and `2.8.0` are one."""
    return tuple([*map(int, version.split(".")), 0, 0][:3])
