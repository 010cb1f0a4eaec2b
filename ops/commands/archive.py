"""`transfers archive`: exports what ended long ago into files, and reduces it in the ledger to its end.

It runs under the server user `archive`. Killed at any moment, it goes on when it is run again.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ops import listing, screen, typed
from epay_transfers.ops.archive.archiving import YOUNGEST_MS, Archiving, Result
from epay_transfers.ops.archive.files import Folder
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, checked

app = typer.Typer()

_DAYS = YOUNGEST_MS // 86_400_000


@app.command()
def archive(
    *,
    before: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Those that ended before this day, UTC.")
    ],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go; it is made if it is not there.")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with your name. Needed for --apply.")] = "",
    as_json: AsJson = False,
) -> None:
    """Export transfers that ended before DATE, verify the files, and then keep of each in the ledger its end alone.

    What is kept answers a producer that repeats the reference, so nothing is paid again. Without --apply it counts.
    """
    if apply and not reason:
        raise typer.BadParameter("--apply needs a --reason, which stands in the events")
    why = checked(reason, "reason") if apply else ""
    context = Context.connect()
    before_ms = int(before.replace(tzinfo=UTC).timestamp() * 1000)
    if before_ms > context.ledger.now_ms() - YOUNGEST_MS:
        raise typer.BadParameter(
            f"--before: give a day that is {_DAYS} days past, for until then the bank may be asked"
        )
    archiving = Archiving(
        context.ledger, before_ms=before_ms, actor=f"operator {context.operator}", why=why, progress=_say_progress
    )
    result = archiving.run(Folder(to)) if apply else archiving.count()
    if as_json:
        screen.say_json(_as_dict(result, is_applied=apply))
    else:
        _say(result, to, is_applied=apply)


def _as_dict(result: Result, *, is_applied: bool) -> dict[str, object]:
    return {
        "applied": is_applied,
        "archived": result.archived,
        "looked_at": result.looked_at,
        "left": [
            {"why": why, "says": why.sentence, "count": count} for why, count in sorted(result.left.items()) if count
        ],
        "files": result.files,
    }


def _say(result: Result, to: Path, *, is_applied: bool) -> None:
    count = listing.number(result.archived)
    if is_applied:
        screen.say(f"Archived {count} transfers, in {len(result.files)} files of {to}.")
    else:
        screen.say(f"{count} transfers would be archived. Nothing was changed.")
    for why, left in sorted(result.left.items()):
        if left:
            screen.say(f"Left as they are: {listing.number(left)} that {why.sentence}.")
    if not is_applied:
        screen.say_typed(f"Add --apply --reason TEXT to do it; then `{typed.command()} scan --files {to}`.")


def _say_progress(done: int, of: int) -> None:
    if done:
        typer.echo(
            f"Looked at {listing.number(done)} ended transfers, of {listing.number(max(done, of))} in all.", err=True
        )
