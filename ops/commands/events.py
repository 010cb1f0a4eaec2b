"""`transfers events`: shows the audit trail, and follows it."""

from typing import Annotated

import typer

from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Limit

app = typer.Typer()


@app.command()
def events(
    name: Annotated[str | None, typer.Argument(metavar="[KEY|REFERENCE]", help="Only those of one transfer.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Every move, with its actor and reason. With --follow and --json, one line for each event."""
    context = Context.connect()
    key = context.find(name).key if name else None
    found = context.events.newest(limit, key=key)
    if follow:
        _follow(context, found, key, as_json=as_json)
    elif as_json:
        screen.say_json([as_dict(event) for event in found])
    else:
        screen.say(screen.table(("at", "transfer", "what happened", "by"), [_row(event) for event in found]))


def as_dict(event: Event) -> dict[str, str]:
    return {"id": event.id} | event.fields


def _follow(context: Context, found: list[Event], key: str | None, *, as_json: bool) -> None:
    for event in found:
        _line(event, as_json=as_json)
    shown = found if found and not key else context.events.newest(1)
    for batch in context.events.follow(shown[-1].id if shown else "0"):
        for event in batch:
            if key in {None, event.fields.get("key")}:
                _line(event, as_json=as_json)


def _line(event: Event, *, as_json: bool) -> None:
    if as_json:
        screen.say_json(as_dict(event))
    else:
        screen.say("  ".join(_row(event)))


def _row(event: Event) -> tuple[str, str, str, str]:
    return (
        screen.when(event.at_ms),
        event.fields.get("key", "-"),
        descriptions.happened(event),
        event.fields.get("actor", ""),
    )
