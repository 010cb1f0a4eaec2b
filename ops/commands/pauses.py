"""`transfers pauses`, `pause` and `unpause`: what pauses the lanes send, confirm and inquire, and for how long.

A pause holds at once, without a worker, and a worker writes down by whom and why. Ending one is a request, by its id.
"""

from typing import Annotated, Any

import typer

from epay_transfers.ledger.store.pauses import PEOPLES_CAUSES, Cause, Lane, Pause
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import pausing, screen, typed
from epay_transfers.ops.behind import behind
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, AsJson, ReasonText, Wait, checked

app = typer.Typer()

LaneName = Annotated[Lane, typer.Argument(metavar="LANE", help="send, confirm or inquire.")]
Terminal = Annotated[str | None, typer.Option(help="Only this terminal; all of them if left out.")]


@app.command()
def pauses(*, as_json: AsJson = False) -> None:
    """The pauses that stand, longest first, and the money that waits behind each."""
    context = Context.connect()
    standing, totals, now_ms = context.pauses.standing(), context.ledger.totals(), context.ledger.now_ms()
    if as_json:
        screen.say_json([as_dict(pause) | {"behind": _behind_json(pause, totals)} for pause in standing])
        return
    rows = [
        (
            pause.id,
            pause.lane,
            pausing.shown(pause.terminal),
            pause.cause,
            screen.span(now_ms - pause.since_ms) if pause.since_ms else "?",
            screen.when(pause.until_ms) if pause.until_ms else "it is ended by hand",
            "; ".join(map(str, screen.sums(behind(pause, totals)))) or "none",
            f"{pause.reason} ({pause.actor})" + tried(pause),
        )
        for pause in standing
    ]
    if rows:
        columns = ("id", "lane", "terminal", "cause", "age", "until", "money behind it", "why")
        screen.say(screen.table(columns, rows))
    else:
        screen.say("No lane is paused.")


@app.command()
def pause(
    lane: LaneName,
    *,
    terminal: Terminal = None,
    cause: Annotated[
        Cause, typer.Option(metavar="CAUSE", help=f"{', '.join(PEOPLES_CAUSES)}.", show_default=True)
    ] = Cause.OTHER,
    until: Annotated[str | None, typer.Option(metavar="SPAN", help="It ends by itself after 30min, 2h, 1d.")] = None,
    reason: ReasonText,
) -> None:
    """Pause a lane. Calls under way end in order; transfers that wait go on waiting until their deadline."""
    context, why = Context.connect(), checked(reason, "reason")
    added = pausing.pause(context, lane, terminal, cause, until, why)
    ends_it = f"`{typed.command()} unpause {added.id}`"
    screen.say(
        f"{lane} is paused for {pausing.shown(added.terminal)}: pause {added.id}. {ends_it} ends it, and no other"
    )


@app.command()
def unpause(
    pause_id: Annotated[str, typer.Argument(metavar="ID", help="Of the pause, as `transfers pauses` shows it.")],
    *,
    tries: Annotated[
        int | None, typer.Option("--try", min=1, max=100, help="Only let so many transfers through, and see.")
    ] = None,
    reason: ReasonText,
    wait: Wait = WAIT_S,
) -> None:
    """End one pause, by its id; the lane is open when no other stands. A worker does it.

    With --try the pause stays, and so many transfers go through. Where its cause was the bank's answer (the set-up,
    the terminal's limit, the token), it ends by itself when the bank serves one of them.
    """
    context, why = Context.connect(), checked(reason, "reason")
    lane, left = pausing.unpause(context, pause_id, tries, why, wait_s=wait)
    if left:
        screen.say(f"{lane} stays paused, by {', '.join(left)}")


def as_dict(pause: Pause) -> dict[str, Any]:
    return {
        "id": pause.id,
        "lane": pause.lane,
        "terminal": pause.terminal,
        "cause": pause.cause,
        "since": screen.iso(pause.since_ms),
        "until": screen.iso(pause.until_ms),
        "actor": pause.actor,
        "reason": pause.reason,
        "tries": pause.tries,
        "trial": pause.trial,
    }


def tried(pause: Pause) -> str:
    """What is known of a trial."""
    if pause.tries is None:
        return ""
    last = f"; the last was {pause.trial}" if pause.trial else ""
    return f"; {pausing.tried(pause)}{last}"


def _behind_json(pause: Pause, totals: Totals) -> list[dict[str, Any]]:
    return [line.to_json() for line in screen.sums(behind(pause, totals))]
