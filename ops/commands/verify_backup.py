"""`transfers verify-backup`: says what a backup of the ledger is good for. It starts a server on a copy of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ops import listing, screen
from epay_transfers.ops.backup.verifying import Verified, verify
from epay_transfers.ops.commands.audit import grouped
from epay_transfers.ops.options import AsJson

app = typer.Typer()

_NOT_GOOD = 1


@app.command("verify-backup")
def verify_backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A dump, an append-only file, or the folder of either.")],
    *,
    server: Annotated[
        str, typer.Option(metavar="PROGRAM", help="Read it with this server in place of the one that comes along.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Start a server on a copy of a backup, on this machine alone, and say what the backup is good for.

    It compares counters, records, lists and events, looks for card numbers, and says how old the last event is.
    """
    found = verify(path, server)
    if as_json:
        screen.say_json(_as_dict(found))
    else:
        for line in _lines(found):
            screen.say_typed(line)
    raise typer.Exit(0 if found.is_good else _NOT_GOOD)


def _as_dict(found: Verified) -> dict[str, object]:
    return {
        "good": found.is_good,
        "says": _sentence(found),
        "format": found.format,
        "transfers": found.transfers,
        "unfinished": found.unfinished,
        "archived": found.archived,
        "sequence": found.sequence,
        "last_event": found.last_event,
        "last_event_at": screen.iso(found.last_event_at),
        "age_s": None if not found.last_event_at else max(0, found.now_ms - found.last_event_at) // 1000,
        "cut_off": found.is_cut_off,
        "discrepancies": [
            {"where": group.where, "says": group.says, "count": len(group.keys), "keys": group.keys[:3]}
            for group in grouped(found.discrepancies)
        ],
        "card_numbers": found.card_numbers,
    }


def _lines(found: Verified) -> Iterator[str]:
    yield _sentence(found)
    yield (
        f"It has {listing.number(found.transfers)} transfers, {listing.number(found.unfinished)} of them unfinished, "
        f"{listing.number(found.archived)} archived; the sequence {found.sequence}, and {found.last_event} events were "
        "ever told."
    )
    if found.last_event_at:
        ago = screen.away(found.last_event_at, found.now_ms)
        yield f"Its last event is of {screen.when(found.last_event_at)}, {ago}: what happened since is not in it."
    for group in grouped(found.discrepancies):
        yield f"{group.where}: {group.says} ({len(group.keys)}, such as {group.keys[0]})"
    if found.card_numbers:
        yield f"It holds {found.card_numbers} card numbers: see the runbook, 'Looking for card numbers'."


def _sentence(found: Verified) -> str:
    if found.card_numbers:
        return "NOT GOOD: it holds card numbers. Restrict it at once, and find out how they came there"
    if found.discrepancies:
        return "NOT GOOD to restore: its parts contradict each other. It may be read; take an older one to restore"
    if found.is_cut_off:
        return (
            "GOOD TO READ: its end is cut off, as of a file that was copied while its server wrote. To restore it, "
            "know that its last writes are missing"
        )
    return (
        "GOOD: a whole ledger, whose parts agree. It may be read, and restored by the runbook, 'Restoring a backup': "
        "sending stays closed until it was compared with the bank's statement"
    )
