"""`transfers settle`: an operator ends what the bank's answers do not, with evidence, which is kept with the name."""

from typing import Annotated

import typer

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, EventFields
from epay_transfers.ops import acting
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import Name, ReasonText, checked

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
) -> None:
    """End a transfer in review by hand, by what the bank said elsewhere. `--reversed` ends a paid one too."""
    chosen = dict(zip(_WORDS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(_WORDS.values())}")
    context = Context.connect()
    event = EventFields(why=checked(reason, "reason"), proof=checked(evidence, "evidence"))
    change = Change(fields={"reason": Reason.SETTLED_BY_OPERATOR}, event=event)
    by = context.settings.operator
    acting.act(
        context, name, verbs[0], change, otherwise=_otherwise, done=lambda moved: f"{moved.state}, settled by {by}"
    )


def _otherwise(record: Record) -> str:
    possible = [word for each, word in _WORDS.items() if record.state in each.row.moves]
    if possible:
        return f"only {' or '.join(possible)} is possible now"
    if record.state is State.DEAD:
        return "it is proved not sent; `transfers dead discard` ends it"
    if record.state.final:
        return "it has ended, and stays so"
    return "only a transfer in review is settled by hand; the bank is still being asked, or was not reached yet"
