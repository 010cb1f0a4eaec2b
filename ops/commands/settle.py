"""`transfers settle`: a person ends what the bank's answers do not. It needs evidence, which is kept with the name."""

from typing import Annotated

import typer

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, EventFields
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import Name, Reason, said

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
    reason: Reason,
) -> None:
    """End a held transfer by hand, by what the bank said elsewhere. `--reversed` ends a paid one too."""
    chosen = dict(zip(_WORDS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(_WORDS.values())}")
    context, verb = Context.open(), verbs[0]
    event = EventFields(why=said(reason, "reason"), proof=said(evidence, "evidence"))
    record = context.find(name)
    _must_allow(record, verb)
    change = Change(fields={"reason": "settled_by_operator"}, event=event)
    moved = context.ledger.move(record, verb, change, actor=context.actor)
    if isinstance(moved, Refused):
        raise Refusal(f"{record.key}: nothing was changed; meanwhile it is {moved.state}")
    screen.say(f"{record.key}: {moved.state}, settled by {context.settings.operator}")


def _must_allow(record: Record, verb: Verb) -> None:
    if record.state in verb.row.moves:
        return
    legal = [word for each, word in _WORDS.items() if record.state in each.row.moves]
    if legal:
        says = f"only {' or '.join(legal)} is possible now"
    elif record.state is State.DEAD:
        says = "it is proved not sent; `transfers dead discard` ends it"
    elif record.state.final:
        says = "it has ended, and stays so"
    else:
        says = "only a held transfer is settled by hand; the bank is still being asked, or was not reached yet"
    raise Refusal(f"{record.key} is {record.state}: {says}")
