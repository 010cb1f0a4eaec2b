"""docs/batches.md: its table has the columns that a batch takes, and its code runs as it stands there."""

import re
from pathlib import Path

import pytest

from epay_transfers import producers
from epay_transfers.ops.batches.reading import COLUMNS, METADATA_COLUMNS, REQUIRED
from epay_transfers.ops.batches.results import Became
from epay_transfers.producers.testing import FakeTransfers
from tests.support.intents import payout

TEXT = (Path(__file__).parents[2] / "docs" / "batches.md").read_text()


def test_the_table_has_each_column_and_says_which_are_needed() -> None:
    table = re.findall(
        r"^\| (`.*?) \| (.*) \|$", TEXT.partition("<!-- columns -->")[2].partition("<!-- /")[0], re.MULTILINE
    )
    columns = {name: says for names, says in table for name in re.findall("`([^`]+)`", names)}

    assert set(columns) == {*COLUMNS, METADATA_COLUMNS}
    assert {name for name, says in columns.items() if says.startswith("needed:")} == set(REQUIRED)


def test_the_table_has_each_result() -> None:
    assert {word for word in Became if f"\n| `{word}` | " in TEXT} == set(Became)


def test_the_look_at_a_list_runs_as_it_stands_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeTransfers()
    for number in range(150):
        fake.enqueue(payout(f"payout-{number}"))
        fake.park(f"payout-{number}")
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.setattr(producers, "Transfers", type("Known", (), {"from_env": lambda **_: fake}))

    exec(code, {})  # noqa: S102 - the document's own code

    assert len(capsys.readouterr().out.splitlines()) == 150
