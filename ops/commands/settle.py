"""`transfers settle`: an operator ends what the bank's answers do not, with evidence, which is kept with the name."""

from typing import Annotated

import typer

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import acting, requests, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Name, ReasonText, Wait, checked

app = typer.Typer()

_WORDS = {Verb.OPERATOR_PAID: "--paid", Verb.OPERATOR_NOT_PAID: "--not-paid", Verb.OPERATOR_REVERSED: "--reversed"}


@app.command()
def settle(
    name: Name,
    *,
    paid: Annotated[bool, typer.Option("--paid", help="The bank moved the money.")] = False,
    not_paid: Annotated[bool, typer.Option("--not-paid", help="The bank moved none, and will not.")] = False,
    reversed_: Annotated[bool, typer.Option("--reversed", help="The bank moved it and gave it back.")] = False,
    evidence: Annotated[str, typer.Option(help="What the bank said, where, and to whom: it is kept for ever.")],
    reason: ReasonText,
    wait: Wait = WAIT_S,
) -> None:
    """End a transfer in review by hand, by what the bank said elsewhere. `--reversed` ends a paid one too."""
    chosen = dict(zip(_WORDS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(_WORDS.values())}")
    context, (verb,) = Context.connect(), verbs
    why, proof = checked(reason, "reason"), checked(evidence, "evidence")
    record = acting.find_in(context, name, verb.row.moves, _otherwise)
    seen = {"key": record.key, "version": str(record.version)}
    fields = seen | {"verb": verb.value, "why": why, "proof": proof}
    requests.submit(context, Kind.SETTLE, fields, subject=record.key, wait_s=wait)


def _otherwise(record: Record) -> str:
    possible = [word for each, word in _WORDS.items() if record.state in each.row.moves]
    if possible:
        return f"only {' or '.join(possible)} is possible now"
    if record.state is State.DEAD:
        return f"it is proved not sent; `{typed.command()} dead discard` ends it"
    if record.state.final:
        return "it has ended, and stays so"
    return "only a transfer in review is settled by hand; the bank is still being asked, or was not reached yet"
