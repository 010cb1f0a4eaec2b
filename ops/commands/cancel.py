"""`transfers cancel`: take a transfer back before any money can move.

A parked one is asked about first, and a worker closes a dead one: that is written into the ledger. For a queued one the
vault is closed here, as whoever ends what was never sent has to: else a worker could take its card out a moment later.
"""

import typer

from ledger.record import AT_ONCE, REMEMBERED, Record
from ledger.replies import Refused
from ledger.sealing import Purpose
from ledger.servers import connect
from ledger.states import State, Verb
from ledger.vault import Vault
from ops import asking, screen
from ops.border import Refusal
from ops.desk import Desk
from ops.options import Name, Reason, Wait, said

app = typer.Typer()

_TOO_LATE = {
    State.SENDING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.RESUMED: "the client has answered, and it is being confirmed: it is too late",
    State.CONFIRMING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.IN_DOUBT: "it was sent, so it is too late; the bank is being asked what became of it",
    State.HELD: "it was sent, so it is too late; find out at the bank, then `transfers settle`",
}


@app.command()
def cancel(name: Name, *, reason: Reason, wait: Wait = 0) -> None:
    """Take a transfer back before any money can move: a queued, a parked or a dead one."""
    desk, why = Desk.open(), said(reason, "reason")
    record = desk.find(name)
    match record.state:
        case State.PARKED:
            asking.ask(desk, record, "cancel", why, wait_s=wait)
        case State.DEAD:
            asking.ask(desk, record, "discard", why, wait_s=wait)
        case State.QUEUED:
            _take_back(desk, record, why)
        case _:
            raise Refusal(f"{record.key} is {record.state}: {_TOO_LATE.get(record.state, 'it has ended')}")


def _take_back(desk: Desk, record: Record, why: str) -> None:
    if desk.settings.vault_url is None:
        raise Refusal(
            f"{record.key} is queued: its card has to be locked away first, so set VAULT_URL here; "
            "or let its producer cancel it"
        )
    vault = Vault(connect(desk.settings.vault_url.reveal()))
    event = {"why": why}
    if not vault.close(Purpose.CARD, record.key, record.epoch):
        _remember(desk, record, event)
    moved = desk.ledger.move(record, Verb.CANCEL, actor=desk.actor, fields={"reason": "cancelled"}, event=event)
    if isinstance(moved, Refused):
        raise Refusal(f"{record.key}: nothing was changed; meanwhile it is {moved.state}")
    vault.drop(record.key)
    screen.say(f"{record.key}: cancelled; no money has moved, and none will")


def _remember(desk: Desk, record: Record, event: dict[str, str]) -> None:
    """The card was taken out after all: it may have been sent, and the bank has to be asked."""
    desk.ledger.move(
        record, Verb.REMEMBER, actor=desk.actor, due_in=0, fields=REMEMBERED, fields_in=AT_ONCE, event=event
    )
    raise Refusal(f"{record.key}: too late, its card was taken out already; the bank is asked what became of it")
