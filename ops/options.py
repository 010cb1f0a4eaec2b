"""Options that several commands share, and the check of a typed reason or evidence: one line, no card number."""

import re
from typing import Annotated

import typer

from epay_transfers.ledger.pasted_text import cleaned
from epay_transfers.ledger.store.inboxes import complaint_of
from epay_transfers.ledger.store.lists import Cursor
from epay_transfers.ops.exit_status import Refusal


def checked(text: str, name: str) -> str:
    """Check a reason or a piece of evidence before it is stored for ever."""
    text = cleaned(text).strip()
    if complaint := complaint_of(text):
        raise Refusal(f"{name}: {complaint}")
    return text


def span_ms(name: str, text: str) -> int:
    """`30s`, `5min`, `2h`, `3d` in ms."""
    match = re.fullmatch(r"([0-9]{1,6})(s|min|h|d)", text.strip())
    if match is None:
        raise typer.BadParameter(f"{name}: give a number and s, min, h or d, like 5min")
    return int(match[1]) * _UNITS[match[2]]


def cursor_of(text: str | None) -> Cursor | None:
    """Raises `CursorUnreadable`."""
    return None if text is None else Cursor.from_text(text)


_UNITS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

CursorText = Annotated[str | None, typer.Option("--cursor", help="Go on where the page before ended.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for a machine.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]
Name = Annotated[
    str,
    typer.Argument(
        metavar="KEY|REFERENCE", help="A transfer, by its key, its reference, or the bank's id or reference."
    ),
]
ReasonText = Annotated[str, typer.Option(help="Why; it is kept with your name.")]
Evidence = Annotated[str, typer.Option(help="What the bank said, where, and to whom: it is kept for ever.")]
Wait = Annotated[float, typer.Option(min=0, max=3600, metavar="SECONDS", help="Wait so long for what comes of it.")]

#: A worker reads an operator's request within a second.
WAIT_S = 10.0
