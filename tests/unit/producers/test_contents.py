"""The room's table of contents, and what it may not reach for."""

import ast
import subprocess
import sys
from pathlib import Path

from epay_transfers import producers
from epay_transfers.producers import errors

ROOM = Path(producers.__file__).parent


def test_the_table_of_contents_is_sorted_and_whole() -> None:
    assert producers.__all__ == sorted(producers.__all__)
    assert all(hasattr(producers, name) for name in producers.__all__)
    assert set(errors.__all__) <= set(producers.__all__)


def test_every_error_of_the_tree_is_drawn_on_top_and_has_the_one_base() -> None:
    tree = errors.__doc__ or ""
    for name in errors.__all__:
        assert name in tree
        assert issubclass(getattr(errors, name), errors.TransfersError)


def test_producers_know_the_ledger_and_no_other_room() -> None:
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            rooms = {name.removeprefix("epay_transfers.").partition(".")[0] for name in names}
            assert not rooms & {"worker", "ops", "sandbox", "redis", "requests"}, file


def test_the_schema_is_printed_for_who_asks() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "epay_transfers.producers.schema"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOM.parent,
    )

    assert '"title": "TransferIntent"' in done.stdout
    assert not done.stderr
