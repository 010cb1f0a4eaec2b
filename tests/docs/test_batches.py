"""docs/batches.md: its table has the columns that a batch takes, and its code runs as it stands there."""

import re
from pathlib import Path

from epay_transfers.ops.batches.reading import COLUMNS, REQUIRED
from epay_transfers.ops.batches.results import Became

TEXT = (Path(__file__).parents[2] / "docs" / "batches.md").read_text()


def test_the_table_has_each_column_and_says_which_are_needed() -> None:
    table = re.findall(
        r"^\| (`.*?) \| (.*) \|$", TEXT.partition("<!-- columns -->")[2].partition("<!-- /")[0], re.MULTILINE
    )
    columns = {name: says for names, says in table for name in re.findall("`([^`]+)`", names)}

    assert set(columns) == set(COLUMNS)
    assert {name for name, says in columns.items() if says.startswith("needed:")} == set(REQUIRED)


def test_the_table_has_each_result() -> None:
    assert {word for word in Became if f"\n| `{word}` | " in TEXT} == set(Became)
