"""`docs/security.md` names tests that exist, users that exist, and every setting that holds a secret."""

import re
from pathlib import Path

from epay_transfers.ledger.secret import Secret
from epay_transfers.producers.settings import ProducerSettings
from epay_transfers.worker.settings import WorkerSettings
from tests.security.guarded import lines_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_is_named_is_there() -> None:
    """So that a row without a proof can't stand there."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))

    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_row_of_pci_names_a_test() -> None:
    rows = re.findall(r"^\| \d+\.\d.*", TEXT, re.MULTILINE)

    assert len(rows) >= 15
    assert [row for row in rows if "`tests/" not in row] == []


def test_every_user_has_a_row() -> None:
    users = {re.sub("^ops-.*", "ops-NAME", line.split()[1]) for line in lines_of("ledger")} - {"default"}

    assert set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE)) == users


def test_every_settings_that_is_a_key_of_its_own_is_in_the_table() -> None:
    """Addresses with passwords and the reports' address are no keys."""
    secret = {
        name.upper()
        for room in (ProducerSettings, WorkerSettings)
        for name, field in room.model_fields.items()
        if Secret.__name__ in str(field.annotation) and not name.endswith(("_url", "_dsn"))
    }

    assert {name for name in secret if name not in TEXT} <= {"EPAY_CREDENTIALS", "NOTIFY_SECRET"}
