"""Links between the documents: each leads to a file that is there, and to a heading that is in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("tests/*.md")])

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors_of(path: Path) -> set[str]:
    """The headings' anchors, as a forge makes them: lower case, blanks to dashes, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    lost = []
    for link in _LINK.findall(_CODE.sub("", document.read_text())):
        place, _, anchor = link.partition("#")
        if place.startswith(("https://", "mailto:")):
            continue
        target = (document.parent / place).resolve() if place else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            lost.append(link)

    assert lost == []


def test_the_documents_lead_to_one_another() -> None:
    """So that the test above has links to follow."""
    linked = {name for path in DOCUMENTS for name in _LINK.findall(path.read_text())}

    assert {"bank.md", "settings.md", "../deploy/runbook.md", "../docs/design.md"} <= linked
