"""`transfers cancel`: an operator ends a transfer before any money can move."""

import typer

from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Name, ReasonText, Wait

app = typer.Typer()


@app.command()
def cancel(name: Name, *, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """Take a transfer back before any money can move: a queued, a parked or a dead one."""
    one_transfer.cancel(Context.connect(), name, Wish(reason, wait))
