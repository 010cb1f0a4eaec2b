"""`transfers pause` and `unpause`: pause and resume the lanes send, confirm and inquire.

A pause holds at once, without a worker, and a worker writes down by whom and why. Resuming a lane is a request.
"""

from typing import Annotated

import typer

from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.lanes import ALL, Lane
from epay_transfers.ops import requests, screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import WAIT_S, ReasonText, Wait, checked

app = typer.Typer()

LaneName = Annotated[Lane, typer.Argument(metavar="LANE", help="send, confirm or inquire.")]
Terminal = Annotated[str | None, typer.Option(help="Only this terminal; all of them if left out.")]


@app.command()
def pause(lane: LaneName, *, terminal: Terminal = None, reason: ReasonText) -> None:
    """Pause a lane. Calls under way end in order; transfers that wait go on waiting until their deadline."""
    context, why = Context.connect(), checked(reason, "reason")
    name = _known(context, terminal)
    context.lanes.add(lane, name)
    requests.put(context, Kind.PAUSED, {"lane": lane, "terminal": name, "why": why})
    screen.say(f"{lane} is paused for {_shown(name)}; `{typed.command()} unpause {lane}` resumes it")


@app.command()
def unpause(lane: LaneName, *, terminal: Terminal = None, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """Resume a paused lane. A worker does it, and only if no other pause came meanwhile."""
    context, why = Context.connect(), checked(reason, "reason")
    name = _known(context, terminal)
    stops = [stop for stop in context.lanes.pauses() if stop.lane is lane]
    pause = next((stop for stop in stops if stop.terminal == name), None)
    if pause is None:
        others = ", ".join(_shown(stop.terminal) for stop in stops)
        raise Refusal(f"{lane} is not paused for {_shown(name)}" + (f"; it is paused for {others}" if others else ""))
    fields = {"lane": lane, "terminal": name, "seen": pause.mark, "why": why}
    requests.submit(context, Kind.UNPAUSE, fields, subject=lane, wait_s=wait)


def _known(context: Context, terminal: str | None) -> str:
    if terminal is None:
        return ALL
    if context.settings.space_of(terminal) is None:
        raise Refusal("terminal: unknown; give main, or a name in EPAY_TERMINALS")
    return terminal


def _shown(terminal: str) -> str:
    return "all terminals" if terminal == ALL else f"the terminal {terminal}"
