"""The recipes of docs/transactions.md on real servers: a crash between every two lines, and the sender's errors."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.postgres import USER, running_postgres
from tests.web.killed_lines import EXAMPLES, RECIPES
from tests.web.test_examples import environment

__all__ = ["environment"]  # a fixture, used here too

ROOT = Path(__file__).parents[2]
OUTBOXES = [name for name in RECIPES if name.startswith("outbox")]

#: Functions of an example that no test runs to their end: an endless loop.
_ENDLESS = {"run"}


def _run(module: str, recipe: str, folder: Path, *flags: str) -> list[Any]:
    command = [sys.executable, "-m", f"tests.web.{module}", recipe, str(folder), *flags]
    done = subprocess.run(  # noqa: S603 - our own
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=110,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _lines_to_end_before(example: str) -> set[int]:
    """Where a statement of its functions begins; not those that only an error leads to."""
    tree = ast.parse((EXAMPLES / f"{example}.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name not in _ENDLESS]
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    usual = [node for node in handlers if isinstance(node.type, ast.Name) and node.type.id == "NotFound"]
    rare = {id(inner) for node in handlers if node not in usual for inner in ast.walk(node)}
    return {
        node.lineno
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.stmt) and node is not function and id(node) not in rare
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    }


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_crash_between_every_two_lines_loses_no_payout_and_doubles_none(
    environment: None, tmp_path: Path, recipe: str
) -> None:
    """Afterwards each committed row has exactly one transfer, and what was rolled back has none, before and after.

    The process ends without a word, as SIGKILL ends it, before each line of the example and of what calls it.
    """
    *runs, whole = _run("killed_lines", recipe, tmp_path)

    for run in runs:
        left = run["left"]
        assert set(left["transfers"]) <= set(left["rows"]), run  # what is not committed is not paid
        assert {reference for reference, done in left["rows"].items() if done} <= set(left["transfers"]), run
        assert run["transfers"] == dict.fromkeys(run["rows"], 1), run
        assert all(run["rows"].values()), run
        assert set(left["rows"]) <= set(run["rows"]), run
    assert whole["transfers"] == dict.fromkeys(whole["rows"], 1)
    assert any("-committed" in reference for reference in whole["rows"])
    assert not [reference for run in [*runs, whole] for reference in run["transfers"] if "-rolled-back" in reference]
    assert any(set(run["left"]["rows"]) - set(run["left"]["transfers"]) for run in runs)  # a crash after the commit
    assert any(
        reference in run["left"]["transfers"] and not done
        for run in runs
        for reference, done in run["left"]["rows"].items()
    )  # and one after `enqueue`
    places = re.findall(rf"{recipe}\.py:(\d+)", " ".join(run["line"] for run in runs))
    assert _lines_to_end_before(recipe) - {int(place) for place in places} == set()


@pytest.mark.parametrize("recipe", OUTBOXES)
def test_the_sender_leaves_a_row_for_later_or_for_a_person_and_goes_on(tmp_path: Path, recipe: str) -> None:
    """A row says what is wrong with it, and holds up no other; what waiting cures is sent then."""
    [found] = _run("killed_lines", recipe, tmp_path, "--errors")

    first, then = found["first"], found["then"]
    assert {name: row[:2] for name, row in first.items()} == {
        "good": [0, 1],  # its terminal is paused: later
        "conflict": [0, 0],
        "unknown-terminal": [0, 0],
        "old-text": [0, 0],
    }
    assert first["good"][2].startswith("terminal: it is stopped until ")
    assert first["conflict"][2].startswith("this reference or invoice id is known with another intent")
    assert first["unknown-terminal"][2].startswith("terminal: is not known here")
    assert first["old-text"][2].startswith("schema: is of another version")
    assert then["good"] == [1, 0, ""]
    assert {name: row for name, row in then.items() if name != "good"} == {
        name: row for name, row in first.items() if name != "good"
    }


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in OUTBOXES])
def test_an_outcome_that_came_before_the_second_commit_stays(tmp_path: Path, recipe: str) -> None:
    """Else a payment that is paid would be shown as one that is not known, for ever."""
    [found] = _run("killed_lines", recipe, tmp_path, "--outcome-first")

    assert found["outcome-committed"] == ["paid"]


@pytest.mark.parametrize(
    ("recipe", "options", "sent"),
    [
        ("outbox_with_django", {"transaction_mode": "IMMEDIATE"}, True),
        ("outbox_with_django", {}, "database is locked"),
        ("outbox_with_sqlalchemy", {}, True),
    ],
)
def test_on_sqlite_a_sender_goes_on_while_another_process_commits(
    tmp_path: Path, recipe: str, options: dict[str, str], sent: object
) -> None:
    """Django's needs the option that docs/transactions.md names; without it the sender ends, and loses nothing."""
    named = re.search(r'`"OPTIONS": (\{"transaction_mode": .*?\})`', (ROOT / "docs/transactions.md").read_text())

    assert _run("sqlite_locks", recipe, tmp_path / "db", json.dumps(options)) == [[sent]]
    assert named is not None
    assert json.loads(named[1]) == {"transaction_mode": "IMMEDIATE"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Path]:
    with running_postgres() as folder:
        yield folder


@pytest.mark.parametrize("recipe", OUTBOXES)
def test_senders_at_once_take_no_row_twice_and_none_waits_for_another(postgres: Path, recipe: str) -> None:
    """On PostgreSQL, by `skip locked`: a row that is held up holds up no other, and one whose sender died is free."""
    _drop(postgres)
    [found] = _run("two_senders", recipe, postgres)

    assert found["one_row_is_held"] == {
        "went_on": [True, True],
        "others": [True, False],  # the one sent the second row, the other one found none
        "sent_meanwhile": ["second"],
        "calls": {"first": 1, "second": 1},
        "sent": ["first", "second"],
        "nothing_left": False,
    }
    assert found["many_at_once"] == {"calls": [1], "sent": 40}
    assert found["one_dies"] == {
        "answers": ["died", True], "calls": {"dead": 2}, "transfers": ["dead"], "is_sent": True
    }  # fmt: skip


def _drop(postgres: Path) -> None:
    with psycopg.connect(host=str(postgres), user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute("drop table if exists payout_outbox")
