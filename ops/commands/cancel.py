"""`transfers cancel`: an operator ends a transfer before any money can move.

For a parked and a dead one a worker does it, after it asked the bank. A queued one is withdrawn here, which needs the
vault: a worker could take its card out a moment later.
"""

from functools import partial

import typer

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ledger.withdraw import VaultPlace, WasTaken, Withdrawn, withdraw
from epay_transfers.ops import acting, requests, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import Name, ReasonText, Wait, checked

app = typer.Typer()

_TOO_LATE = {
    State.SENDING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.RESUMED: "the client has answered, and it is being confirmed: it is too late",
    State.CONFIRMING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.IN_DOUBT: "it was sent, so it is too late; the bank is being asked what became of it",
    State.NEEDS_REVIEW: "it was sent, so it is too late; find out at the bank, then `transfers settle`",
}


@app.command()
def cancel(name: Name, *, reason: ReasonText, wait: Wait = 0) -> None:
    """Take a transfer back before any money can move: a queued, a parked or a dead one."""
    context, why = Context.connect(), checked(reason, "reason")
    states = {State.PARKED, State.DEAD, State.QUEUED}
    record = acting.find_in(context, name, states, lambda found: _TOO_LATE.get(found.state, "it has ended"))
    match record.state:
        case State.PARKED:
            requests.submit(context, record, RequestedAction.CANCEL, why, wait_s=wait)
        case State.DEAD:
            requests.submit(context, record, RequestedAction.DISCARD, why, wait_s=wait)
        case _:
            _withdraw(context, record, why)


def _withdraw(context: Context, record: Record, why: str) -> None:
    if context.settings.vault_url is None:
        raise Refusal(
            f"{record.key} is queued: its card has to be locked away first, so set VAULT_URL here; "
            "or let its producer cancel it"
        )
    place = VaultPlace(Vault(connect(context.settings.vault_url.reveal())))
    move = partial(context.ledger.move, actor=context.actor)
    match withdraw(record, Verb.CANCEL, reason=Reason.CANCELLED, cards=place, move=move, event={"why": why}):
        case Withdrawn():
            screen.say(f"{record.key}: cancelled; no money has moved, and none will")
        case WasTaken():
            raise Refusal(f"{record.key}: too late, its card was taken out already; the bank is asked about it")
        case Refused() as refused:
            raise acting.refusal(record, refused)
