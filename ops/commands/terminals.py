"""`transfers terminals`: lists terminals, the invoice ids that they have left, and their paused pauses."""

from typing import Any

import typer

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.store.pauses import ALL, Pause
from epay_transfers.ops import screen
from epay_transfers.ops.commands.pauses import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson

app = typer.Typer()


@app.command()
def terminals(*, as_json: AsJson = False) -> None:
    """Terminals, the invoice ids that their space has used of its million, and their paused pauses."""
    context = Context.connect()
    stops, counters = context.pauses.standing(), context.ledger.counters()
    names = dict.fromkeys(("main", *context.settings.epay_terminals))
    found = [_terminal(context, name, counters, stops) for name in names]
    if as_json:
        screen.say_json(found)
        return
    rows = [
        (
            terminal["terminal"],
            terminal["space"],
            f"{terminal['suffixes_used']:,}".replace(",", " "),
            f"{SUFFIXES:,}".replace(",", " "),
            "; ".join(_words(stop) for stop in terminal["stops"]) or "none",
        )
        for terminal in found
    ]
    screen.say(screen.table(("terminal", "space", "used", "limit", "stops"), rows))


def _terminal(context: Context, name: str, counters: dict[str, int], stops: list[Pause]) -> dict[str, Any]:
    space = context.settings.space_of(name)
    own = [stop for stop in stops if stop.terminal in {ALL, name}]
    return {
        "terminal": name,
        "space": space,
        "suffixes_used": counters.get(f"used:{space}", 0),
        "suffixes": SUFFIXES,
        "stops": [as_dict(stop) for stop in own],
    }


def _words(stop: dict[str, Any]) -> str:
    until = f" until {stop['until']}" if stop["until"] else ""
    scope = ", all terminals" if stop["terminal"] == ALL else ""
    return f"{stop['lane']}{until}{scope}: {stop['reason']} ({stop['actor']})"
