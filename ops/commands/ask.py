"""`transfers ask`: the bank is asked about one transfer now, and its word is printed beside the record's."""

import typer

from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Name, Wait

app = typer.Typer()


@app.command()
def ask(name: Name, *, wait: Wait = WAIT_S) -> None:
    """Ask the bank about it now, in whatever state it is. It changes nothing but what an inquiry may change."""
    one_transfer.ask(Context.connect(), name, Wish(one_transfer.WHY_ASKED, wait))
