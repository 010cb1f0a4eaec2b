"""`transfers cancel`: an operator ends a transfer before any money can move.

A worker does it: of a parked and a dead one it asks the bank first, of a queued one it locks the card away first.
"""

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import acting, requests, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Name, ReasonText, Wait, checked

app = typer.Typer()

_TOO_LATE = {
    State.SENDING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.RESUMED: "the client has answered, and it is being confirmed: it is too late",
    State.CONFIRMING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.IN_DOUBT: "it was sent, so it is too late; the bank is being asked what became of it",
    State.NEEDS_REVIEW: "it was sent, so it is too late; find out at the bank, then `{transfers} settle`",
}


def _too_late(state: State) -> str:
    return _TOO_LATE.get(state, "it has ended").format(transfers=typed.command())


@app.command()
def cancel(name: Name, *, reason: ReasonText, wait: Wait = WAIT_S) -> None:
    """Take a transfer back before any money can move: a queued, a parked or a dead one."""
    context, why = Context.connect(), checked(reason, "reason")
    states = {State.PARKED, State.DEAD, State.QUEUED}
    record = acting.find_in(context, name, states, lambda found: _too_late(found.state))
    requests.submit(context, Kind.CANCEL, {"key": record.key, "why": why}, subject=record.key, wait_s=wait)
