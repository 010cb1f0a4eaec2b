"""The distributions, built once from a copy of the repository, without a network and without touching the source."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "__pycache__", "*.egg-info", "build", "dist", ".*_cache", ".hypothesis", ".transfers", ".env"
)


@dataclass(frozen=True, slots=True)
class Distributions:
    wheel: Path
    sdist: Path


def build(source: Path, kind: str, into: Path) -> Path:
    """One distribution, by the build backend that `pyproject.toml` names, as `pip` calls it."""
    into.mkdir(exist_ok=True)
    script = f"from setuptools import build_meta; print('made', build_meta.build_{kind}({str(into)!r}))"
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", script], cwd=source, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1].removeprefix("made ")


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    shutil.copytree(ROOT, source, symlinks=True, ignore=_LEFT_OUT)
    return Distributions(build(source, "wheel", folder / "dist"), build(source, "sdist", folder / "dist"))


@dataclass(frozen=True, slots=True)
class Environment:
    """A venv with the wheel in it; its dependencies are lent by the environment of these tests."""

    home: Path

    @property
    def python(self) -> str:
        return str(self.home / "bin/python")

    @property
    def command(self) -> str:
        return str(self.home / "bin/transfers")

    @property
    def packages(self) -> Path:
        """Its own site-packages."""
        return self.home / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)

    def run(self, *command: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - what this environment holds
            command,
            cwd=cwd,
            env={"PATH": str(self.home / "bin")} | variables,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )


Install = Callable[[set[str]], Environment]


@pytest.fixture(scope="session")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """A new venv with the wheel, where the modules of these names are missing."""

    def install(without: set[str]) -> Environment:
        made = Environment(tmp_path_factory.mktemp("environment"))
        venv.create(made.home, with_pip=False, symlinks=True)
        subprocess.run(  # noqa: S603 - pip of this environment
            [
                *(sys.executable, "-m", "pip", "--python", made.python, "install", "-qq", "--no-deps", "--no-index"),
                *("--disable-pip-version-check", str(distributions.wheel)),
            ],
            check=True,
            timeout=110,
        )
        _lend(Path(sysconfig.get_path("purelib")), made.packages, without)
        return made

    return install


@pytest.fixture(scope="session")
def environment(installed: Install) -> Environment:
    return installed(set())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_for_production(lock: str = "requirements.txt") -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.fixture(scope="session")
def production(installed: Install) -> Environment:
    """The wheel, and of these tests' environment only the distributions that are locked for production."""
    return installed(_modules_beside(locked_for_production()))


@pytest.fixture(scope="session")
def production_console(installed: Install) -> Environment:
    """The same for the console, which has a lock of its own."""
    return installed(_modules_beside(locked_for_production("requirements-console.txt")))


def _modules_beside(locked: set[str]) -> set[str]:
    """What this environment has besides the distributions of these names."""
    wanted: set[str] = set()
    others: set[str] = set()
    for each in importlib.metadata.distributions():
        tops = {Path(str(file)).parts[0].partition(".")[0] for file in each.files or ()}
        (wanted if normal(each.name) in locked else others).update(tops)
    return others - wanted


def _lend(packages: Path, into: Path, without: set[str]) -> None:
    """A link to each package of this environment; not to ours, which is the wheel's there."""
    for path in packages.iterdir():
        name = path.name.partition(".")[0]
        is_ours = "epay_transfers" in path.name or path.suffix == ".pth" or name == "__pycache__"
        if not is_ours and name not in without and not (into / path.name).exists():
            (into / path.name).symlink_to(path)
