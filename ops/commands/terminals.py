"""`transfers terminals`: lists terminals, the invoice ids that they have left, and the pauses that hold them."""

from typing import Any

import typer

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.store.pauses import ALL
from epay_transfers.ops import screen
from epay_transfers.ops.commands.pauses import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.terminals import TerminalUse
from epay_transfers.ops.terminals import terminals as uses

app = typer.Typer()


@app.command()
def terminals(*, as_json: AsJson = False) -> None:
    """Terminals, the invoice ids that their space has used of its million, and their paused pauses."""
    context = Context.connect()
    standing, counters = context.pauses.standing(), context.ledger.counters()
    found = [_as_dict(use) for use in uses(context.settings, counters, standing)]
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


def _as_dict(use: TerminalUse) -> dict[str, Any]:
    return {
        "terminal": use.name,
        "space": use.space,
        "suffixes_used": use.used,
        "suffixes": SUFFIXES,
        "stops": [as_dict(pause) for pause in use.pauses],
    }


def _words(stop: dict[str, Any]) -> str:
    until = f" until {stop['until']}" if stop["until"] else ""
    scope = ", all terminals" if stop["terminal"] == ALL else ""
    return f"{stop['lane']}{until}{scope}: {stop['reason']} ({stop['actor']})"
