"""The extras: each brings what its part imports, and a part whose extra is missing says so in a sentence."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from epay_transfers import extras
from epay_transfers.__main__ import EX_UNAVAILABLE
from epay_transfers.runtime.settings import EX_CONFIG
from tests.architecture.source import ROOMS, files, imports
from tests.packaging.conftest import ROOT, Environment, Install

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Distribution → module, where the two differ.
_MODULES = {
    "pydantic-settings": "pydantic_settings",
    "python-multipart": "python_multipart",
    "sentry-sdk": "sentry_sdk",
}

#: What a distribution can't do without, and brings: it reads `.env` by it, and so do we.
_BROUGHT = {"pydantic-settings": {"dotenv"}}

#: Which part of the package may import what beside the base, by extra. A framework is the web tier's own.
PARTS = {
    "ops/": {"cli"},
    "ops/demo/": {"demo"},
    "sandbox/": {"demo"},
    "runtime/embedded_servers.py": {"demo"},
    "producers/web/": {"web"},
}
FRAMEWORKS = {
    f"producers/web/{name}.py": {name} for name in ("django", "fastapi", "flask", "rest_framework", "starlette")
} | {"producers/web/flask.py": {"flask", "werkzeug"}}  # what Flask raises is werkzeug's

#: A call, and the sentence for an environment that holds the base alone.
IMPORTS = {
    "epay_transfers.producers.web": ("epay_transfers.producers.web", "web"),
    "epay_transfers.sandbox": ("The sandbox", "demo"),
    "epay_transfers.runtime.embedded_servers": ("An embedded server", "demo"),
    "epay_transfers.ops.cli": ("The command `transfers`", "cli"),
}


def modules(extra: str) -> set[str]:
    """What an extra brings, with the extras that it names; "" is the base."""
    found: set[str] = set()
    for line in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        own, name = re.match(r"epay-transfers\[([\w,]+)\]", line), re.split("[<>=]", line)[0]
        found |= (
            set().union(*map(modules, own[1].split(",")))
            if own
            else {_MODULES.get(name, name)} | _BROUGHT.get(name, set())
        )
    return found


@pytest.fixture(scope="module")
def bare(installed: Install) -> Environment:
    """The base alone."""
    return installed(modules("all") - modules(""))


@pytest.fixture(scope="module")
def with_command(installed: Install) -> Environment:
    """The base, and the command line."""
    return installed(modules("all") - modules("") - modules("cli"))


def test_the_table_of_extras_is_the_projects() -> None:
    """`all` brings all of them, and so has a developer."""
    brought = {name: modules(name) for name in ("cli", "demo", "web")}

    assert {name: set(listed) for name, listed in extras.MODULES.items()} == brought | {
        "demo": brought["demo"] - brought["cli"]
    }
    assert modules("all") == set().union(*brought.values()) <= modules("dev")


@pytest.mark.parametrize("file", files())
def test_a_file_imports_what_its_part_brings(file: str) -> None:
    """So a backend needs no library of a server or of a command line."""
    beside = set().union(*(names for part, names in PARTS.items() if file.startswith(part)))
    allowed = modules("").union(*map(modules, beside), FRAMEWORKS.get(file, set()), sys.stdlib_module_names)
    named = {name.partition(".")[0] for _, name in imports(file)}

    assert named - allowed - {*ROOMS, "extras", "pydantic_core"} == set()


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_whose_extra_is_missing_says_so(bare: Environment, tmp_path: Path, name: str) -> None:
    """The last line of what Python prints is the sentence, after the error's name."""
    part, extra = IMPORTS[name]
    done = bare.run(bare.python, "-c", f"import {name}", cwd=tmp_path)

    error, _, sentence = done.stderr.splitlines()[-1].partition(": ")
    assert error in {"ImportError", "epay_transfers.extras.ExtraMissing"}
    assert sentence == f"{part} needs the extra `{extra}`: pip install 'epay-transfers[{extra}]'"


def test_a_backend_needs_the_base_alone(bare: Environment, tmp_path: Path) -> None:
    """Intents, the client, and what its unit tests use."""
    script = (
        "from epay_transfers.producers import *\nfrom epay_transfers.producers.testing import FakeTransfers\n"
        "intent = TransferIntent(reference='a', amount=1, description='b', sender=SavedCard(card_id='c'), "
        "receiver=Receiver(card_id='d'))\n"
        "print(FakeTransfers().enqueue(intent).state)"
    )
    done = bare.run(bare.python, "-c", script, cwd=tmp_path)

    assert done.stdout == "queued\n", done.stderr


def test_the_base_runs_the_worker_and_no_other_command(bare: Environment, tmp_path: Path) -> None:
    """With a word that is wrong it does not run, either."""
    worker = bare.run(bare.command, "worker", "--check", cwd=tmp_path)
    version = bare.run(bare.command, "--version", cwd=tmp_path)

    assert (worker.returncode, "REDIS_URL: is not set" in worker.stderr) == (EX_CONFIG, True), worker.stderr
    assert (version.returncode, version.stdout) == (0, "0.1.0\n"), version.stderr
    for words in ([], ["list"], ["worker", "--chekc"]):
        done = bare.run(bare.command, *words, cwd=tmp_path)
        assert done.stderr == "The command `transfers` needs the extra `cli`: pip install 'epay-transfers[cli]'\n"
        assert done.returncode == EX_UNAVAILABLE


@pytest.mark.parametrize("words", [["demo"], ["demo", "--web"], ["sandbox"], ["init", "--sandbox"]])
def test_a_command_whose_extra_is_missing_says_so(with_command: Environment, tmp_path: Path, words: list[str]) -> None:
    """In one line, and nothing is left in the folder."""
    done = with_command.run(with_command.command, *words, cwd=tmp_path)

    assert re.fullmatch(r"\S+( \S+)? needs the extra `demo`: pip install 'epay-transfers\[demo\]'\n", done.stderr)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (EX_UNAVAILABLE, "", [])


def test_operators_need_no_demo(with_command: Environment, tmp_path: Path) -> None:
    """Help lists every command; one that needs servers says which settings lack, and no word of an extra."""
    assert " demo " in with_command.run(with_command.command, "--help", cwd=tmp_path).stdout
    done = with_command.run(with_command.command, "list", cwd=tmp_path)

    assert (done.returncode, "REDIS_URL: is not set" in done.stderr) == (EX_CONFIG, True), done.stderr
