"""`transfers dead`: whose tries are used up, proved not sent. Requeue or discard is asked, and a worker does it."""

import typer

from ledger.errors import RecordUnreadable
from ledger.states import State
from ledger.transfer import Transfer
from ops import asking, screen
from ops.border import Refusal
from ops.commands import status
from ops.commands.list import table
from ops.desk import Desk
from ops.options import AsJson, Limit, Name, Reason, Wait, said

app = typer.Typer(help="The dead: retries used up, or the card gone, and proved not sent.", no_args_is_help=True)

_ONLY_DEAD = "only a dead transfer is requeued or discarded; `transfers status` says what comes next for this one"


@app.command("list")
def list_(*, limit: Limit = 50, as_json: AsJson = False) -> None:
    """The dead, longest dead first."""
    desk, unreadable = Desk.open(), list[RecordUnreadable]()
    records = desk.ledger.in_state(State.DEAD, limit, unreadable.append)
    if as_json:
        screen.say_json([Transfer.of(record).to_json() for record in records] + screen.unreadable_json(unreadable))
        return
    screen.say(table(records, desk.ledger.now_ms()))
    screen.say_unreadable(unreadable)
    if not records:
        screen.say("Nobody is dead.")


@app.command()
def show(name: Name, *, as_json: AsJson = False) -> None:
    """One of them, as `transfers status` shows it."""
    status.status(name, as_json=as_json)


@app.command()
def requeue(name: Name, *, reason: Reason, wait: Wait = 0) -> None:
    """Queue it again. The bank is asked first, and it is refused if the bank says anything but "not found"."""
    desk, why = Desk.open(), said(reason, "reason")
    record = desk.find(name)
    asking.must_be(record, State.DEAD, otherwise=_ONLY_DEAD)
    if record.reason == "card_lost":
        raise Refusal(f"{record.key}: its card is gone; discard it, and pay it under a new reference")
    asking.ask(desk, record, "requeue", why, wait_s=wait)


@app.command()
def discard(name: Name, *, reason: Reason, wait: Wait = 0) -> None:
    """End it as cancelled: no money moved, and none will."""
    desk, why = Desk.open(), said(reason, "reason")
    record = desk.find(name)
    asking.must_be(record, State.DEAD, otherwise=_ONLY_DEAD)
    asking.ask(desk, record, "discard", why, wait_s=wait)
