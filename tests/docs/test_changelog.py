"""CHANGELOG.md: what a user can name, and the last release had not, stands under "Unreleased"."""

import re
from pathlib import Path

import pytest

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.states import State
from epay_transfers.ops.cli import COMMANDS
from epay_transfers.ops.settings_table import SETTINGS
from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent, Transfers

ROOT = Path(__file__).parents[2]

#: The names of the last release. At a release it is written anew: `.venv/bin/python -m tests.docs.test_changelog`.
RELEASED = Path(__file__).parent / "released_names.txt"

UNRELEASED = (ROOT / "CHANGELOG.md").read_text().partition("## [Unreleased]")[2].partition("\n## [")[0]


def names() -> list[str]:
    """Commands, settings, fields of an intent and its cards, methods of `Transfers`, states, alarms."""
    fields = {name for model in (TransferIntent, PanCard, SavedCard, Receiver) for name in model.model_fields}
    methods = {name for name in vars(Transfers) if not name.startswith("_")}
    settings = {setting.name for setting in SETTINGS}
    return sorted({*COMMANDS, *settings, *fields, *methods, *State, *Alarm})


KNOWN = set(RELEASED.read_text().splitlines())


@pytest.mark.parametrize("name", sorted(set(names()) - KNOWN))
def test_what_is_new_has_its_line(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", UNRELEASED)


def test_what_went_has_its_line() -> None:
    assert [name for name in KNOWN - set(names()) if name not in UNRELEASED] == []


if __name__ == "__main__":
    RELEASED.write_text("\n".join(names()) + "\n")
