"""`transfers dead`: whose tries are used up, proved not sent. Requeue or discard is asked, and a worker does it."""

import typer

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import acting, requests, typed
from epay_transfers.ops.commands import list as listed
from epay_transfers.ops.commands import status
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import WAIT_S, AsJson, CursorText, Limit, Name, ReasonText, Wait, checked

app = typer.Typer(help="The dead: retries used up, or the card gone, and proved not sent.", no_args_is_help=True)


def _only_dead(_record: Record) -> str:
    status_command = f"`{typed.command()} status`"
    return f"only a dead transfer is requeued or discarded; {status_command} says what comes next for this one"


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
    context, why = Context.connect(), checked(reason, "reason")
    record = acting.find_in(context, name, {State.DEAD}, _only_dead)
    if record.reason == Reason.CARD_LOST:
        raise Refusal(f"{record.key}: its card is gone; discard it, and pay it under a new reference")
    _request(context, record, RequestedAction.REQUEUE, why, wait)


@app.command()
def discard(name: Name, *, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """End it as cancelled: no money moved, and none will."""
    context, why = Context.connect(), checked(reason, "reason")
    record = acting.find_in(context, name, {State.DEAD}, _only_dead)
    _request(context, record, RequestedAction.DISCARD, why, wait)


def _request(context: Context, record: Record, what: RequestedAction, why: str, wait_s: float) -> None:
    fields = {"key": record.key, "what": what, "why": why}
    requests.submit(context, Kind.REQUEST, fields, subject=record.key, wait_s=wait_s)
