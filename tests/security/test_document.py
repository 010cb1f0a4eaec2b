"""`docs/security.md` names tests that exist, what each user's thief can still do, and how each secret is changed."""

import re
from pathlib import Path

from epay_transfers.runtime.secret_files import SECRET_SETTINGS
from tests.security.guarded import lines_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def section(title: str) -> str:
    """From its heading to the next one of the same level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def users() -> set[str]:
    return {re.sub("^ops-.*", "ops-NAME", line.split()[1]) for line in lines_of("ledger")} - {"default"}


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
    assert set(re.findall(r"^\| `([\w-]+)` \|", section("The servers' users"), re.MULTILINE)) == users()


def test_every_user_has_its_paragraph_of_what_its_thief_can_still_do() -> None:
    """But of those that are off. Each names the test of what it can't; `backend` is two others. Alike ones share it."""
    heading = re.compile(r"^### (`[\w-]+`(?:, `[\w-]+`)*)$", re.MULTILINE)
    parts = heading.split(section("What one stolen password can still do"))
    shared = dict(zip(parts[1::2], parts[2::2], strict=True))
    paragraphs = {name: text for names, text in shared.items() for name in re.findall(r"[\w-]+", names)}

    assert paragraphs.keys() == users() - {"repair", "archive"}
    assert [name for name, text in paragraphs.items() if "can still" not in text] == []
    assert [name for name, text in paragraphs.items() if "`tests/security/" not in text] == ["backend"]


def test_every_setting_that_is_a_secret_stands_in_the_inventory_of_keys() -> None:
    """With its owner and place, its life, and how it is changed. Every process's secrets are on that list."""
    rows = [line.split(" | ") for line in section("Inventory of keys").splitlines() if line.startswith("| ")][1:]
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row[0])}

    assert named >= SECRET_SETTINGS
    assert [row for row in rows if len(row) != 4 or not all(cell.strip(" |") for cell in row)] == []


def test_the_page_is_short_enough_to_be_read() -> None:
    assert len(TEXT.splitlines()) <= 340
