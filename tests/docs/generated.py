"""The pieces of the documents that are made from the code. `python -m tests.docs.generated` writes them anew.

Each stands between `<!-- name -->` and `<!-- /name -->`; a test compares them.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from epay_transfers.ledger import state_tables
from epay_transfers.ops import settings_table
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.worker.bank import CATALOGUE, CodeClass, Consequence, Entry

ROOT = Path(__file__).parents[2]

#: What each consequence does, in the words of the code catalogue's table.
EFFECTS = {
    Consequence.WAIT_30_MIN: "the outcome says `not_before`: in 30 minutes",
    Consequence.RECEIVER_LIMIT: "the outcome says `not_before`: the next day in Almaty",
    Consequence.PAUSE_TERMINAL: "the terminal's send lane stops until the next day in Almaty; `not_before` says so too",
    Consequence.LEAVE_CARD: "the card is to be left alone: the producer reads it from the code",
}


def state_diagram() -> str:
    return f"```mermaid\n{state_tables.diagram()}\n```"


def settings() -> str:
    return "\n".join(settings_table.markdown_rows())


def code_catalogue() -> str:
    """A row for all codes of one meaning, in the catalogue's order."""
    rows = ["| code | meaning | class | and then |", "|---|---|---|---|"]
    for entry, codes in _meanings():
        then = EFFECTS[entry.consequence] if entry.consequence else ""
        if entry.code_class is CodeClass.SETUP:
            then = "three in a row stop the terminal's send lane"
        rows.append(f"| {', '.join(codes)} | {entry.meaning} | {_name(entry)} | {then} |")
    return "\n".join(rows)


def exit_statuses() -> str:
    rows = [f"| {int(status)} | {status.means} | {status.next} |" for status in ExitStatus]
    return "\n".join(["| status | it means | what to do |", "|---|---|---|", *rows])


def _meanings() -> Iterator[tuple[Entry, list[str]]]:
    for entry, pairs in groupby(CATALOGUE.items(), key=lambda pair: pair[1]):
        yield entry, [code for code, _ in pairs]


def _name(entry: Entry) -> str:
    return "paid" if entry.code_class is CodeClass.PAID else str(entry.code_class)


#: Where each piece stands.
PIECES: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/settings.md", "settings"): settings,
    ("docs/design.md", "states"): state_diagram,
    ("docs/design.md", "verbs"): state_tables.verbs,
    ("docs/command-line.md", "exit statuses"): exit_statuses,
    ("docs/bank.md", "codes"): code_catalogue,
}


def piece_of(text: str, name: str) -> re.Match[str]:
    """The piece between its marks. A document without the marks is an error."""
    found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=\n<!-- /{name} -->)", text, re.DOTALL)
    if found is None:
        raise LookupError(f"no marks for {name}")
    return found


def main() -> None:
    for (place, name), make in PIECES.items():
        path = ROOT / place
        text = path.read_text()
        found = piece_of(text, name)
        path.write_text(text[: found.start()] + make() + text[found.end() :])


if __name__ == "__main__":
    main()
