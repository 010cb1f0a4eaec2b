"""`transfers scan`: searches for card numbers where none may be. Exit status 1 if it found one.

It says what it looked at and what it could not read: a search that saw a part never says that there is nothing.
"""

from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.file_scan import scan_files
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.server_users import OPERATORS_READ
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime.card_scan import Report
from epay_transfers.runtime.server_scan import scan_servers

app = typer.Typer()

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", exists=True, help="Files and folders to search as well: backups, logs, dumps."),
]
FilesAlone = Annotated[bool, typer.Option("--files", help="Search these files and folders alone, and no server.")]


@app.command()
def scan(*, paths: Paths = None, files: FilesAlone = False, as_json: AsJson = False) -> None:
    """Search every key of the ledger's server, its queue, and files for card numbers. It shows each masked."""
    if files and not paths:
        raise typer.BadParameter("--files needs at least one file or folder")
    report = Report()
    if not files:
        _scan_servers(Context.connect().settings, report)
    if paths:
        scan_files(paths, report)
    screen.say_json(report.to_json()) if as_json else _say(report)
    raise typer.Exit(1 if report.finds else 0)


def _scan_servers(settings: OpsSettings, report: Report) -> None:
    """A server that goes away takes nothing of what was found before."""
    may_read = OPERATORS_READ if settings.server_operator else ("*",)
    try:
        scan_servers(settings.redis_url.reveal(), settings.queue_url, report, may_read)
    except LedgerUnavailable as error:
        if not report.finds:
            raise
        report.could_not_read("the rest of the servers", error.why)


def _say(report: Report) -> None:
    if report.finds:
        rows = [(find.where, find.place, find.card) for find in report.finds]
        screen.say(screen.table(("where", "place", "card number"), rows, title="Card numbers"))
        if report.more:
            screen.say(f"And {report.more} more.")
    screen.say("Looked at: " + "; ".join(f"{name}: {count}" for name, count in report.looked.items()) + ".")
    if report.unread:
        rows = [(what, str(count), why) for (what, why), count in sorted(report.unread.items())]
        screen.say(screen.table(("not read", "count", "why"), rows))
    if not report.finds and report.unread:
        screen.say("No card number in what was read. What was not read may hold some.")
    elif not report.finds:
        screen.say("No card number found in all of it.")
