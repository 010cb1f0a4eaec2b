"""`transfers correct`: two operators say that a transfer ended otherwise than its record has it, with evidence."""

from typing import Annotated

import typer

from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.possible import CORRECTS
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Evidence, Name, ReasonText, Wait

app = typer.Typer()


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
    chosen = dict(zip(CORRECTS, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(f'--{word}' for word in CORRECTS.values())}")
    one_transfer.correct(Context.connect(), name, verbs[0], evidence=evidence, wish=Wish(reason, wait))
