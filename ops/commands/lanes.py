"""`transfers pause` and `unpause`: pause and resume the lanes send, confirm and inquire."""

from typing import Annotated

import typer

from epay_transfers.ledger.store.lanes import ALL, Lane
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import ReasonText, checked

app = typer.Typer()

LaneName = Annotated[Lane, typer.Argument(metavar="LANE", help="send, confirm or inquire.")]
Terminal = Annotated[str | None, typer.Option(help="Only this terminal; all of them if left out.")]


@app.command()
def pause(lane: LaneName, *, terminal: Terminal = None, reason: ReasonText) -> None:
    """Pause a lane. Calls under way end in order; transfers that wait go on waiting until their deadline."""
    context, why = Context.connect(), checked(reason, "reason")
    name = _known(context, terminal)
    context.lanes.pause(lane, name, actor=context.actor, reason=why)
    screen.say(f"{lane} is paused for {_shown(name)}; `transfers unpause {lane}` resumes it")


@app.command()
def unpause(lane: LaneName, *, terminal: Terminal = None, reason: ReasonText) -> None:
    """Resume a paused lane."""
    context, why = Context.connect(), checked(reason, "reason")
    name = _known(context, terminal)
    stops = [stop for stop in context.lanes.pauses() if stop.lane is lane]
    if name not in {stop.terminal for stop in stops}:
        others = ", ".join(_shown(stop.terminal) for stop in stops)
        raise Refusal(f"{lane} is not paused for {_shown(name)}" + (f"; it is paused for {others}" if others else ""))
    context.lanes.unpause(lane, name, actor=context.actor, reason=why)
    screen.say(f"{lane} is resumed for {_shown(name)}")


def _known(context: Context, terminal: str | None) -> str:
    if terminal is None:
        return ALL
    if context.settings.space_of(terminal) is None:
        raise Refusal("terminal: unknown; give main, or a name in EPAY_TERMINALS")
    return terminal


def _shown(terminal: str) -> str:
    return "all terminals" if terminal == ALL else f"the terminal {terminal}"
