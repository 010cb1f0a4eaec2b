"""`transfers ask`: the bank is asked about one transfer now, and its word is printed beside the record's."""

import typer

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import requests, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import WAIT_S, Name, Wait

app = typer.Typer()

#: A question needs no other reason.
_WHY = "asked by hand"

_SETTLED = frozenset({Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.INQUIRY_REVERSED, Verb.NOTIFICATION_PAID})


@app.command()
def ask(name: Name, *, wait: Wait = WAIT_S) -> None:
    """Ask the bank about it now, in whatever state it is. It changes nothing but what an inquiry may change."""
    context = Context.connect()
    record = context.find(name)
    fields = {"key": record.key, "why": _WHY}
    answer = requests.ask(context, Kind.ASK, fields, subject=record.key, wait_s=wait)
    if answer is None:
        screen.say(f"{record.key}: asked; a worker does it")
        return
    told = answer.fields
    fresh = context.ledger.get(record.key)
    if fresh is None:
        raise Refusal("there is no transfer with this key or reference")
    screen.say(f"{record.key}: the bank says: {told.get('bank_said') or 'nothing'}")
    by_it = ", by this word of the bank" if told.get("verb") in _SETTLED else ""
    screen.say(f"{record.key}: the record says: {fresh.state} ({screen.MONEY_WORDS[fresh.state.money]}){by_it}")
