"""`transfers correct`: two operators say that a transfer ended otherwise than its record has it, with evidence."""

from typing import Annotated

import typer

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ops import acting, decisions, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Evidence, Name, ReasonText, Wait, checked

app = typer.Typer()

_WORDS = {Verb.CORRECT_PAID: "--paid", Verb.CORRECT_NOT_PAID: "--not-paid", Verb.CORRECT_REVERSED: "--reversed"}


@app.command()
def correct(
    name: Name,
    *,
    paid: Annotated[bool, typer.Option("--paid", help="The bank moved the money after all.")] = False,
    not_paid: Annotated[bool, typer.Option("--not-paid", help="The bank moved none after all.")] = False,
    reversed_: Annotated[bool, typer.Option("--reversed", help="The bank moved it and gave it back.")] = False,
    evidence: Evidence,
    reason: ReasonText,
    wait: Wait = WAIT_S,
) -> None:
    """Correct how a transfer ended. Always two operators; the bank is asked, and what it proves can't be undone."""
    chosen = dict(zip(_WORDS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(_WORDS.values())}")
    context, (verb,) = Context.connect(), verbs
    why, proof = checked(reason, "reason"), checked(evidence, "evidence")
    record = acting.find_in(context, name, verb.row.moves, _otherwise)
    again = f"correct {record.key} {_WORDS[verb]} --evidence ... --reason ..."
    decisions.submit(context, record, verb, evidence=proof, reason=why, again=again, wait_s=wait)


def _otherwise(record: Record) -> str:
    if not record.state.final:
        return "only what has ended is corrected"
    possible = [word for each, word in _WORDS.items() if record.state in each.row.moves]
    if record.state is State.PAID:
        return f"only {' or '.join(possible)} is possible; `{typed.command()} settle` --reversed says it was given back"
    return f"only {' or '.join(possible)} is possible"
