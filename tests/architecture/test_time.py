"""The ledger's time is its server's: no way in production gives it another one."""

import ast
import re

import pytest

from tests.architecture.source import files, nodes_of, text_of

#: What may be given a test's time, and by which of its arguments in order.
TAKES = {"Ledger": 1, "Reader": 1, "Events": 1, "Pauses": 1, "Breakers": 3, "Heartbeats": 1}

#: Transfers in memory, for a backend's own tests: time passes there when the test says so.
DOUBLES = "producers/testing/"

#: The ledger's own room hands on what it was given.
HANDED_ON = {"ledger.test_clock", "context.ledger.test_clock", "self.test_clock", "self._test_clock", "test_clock"}


def given(call: ast.Call) -> list[str]:
    """What the call gives as a test's time."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    more = [ast.unparse(word.value) for word in call.keywords if word.arg == "test_clock"]
    at = TAKES.get(name)
    return more + ([] if at is None else [ast.unparse(value) for value in call.args[at:]])


def test_no_way_in_production_gives_the_ledger_a_time() -> None:
    """Each of these is None where nobody gave one at the root, and there nobody does."""
    wrong = [
        f"{file}:{node.lineno} {clock}"
        for file in files()
        if not file.startswith(DOUBLES)
        for node in nodes_of(file)
        if isinstance(node, ast.Call)
        for clock in given(node)
        if clock not in HANDED_ON
    ]
    assert wrong == []


def test_nobody_outside_the_ledger_sets_it() -> None:
    others = [file for file in files() if not file.startswith(("ledger/", DOUBLES))]

    assert [file for file in others if re.search(r"\btest_clock\b\s*(?::[^=\n]*)?=(?!=)", text_of(file))] == []


def test_the_roots_build_a_ledger_without_one() -> None:
    built = [
        f"{file}: {ast.unparse(node)}"
        for file in files()
        if not file.startswith(DOUBLES)
        for node in nodes_of(file)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Ledger"
    ]

    assert len(built) >= 4
    assert all(len(ast.parse(text.partition(": ")[2], mode="eval").body.args) == 1 for text in built), built  # type: ignore[attr-defined]  # a call


@pytest.mark.parametrize("file", [file for file in files("lua") if not file.endswith("/_time.lua")])
def test_one_script_alone_asks_the_server_for_its_time(file: str) -> None:
    assert "'TIME'" not in text_of(file)
