"""The wheel and the sdist: what they hold, and that the root of the repository is on nobody's path."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.architecture.source import ROOMS, files
from tests.packaging.conftest import ROOT, Distributions, Environment, build

#: What is in the wheel beside the code.
DATA = {"py.typed", ".lua", ".html", ".json", ".css", ".js"}


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as held:
        return {name for name in held.namelist() if ".dist-info/" not in name}


def test_a_wheel_brings_one_top_level_name(distributions: Distributions) -> None:
    names = names_in_wheel(distributions.wheel)

    assert {name.partition("/")[0] for name in names} == {"epay_transfers"}


def test_a_wheel_holds_every_file_of_the_package_and_says_that_it_is_typed(distributions: Distributions) -> None:
    """Python, Lua, pages, styles: a script that is left out would be missed by a worker alone."""
    names = names_in_wheel(distributions.wheel)
    rooms = {
        f"epay_transfers/{file}" for suffix in ("py", "lua", "html", "json", "css", "js") for file in files(suffix)
    }

    assert rooms <= names
    assert {name for name in names - rooms if "/documents/" not in name} == {
        f"epay_transfers/{name}" for name in ("__init__.py", "__main__.py", "extras.py", "py.typed")
    }


def test_a_wheel_holds_the_documents_where_the_help_says(environment: Environment, tmp_path: Path) -> None:
    """Their links lead to each other there: an operator's machine has no repository."""
    said = environment.run(environment.command, "--help", cwd=tmp_path, COLUMNS="300")

    place = Path(said.stdout.split("the runbook: ")[1].splitlines()[0].strip())
    assert place == environment.packages / "epay_transfers/documents"
    for folder in ("docs", "deploy"):
        here, there = (
            {path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"}
            for root in (ROOT, place)
        )
        assert here == there
    assert (place / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()


def test_an_sdist_holds_tests_deploy_and_docs(distributions: Distributions) -> None:
    """And what a maintainer begins with."""
    with tarfile.open(distributions.sdist) as held:
        names = {name.partition("/")[2] for name in held.getnames()}

    for folder in ("tests", "deploy", "docs", "benchmarks"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {name for name in here if "__pycache__" not in name} <= names, folder
    assert {"Makefile", "Procfile", "README.md", "CHANGELOG.md", "pyproject.toml", "requirements.txt"} <= names
    assert [name for name in names if name.endswith((".pyc", ".env")) or "/.venv" in name] == []


def test_the_wheel_of_an_sdist_is_the_wheel_of_the_repository(distributions: Distributions, tmp_path: Path) -> None:
    """The links of the repository are files there."""
    with tarfile.open(distributions.sdist) as held:
        held.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()

    assert names_in_wheel(build(source, "wheel", tmp_path / "dist")) == names_in_wheel(distributions.wheel)


def test_the_base_brings_no_server_and_no_command_line(distributions: Distributions) -> None:
    """A backend gets the five packages that were asked for, what a producer imports beside them, and the metrics."""
    with zipfile.ZipFile(distributions.wheel) as held:
        [place] = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        wanted = Parser().parsestr(held.read(place).decode()).get_all("Requires-Dist", [])
    base = {re.split(r"[\[<>]", line)[0] for line in wanted if "extra ==" not in line}

    assert base == {
        *("dramatiq", "redis", "requests", "pydantic-settings", "sentry-sdk"),
        *("cryptography", "pydantic", "urllib3", "prometheus-client"),
    }


def test_what_is_installed_runs_from_an_empty_folder(environment: Environment, tmp_path: Path) -> None:
    """The command, and the package as a type checker and a program see it."""
    said = environment.run(environment.command, "--version", cwd=tmp_path)
    found = environment.run(
        *(environment.python, "-c", "import epay_transfers.producers, sys; print(epay_transfers.__file__)"),
        cwd=tmp_path,
    )

    assert (said.returncode, said.stdout) == (0, "0.1.0\n"), said.stderr
    assert Path(found.stdout.strip()) == environment.packages / "epay_transfers/__init__.py", found.stderr
    assert (environment.packages / "epay_transfers/py.typed").exists()


@pytest.mark.parametrize("room", ROOMS)
def test_the_linter_refuses_a_second_copy_of_the_package(room: str) -> None:
    """`import worker`, from the repository's root, would be one."""
    for line in (f"import {room}", f"from {room} import settings", f"import {room}.settings"):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--select=TID251", "--stdin-filename=tests/any.py", "-"],
            input=f"{line}\n",
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert f"a second copy of the package: import epay_transfers.{room}" in done.stdout


def test_pytest_puts_the_source_on_its_path_and_not_the_root(tmp_path: Path) -> None:
    """In a run of its own, from the root, with our settings: `import worker` fails there."""
    test = tmp_path / "test_path.py"
    test.write_text(
        "from importlib.util import find_spec\n"
        "def test_it():\n"
        f"    assert [name for name in {ROOMS} if find_spec(name)] == []\n"
        "    assert find_spec('epay_transfers.worker')\n"
    )
    done = subprocess.run(  # noqa: S603 - pytest, as the Makefile calls it
        [str(Path(sys.executable).parent / "pytest"), "-q", "-c", str(ROOT / "pyproject.toml"), str(test)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout
