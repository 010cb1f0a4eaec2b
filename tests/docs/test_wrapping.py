"""Markdown is wrapped at 120 columns, as the code is, so that a change shows as the sentence that it changes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "deploy/*.md", "tests/*.md") for path in ROOT.glob(pattern)
)

LONGEST = 120


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Every line with its number; tables, and code in fences, are not prose."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("|"):
            yield number, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_prose_is_longer_than_120_columns(document: Path) -> None:
    assert [number for number, line in prose(document.read_text()) if len(line) > LONGEST] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_span_is_cut_by_the_wrapping(document: Path) -> None:
    """A command of the runbook can be copied from one line."""
    cut = [number for number, line in prose(document.read_text()) if len(re.findall(r"(?<!`)`(?!`)", line)) % 2]

    assert cut == []


def test_tables_and_code_are_not_prose() -> None:
    """So that a long row is let through, and a long sentence after a fence is not."""
    text = "a sentence\n| a | row |\n  ```\n  code\n  ```\nanother"

    assert [line for _, line in prose(text)] == ["a sentence", "another"]
