"""How a module of the product is made: its law on top, its size, its table of contents."""

import ast
import importlib
import re

import pytest

from tests.architecture.source import PACKAGE, ROOT, files, nodes_of, text_of, tree_of

LONGEST = 600  # a table of states is read by its entries; what is no table is longer than one can read from 350 on
LONGEST_FUNCTION = 120  # the worker's root is one list of its parts; ruff bounds what has branches

PACKAGES = [file for file in files() if file.endswith("__init__.py") and "__all__" in text_of(file)]


def test_a_module_opens_with_its_law() -> None:
    laws = {file: ast.get_docstring(tree_of(file)) or "" for file in files() if text_of(file).strip()}
    short = [file for file, law in laws.items() if len(law) <= 40]

    assert short == [], "say in 1 to 5 lines what lives here and what must not; a label is no law"


def test_a_module_is_no_longer_than_one_can_read() -> None:
    long = [file for file in (*files(), *files("lua")) if len(text_of(file).splitlines()) > LONGEST]

    assert long == [], "find the noun that you missed"


def test_a_function_fits_on_a_screen() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{file}:{node.lineno} {node.name}"
        for file in files()
        for node in nodes_of(file)
        if isinstance(node, kinds) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("file", PACKAGES)
def test_a_table_of_contents_is_sorted_and_true(file: str) -> None:
    module = importlib.import_module(PACKAGE + file.removesuffix("/__init__.py").replace("/", "."))
    names: list[str] = module.__all__

    assert names == sorted(set(names), key=_kind)
    assert all(hasattr(module, name) for name in names)
    brought = {
        alias.asname or alias.name
        for node in tree_of(file).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name for name in brought if not name.startswith("_")} <= set(names), "what it imports, it offers"


def test_a_package_that_offers_names_has_a_table_of_contents() -> None:
    with_imports = [
        file for file in files() if file.endswith("__init__.py") and re.search("^from ", text_of(file), re.MULTILINE)
    ]

    assert with_imports == PACKAGES


def test_the_worker_offers_nothing() -> None:
    """It is a process; whoever needs a part of it builds one."""
    assert text_of("worker/__init__.py").strip() == ""


def test_every_clock_but_one_is_an_argument() -> None:
    """Nothing else reads the time, so a test can own it. The sandbox is a bank, and has its own; ops hold a screen."""
    reading = re.compile(
        r"\btime\.(?:time|time_ns|monotonic|monotonic_ns|sleep|clock_gettime|clock_gettime_ns)\(|\.utcnow\(|datetime\.now\(|date\.today\("
    )
    found = [
        f"{file}:{number}"
        for file in files()
        if not file.startswith(("ledger/clock.py", "sandbox/", "ops/", "producers/testing/"))
        for number, line in enumerate(text_of(file).splitlines(), 1)
        if reading.search(line)
    ]
    assert found == []


def test_all_rooms_are_packaged() -> None:
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} == {
        "ledger",
        "ops",
        "producers",
        "runtime",
        "sandbox",
        "worker",
    }


def _kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
