"""`transfers queue rebuild`: send the wake-ups that are missing, after the queue was lost. It is safe to repeat."""

from collections import Counter

import typer

from epay_transfers.ledger.queue.wakeups import count_without_wakeup
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import listing, requests, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, ReasonText, Wait, checked

#: So many are looked at between two words on standard error.
_STEP = 20_000

app = typer.Typer(name="queue", help="The queue of wake-ups, which can always be made again.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Needed by typer, for this group has one command so far."""


@app.command()
def rebuild(*, apply: bool = False, reason: ReasonText = "", wait: Wait = 60, as_json: AsJson = False) -> None:
    """Say how many wake-ups would be sent; with --apply and a --reason, a worker sends them. It is safe to repeat."""
    if apply and not reason:
        raise typer.BadParameter("--apply needs a --reason, which stands in the event")
    context = Context.connect()
    why = checked(reason, "reason") if apply else ""
    counts = _counts(context)
    sent: int | None = 0
    if not as_json:
        screen.say(screen.table(("queue", "count"), sorted(counts.items())))
    if apply:
        answer = requests.ask(context, Kind.REBUILD, {"why": why}, subject="the queue", wait_s=wait)
        sent = int(answer.fields["sent"]) if answer else None
    if as_json:
        screen.say_json({"wakeups": dict(counts), "sent": sent})
    elif apply:
        screen.say("Asked; a worker sends them." if sent is None else f"A worker sent {sent} wake-ups.")
    else:
        screen.say("Dry run. Add --apply --reason TEXT to send the wake-ups.")


def _counts(context: Context) -> Counter[str]:
    """How many transfers wait for a worker without a message that calls one, by the queue of their wake-ups."""
    return count_without_wakeup(context.ledger, context.queue_client, _say_progress)


def _say_progress(done: int, of: int) -> None:
    if done % _STEP == 0:
        typer.echo(f"Looked at {listing.number(done)} transfers of {listing.number(max(done, of))}.", err=True)
