"""`transfers events`: shows the audit trail, and follows it."""

import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import descriptions, event_export, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.follower import Follower, Output, PlaceFile, Position
from epay_transfers.ops.options import AsJson, Limit, span_ms
from epay_transfers.runtime.endpoint import Endpoint, NotListening
from epay_transfers.runtime.output import OutputError
from epay_transfers.runtime.trail import Numbers, TrailAlarm

app = typer.Typer()


@app.command()
def events(
    name: Annotated[str | None, typer.Argument(metavar="[KEY|REFERENCE]", help="Only those of one transfer.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until a signal.")] = False,
    place: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --follow --json: go on where this file says; it is kept up to date."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Add all that this file lacks, each line with a checksum."),
    ] = None,
    trim_older: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="With --export: remove from the log what is older and in the file: 7d, say."),
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Every move, with its actor and reason. With --follow and --json, one line for each event.

    With --place FILE it begins with the oldest event, and after a restart where it stood: each event at least once.
    It serves /live and /ready at FOLLOWER_ADDRESS then, where that is set.
    """
    if place is not None and not (follow and as_json and name is None):
        raise Refusal("--place: only with --follow and --json, and without the name of a transfer")
    if trim_older is not None and export is None:
        raise typer.BadParameter("--trim-older: only with --export FILE: what is in no file is not removed")
    if export is not None and (follow or name is not None):
        raise typer.BadParameter("--export: without --follow, and without the name of a transfer")
    context = Context.connect()
    if export is not None:
        _export(context, export, trim_older, as_json=as_json)
        return
    if place is not None:
        file = PlaceFile(place)
        _follow(context, file.load(), file.store, None, as_json=True, address=context.settings.follower_address)
    record = context.find(name) if name else None
    key = record.key if record else None
    found = context.events.of(record).events[-limit:] if record else context.events.newest(limit)
    if follow:
        _follow(context, _after(context, found, key, as_json=as_json), _keep_nothing, key, as_json=as_json)
    elif as_json:
        screen.say_json([as_dict(event) for event in found])
    else:
        screen.say(screen.table(("at", "transfer", "what happened", "by"), [_row(event) for event in found]))


def as_dict(event: Event) -> dict[str, str]:
    return {"id": event.id} | event.fields


def _export(context: Context, path: Path, trim_older: str | None, *, as_json: bool) -> None:
    older_ms = span_ms("trim-older", trim_older) if trim_older is not None else None
    done = event_export.export(context.events, path, trim_older_ms=older_ms, actor=f"operator {context.operator}")
    if as_json:
        screen.say_json(
            {"added": done.added, "events": done.known.events, "last_number": done.known.number}
            | {"missing": done.missing, "trimmed": done.trimmed}
        )
    else:
        screen.say(f"Added {done.added} events; the file has {done.known.events}, up to number {done.known.number}.")
        if older_ms is not None:
            screen.say(f"Removed {done.trimmed} from the log, all of which the file has.")
    if done.missing:
        raise Refusal(
            f"{done.missing} events were removed from the log before they were exported: export more often, or raise "
            "EVENTS_KEEP of the workers"
        )


def _after(context: Context, found: list[Event], key: str | None, *, as_json: bool) -> Position:
    """What there is already is shown; what comes after it is followed. What was before it is not known."""
    position = Position(numbers=Numbers(announced=None))
    for event in found:
        _line(event, as_json=as_json)
    for event in found if found and not key else context.events.newest(1):
        list(position.numbers.read(event))
        position.place = event.id
    return position


def _keep_nothing(_position: Position) -> None:
    """Without a file, the place is forgotten with the process."""


def _follow(
    context: Context,
    position: Position,
    store: Callable[[Position], None],
    key: str | None,
    *,
    as_json: bool,
    address: str = "",
) -> None:
    """Until a signal: the lines under way are written, and the process ends with 0, or 130 for Ctrl-C.

    `address`: where liveness and readiness are; empty for none.
    """
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: asked.append(given))

    def show(event: Event) -> None:
        if key in {None, event.fields.get("key")}:
            _line(event, as_json=as_json)

    def warn(found: TrailAlarm) -> None:
        if as_json:
            _write(screen.as_json({"alarm": found.flaw, "says": found.says} | found.found))
        else:
            _write(f"ALARM: {found.says}")

    output = Output(show, warn, _store_lines, lambda text: typer.echo(text, err=True))
    follower = Follower(
        context.events, position, output, context.clock, is_stopping=lambda: bool(asked), sleep=time.sleep, store=store
    )
    if address:
        _listen(address, follower)
    try:
        follower.run()
    except OutputError as error:
        if not error.is_reader_gone:
            raise
        raise Refusal("what read the events has ended; begin it and the follower anew") from None
    raise typer.Exit(130 if signal.SIGINT in asked else 0)


def _listen(address: str, follower: Follower) -> None:
    """An address that is taken keeps no event from the log: it is said, and the follower runs without."""
    try:
        endpoint = Endpoint(address, live=follower.live, ready=follower.ready).start()
    except NotListening as error:
        typer.echo(f"FOLLOWER_ADDRESS: {error}; give this follower another HOST:PORT. It follows without.", err=True)
    else:
        typer.echo(f"Serving http://{endpoint.address}/live and /ready.", err=True)


def _line(event: Event, *, as_json: bool) -> None:
    _write(screen.as_json(as_dict(event)) if as_json else "  ".join(_row(event)))


def _write(line: str) -> None:
    """A line in one piece: what reads it never gets a half one and then the whole one after a restart."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _store_lines() -> None:
    """Where the lines go into a file, they outlive a machine that stops now. A pipe has nothing to store."""
    number = sys.stdout.fileno()
    if stat.S_ISREG(os.fstat(number).st_mode):
        try:
            os.fsync(number)
        except OSError as error:
            raise OutputError(error.errno or 0) from None


def _row(event: Event) -> tuple[str, str, str, str]:
    return (
        screen.when(event.at_ms),
        event.fields.get("key", "-"),
        descriptions.happened(event),
        event.fields.get("actor", ""),
    )
