"""`transfers dead`: whose tries are used up, proved not sent. Requeue or discard is asked, and a worker does it."""

import typer

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import RequestedAction
from epay_transfers.ledger.states import State
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import acting, requests, screen
from epay_transfers.ops.commands import status
from epay_transfers.ops.commands.list import table
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import AsJson, Limit, Name, ReasonText, Wait, checked

app = typer.Typer(help="The dead: retries used up, or the card gone, and proved not sent.", no_args_is_help=True)

_ONLY_DEAD = "only a dead transfer is requeued or discarded; `transfers status` says what comes next for this one"


@app.command("list")
def list_(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """The dead, longest dead first."""
    context, unreadable = Context.connect(), list[RecordUnreadable]()
    records = context.ledger.in_state(State.DEAD, limit, unreadable.append)
    if as_json:
        screen.say_json([Transfer.of(record).to_json() for record in records] + screen.unreadable_json(unreadable))
        return
    screen.say(table(records, context.ledger.now_ms()))
    screen.say_unreadable(unreadable)
    if not records:
        screen.say("No dead transfers.")


@app.command()
def show(name: Name, *, as_json: AsJson = False) -> None:
    """One of them, as `transfers status` shows it."""
    status.status(name, as_json=as_json)


@app.command()
def requeue(name: Name, *, reason: ReasonText, wait: Wait = 0) -> None:
    """Queue it again. The bank is asked first, and it is refused if the bank says anything but "not found"."""
    context, why = Context.connect(), checked(reason, "reason")
    record = acting.find_in(context, name, {State.DEAD}, lambda _: _ONLY_DEAD)
    if record.reason == Reason.CARD_LOST:
        raise Refusal(f"{record.key}: its card is gone; discard it, and pay it under a new reference")
    requests.submit(context, record, RequestedAction.REQUEUE, why, wait_s=wait)


@app.command()
def discard(name: Name, *, reason: ReasonText, wait: Wait = 0) -> None:
    """End it as cancelled: no money moved, and none will."""
    context, why = Context.connect(), checked(reason, "reason")
    record = acting.find_in(context, name, {State.DEAD}, lambda _: _ONLY_DEAD)
    requests.submit(context, record, RequestedAction.DISCARD, why, wait_s=wait)
