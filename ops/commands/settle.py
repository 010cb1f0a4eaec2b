"""`transfers settle`: an operator says how a transfer in review ended, with evidence; the bank is asked first."""

from typing import Annotated

import typer

from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.possible import SETTLES
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import WAIT_S, Evidence, Name, ReasonText, Wait

app = typer.Typer()


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
    chosen = dict(zip(SETTLES, (paid, not_paid, reversed_), strict=True))
    verbs = [verb for verb, is_chosen in chosen.items() if is_chosen]
    if len(verbs) + take_back != 1:
        raise typer.BadParameter(
            f"give exactly one of {', '.join(f'--{word}' for word in SETTLES.values())}, --take-back"
        )
    if verbs and not evidence:
        raise typer.BadParameter("--evidence: say what the bank said, where, and to whom")
    wish = Wish(reason, wait)
    if take_back:
        one_transfer.take_back(Context.connect(), name, wish)
    else:
        one_transfer.settle(Context.connect(), name, verbs[0], evidence=evidence, wish=wish)
