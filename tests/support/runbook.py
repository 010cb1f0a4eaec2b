"""The runbook as tests read it: each heading with what stands below it, and what it quotes of the overview."""

import re
from pathlib import Path

from epay_transfers.ops.cli import COMMANDS
from epay_transfers.ops.overview.judgement import Trouble

RUNBOOK = (Path(__file__).parents[2] / "deploy/runbook.md").read_text()


def sections_of(text: str) -> dict[str, str]:
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def part_of(what: Trouble, lead: str) -> str:
    """What stands behind `**Do:**` in the section of a trouble, in one line."""
    behind = sections_of(RUNBOOK)[what].partition(f"- **{lead}**")[2]
    return " ".join(re.split(r"^- \*\*", behind, flags=re.MULTILINE)[0].split())


def is_quoted(what: Trouble, says: str) -> bool:
    """Does the section quote this sentence? `…` in it stands for what differs each time."""
    quotes = re.findall(r"\*([^*]+)\*", part_of(what, "Overview says:"))
    return any(re.search(re.escape(quote).replace("…", ".*"), says) is not None for quote in quotes)


def name_of(command: str) -> str:
    """A command without what differs each time: `transfers dead list`, `kill -CONT`."""
    words = command.split()
    if words[:1] != ["transfers"]:
        return " ".join(word for word in words if not word.isdigit())
    return " ".join(words[: 3 if " ".join(words[1:3]) in COMMANDS else 2])
