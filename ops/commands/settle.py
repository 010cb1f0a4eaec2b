"""`transfers settle`: an operator says how a transfer in review ended, with evidence; the bank is asked first."""

from typing import Annotated

import typer

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ops import acting, decisions, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Evidence, Name, ReasonText, Wait, checked

app = typer.Typer()

_WORDS = {Verb.OPERATOR_PAID: "--paid", Verb.OPERATOR_NOT_PAID: "--not-paid", Verb.OPERATOR_REVERSED: "--reversed"}


@app.command()
def settle(
    name: Name,
    *,
    paid: Annotated[bool, typer.Option("--paid", help="The bank moved the money.")] = False,
    not_paid: Annotated[bool, typer.Option("--not-paid", help="The bank moved none, and will not.")] = False,
    reversed_: Annotated[bool, typer.Option("--reversed", help="The bank moved it and gave it back.")] = False,
    take_back: Annotated[bool, typer.Option("--take-back", help="Your own decision does not stand any more.")] = False,
    evidence: Evidence = "",
    reason: ReasonText,
    wait: Wait = WAIT_S,
) -> None:
    """Say how a transfer in review ended. The bank is asked; where it does not agree, a second operator is needed."""
    chosen = dict(zip(_WORDS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) + take_back != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(_WORDS.values())}, --take-back")
    if verbs and not evidence:
        raise typer.BadParameter("--evidence: say what the bank said, where, and to whom")
    context = Context.connect()
    why = checked(reason, "reason")
    if take_back:
        decisions.take_back(context, context.find(name), reason=why, wait_s=wait)
        return
    (verb,) = verbs
    proof = checked(evidence, "evidence")
    record = acting.find_in(context, name, verb.row.moves, _otherwise)
    again = f"settle {record.key} {_WORDS[verb]} --evidence ... --reason ..."
    decisions.submit(context, record, verb, evidence=proof, reason=why, again=again, wait_s=wait)


def _otherwise(record: Record) -> str:
    possible = [word for each, word in _WORDS.items() if record.state in each.row.moves]
    if possible:
        return f"only {' or '.join(possible)} is possible now"
    if record.state is State.DEAD:
        return f"it is proved not sent; `{typed.command()} dead discard` ends it"
    if record.state.final:
        return f"it has ended; where that is wrong, two operators correct it: `{typed.command()} correct`"
    return "only a transfer in review is settled by hand; the bank is still being asked, or was not reached yet"
