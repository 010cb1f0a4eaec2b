"""`transfers dead`: whose tries are used up, proved not sent. Requeue or discard is asked, and a worker does it."""

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.commands import list as listed
from epay_transfers.ops.commands import status
from epay_transfers.ops.context import Context
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import WAIT_S, AsJson, CursorText, Limit, Name, ReasonText, Wait

app = typer.Typer(help="The dead: retries used up, or the card gone, and proved not sent.", no_args_is_help=True)


@app.command("list")
def list_(*, cursor: CursorText = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """The dead, longest dead first, with their sum by reason. `transfers list dead` has filters."""
    listed.show(Context.connect(), Wanted(states=[State.DEAD]), cursor=cursor, limit=limit, as_json=as_json)


@app.command()
def show(name: Name, *, as_json: AsJson = False) -> None:
    """One of them, as `transfers status` shows it."""
    status.status(name, as_json=as_json)


@app.command()
def requeue(name: Name, *, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """Queue it again. The bank is asked first, and it is refused if the bank says anything but "not found"."""
    one_transfer.requeue(Context.connect(), name, Wish(reason, wait))


@app.command()
def discard(name: Name, *, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """End it as cancelled: no money moved, and none will."""
    one_transfer.discard(Context.connect(), name, Wish(reason, wait))
