"""How an operator pauses a lane, ends one pause, or lets some transfers through it: in a terminal and in a browser."""

from dataclasses import dataclass

import typer

from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.pauses import ALL, PEOPLES_CAUSES, TOO_MANY, Cause, Lane, Pause
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import span_ms
from epay_transfers.runtime.audit import FARTHEST_MS

#: Of a pause with an end.
SHORTEST_MS = 60_000


@dataclass(frozen=True, slots=True)
class Added:
    """The pause that stands now. `terminal`: `ALL` for all of them."""

    id: str
    lane: Lane
    terminal: str


def pause(context: Context, lane: Lane, terminal: str | None, cause: Cause, until: str | None, why: str) -> Added:
    """It holds at once, and a worker writes down by whom and why. `until`: a span. Raises `BadParameter`, `Refusal`."""
    name = _known(context, terminal)
    if cause not in PEOPLES_CAUSES:
        raise typer.BadParameter(f"cause: give one of {', '.join(PEOPLES_CAUSES)}")
    lasts_ms = span_ms("until", until) if until else 0
    if until and lasts_ms < SHORTEST_MS:
        raise typer.BadParameter("until: give 1min at least: a shorter pause may be over before a worker has read it")
    if lasts_ms > FARTHEST_MS:
        raise typer.BadParameter("until: give 31d at most; without it, the pause stands until it is ended")
    until_ms = context.ledger.now_ms() + lasts_ms if until else 0
    return Added(requests.pause(context, lane, name, cause, until_ms, why), lane, name)


def unpause(
    context: Context,
    pause_id: str,
    tries: int | None,
    why: str,
    *,
    wait_s: float,
    since_ms: int | None = None,
    entry_id: str = "",
) -> tuple[Lane, list[str]]:
    """End it, or let so many transfers through it. Its lane, and the ids of the pauses that hold this besides.

    `since_ms`: as the operator saw it; one of the same id that stands anew since is left. Raises `Refusal`, `NotYet`.
    """
    there = context.pauses.get(pause_id)
    if there is None:
        anew = next((each for each in context.pauses.standing() if each.is_successor_of(pause_id)), None)
        if anew:
            raise Refusal(f"{pause_id} stands anew as {anew.id}: {anew.reason} ({anew.actor})")
        others = ", ".join(each.id for each in context.pauses.standing())
        raise Refusal(f"no pause {pause_id} stands" + (f"; these do: {others}" if others else ""))
    if pause_id.startswith(TOO_MANY):
        raise Refusal(f"{pause_id} is no pause: {there.reason}")
    seen_ms = there.since_ms if since_ms is None else since_ms
    fields = {"pause": pause_id, "seen": str(seen_ms), "why": why}
    fields |= {"tries": str(tries)} if tries else {}
    requests.submit(context, Kind.UNPAUSE, fields, subject=there.lane, wait_s=wait_s, entry_id=entry_id)
    left = [each.id for each in context.pauses.standing() if each.lane is there.lane and each.id != pause_id]
    return there.lane, left


def shown(terminal: str) -> str:
    return "all terminals" if terminal == ALL else terminal


def tried(pause: Pause) -> str:
    """How many may still be tried; empty where none was asked for."""
    return "" if pause.tries is None else f"{pause.tries} more may be tried"


def _known(context: Context, terminal: str | None) -> str:
    if terminal is None:
        return ALL
    if context.settings.space_of(terminal) is None:
        raise Refusal("terminal: unknown; give main, or a name in EPAY_TERMINALS")
    return terminal
