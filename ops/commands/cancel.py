"""`transfers cancel`: take a transfer back before any money can move.

A parked one is asked about first, and a worker closes a dead one: that is written into the ledger. For a queued one the
vault is closed here, as whoever ends what was never sent has to: else a worker could take its card out a moment later.
"""

import typer

from epay_transfers.ledger.record import AT_ONCE, REMEMBERED, Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops import requests, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import Name, Reason, Wait, said

app = typer.Typer()

_TOO_LATE = {
    State.SENDING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.RESUMED: "the client has answered, and it is being confirmed: it is too late",
    State.CONFIRMING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.IN_DOUBT: "it was sent, so it is too late; the bank is being asked what became of it",
    State.NEEDS_REVIEW: "it was sent, so it is too late; find out at the bank, then `transfers settle`",
}


@app.command()
def cancel(name: Name, *, reason: Reason, wait: Wait = 0) -> None:
    """Take a transfer back before any money can move: a queued, a parked or a dead one."""
    context, why = Context.open(), said(reason, "reason")
    record = context.find(name)
    match record.state:
        case State.PARKED:
            requests.ask(context, record, "cancel", why, wait_s=wait)
        case State.DEAD:
            requests.ask(context, record, "discard", why, wait_s=wait)
        case State.QUEUED:
            _take_back(context, record, why)
        case _:
            raise Refusal(f"{record.key} is {record.state}: {_TOO_LATE.get(record.state, 'it has ended')}")


def _take_back(context: Context, record: Record, why: str) -> None:
    if context.settings.vault_url is None:
        raise Refusal(
            f"{record.key} is queued: its card has to be locked away first, so set VAULT_URL here; "
            "or let its producer cancel it"
        )
    vault = Vault(connect(context.settings.vault_url.reveal()))
    event = {"why": why}
    if not vault.close(Purpose.CARD, record.key, record.epoch):
        _remember(context, record, event)
    moved = context.ledger.move(record, Verb.CANCEL, actor=context.actor, fields={"reason": "cancelled"}, event=event)
    if isinstance(moved, Refused):
        raise Refusal(f"{record.key}: nothing was changed; meanwhile it is {moved.state}")
    vault.drop(record.key)
    screen.say(f"{record.key}: cancelled; no money has moved, and none will")


def _remember(context: Context, record: Record, event: dict[str, str]) -> None:
    """The card was taken out after all: it may have been sent, and the bank has to be asked."""
    context.ledger.move(
        record, Verb.FOUND_TAKEN, actor=context.actor, due_in=0, fields=REMEMBERED, fields_in=AT_ONCE, event=event
    )
    raise Refusal(f"{record.key}: too late, its card was taken out already; the bank is asked what became of it")
