"""`transfers upgrade`: carries a ledger of the older format over to this version, once, with every process stopped.

It runs under the server user `repair`. Killed half-way, it goes on when it is run again.
"""

from typing import Annotated

import typer

from epay_transfers.ledger.store.format_upgrade import Converted, FormatUpgrade
from epay_transfers.ledger.store.pauses import ALL, Pause
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal

app = typer.Typer()


@app.command()
def upgrade(
    *, apply: Annotated[bool, typer.Option("--apply", help="Do it. Stop every other process first.")] = False
) -> None:
    """Carry a ledger of the older format over to this version; without --apply, show what it would do.

    Pauses go first, and none of them opens a lane on the way.
    """
    context = Context.connect()
    conversion = FormatUpgrade(context.client)
    if not conversion.is_needed():
        screen.say("The ledger is in this version's format: there is nothing to do.")
        return
    running = conversion.running()
    if running:
        raise NotYet(
            f"nothing was changed: workers of the older version were heard within three minutes: {', '.join(running)}. "
            "Stop them, and try again three minutes later"
        )
    if not apply:
        _say_pauses(conversion.pauses())
        screen.say_typed(
            "Nothing was changed. Stop every worker, producer and web tier, and then: "
            f"{typed.command()} upgrade --apply"
        )
        return
    _say_done(conversion.run())


def _say_pauses(pauses: list[Pause]) -> None:
    if pauses:
        columns = ("lane", "terminal", "until", "why")
        screen.say(screen.table(columns, [_row(pause) for pause in pauses], title="Pauses that go along"))
    else:
        screen.say("No pause stands in the older form.")


def _row(pause: Pause) -> tuple[str, str, str, str]:
    until = screen.when(pause.until_ms) if pause.until_ms else "it is ended by hand"
    terminal = "all terminals" if pause.terminal == ALL else pause.terminal
    return pause.lane, terminal, until, f"{pause.reason} ({pause.actor})"


def _say_done(done: Converted) -> None:
    screen.say(f"The ledger is in this version's format: {done.transfers} transfers are listed and counted.")
    screen.say_typed(f"Every pause stands as before: {typed.command()} pauses")
    if done.broken:
        raise Refusal(
            f"{len(done.broken)} records lack something, and are in no list: {', '.join(done.broken[:10])}: see the "
            "runbook, 'A part of the ledger is broken'"
        )
