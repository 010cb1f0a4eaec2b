"""`transfers plan`: writes which transfers are meant, as they are now, and what the bank says of each. It changes none.

The plan goes to the standard output; what it amounts to is said beside it, on the standard error.
"""

import sys
from typing import Annotated

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ops.context import Context
from epay_transfers.ops.filters import Amount, LastFour, Older, Terminal, Why, Younger
from epay_transfers.ops.options import Evidence
from epay_transfers.ops.plans import making
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.draft import MOST_MONEY, MOST_TRANSFERS, Caps, Draft
from epay_transfers.ops.plans.options import MaxCount, MaxSum
from epay_transfers.ops.plans.plan import How, What, money_text

app = typer.Typer(
    help="Write a plan for many transfers: `transfers plan requeue > plan.json`, then `transfers apply plan.json`.",
    no_args_is_help=True,
)

NoAsk = Annotated[bool, typer.Option("--no-ask", help="Do not ask the bank now: its word is ? in the plan.")]
PlanWait = Annotated[float, typer.Option("--wait", min=1, max=3600, metavar="SECONDS", help="Wait so long for a word.")]
States = Annotated[list[State] | None, typer.Argument(metavar="[STATE]...", help="Only those in these states.")]

_WAIT_S = 60.0


@app.command()
def requeue(
    *,
    terminal: Terminal = None,
    older: Older = None,
    younger: Younger = None,
    why: Why = None,
    amount: Amount = None,
    last_four: LastFour = None,
    no_ask: NoAsk = False,
    max_count: MaxCount = MOST_TRANSFERS,
    max_sum: MaxSum = MOST_MONEY,
    wait: PlanWait = _WAIT_S,
) -> None:
    """Dead transfers that are to be queued again. A worker asks the bank about each once more before it does."""
    _make(
        Draft(
            what=What.REQUEUE, caps=Caps(max_count, max_sum), asks=not no_ask,
            terminal=terminal, older=older, younger=younger, why=why, amount=amount, last_four=last_four,
        ),
        wait,
    )  # fmt: skip


@app.command()
def discard(
    *,
    terminal: Terminal = None,
    older: Older = None,
    younger: Younger = None,
    why: Why = None,
    amount: Amount = None,
    last_four: LastFour = None,
    no_ask: NoAsk = False,
    max_count: MaxCount = MOST_TRANSFERS,
    max_sum: MaxSum = MOST_MONEY,
    wait: PlanWait = _WAIT_S,
) -> None:
    """Dead transfers that are to end as cancelled."""
    _make(
        Draft(
            what=What.DISCARD, caps=Caps(max_count, max_sum), asks=not no_ask,
            terminal=terminal, older=older, younger=younger, why=why, amount=amount, last_four=last_four,
        ),
        wait,
    )  # fmt: skip


@app.command()
def cancel(
    states: States = None,
    *,
    terminal: Terminal = None,
    older: Older = None,
    younger: Younger = None,
    why: Why = None,
    amount: Amount = None,
    last_four: LastFour = None,
    no_ask: NoAsk = False,
    max_count: MaxCount = MOST_TRANSFERS,
    max_sum: MaxSum = MOST_MONEY,
    wait: PlanWait = _WAIT_S,
) -> None:
    """Queued, parked and dead transfers that are to be taken back before any money can move."""
    _make(
        Draft(
            what=What.CANCEL, caps=Caps(max_count, max_sum), asks=not no_ask, states=states or (),
            terminal=terminal, older=older, younger=younger, why=why, amount=amount, last_four=last_four,
        ),
        wait,
    )  # fmt: skip


@app.command()
def settle(
    states: States = None,
    *,
    paid: Annotated[bool, typer.Option("--paid", help="The bank moved the money.")] = False,
    not_paid: Annotated[bool, typer.Option("--not-paid", help="The bank moved none, and will not.")] = False,
    reversed_: Annotated[bool, typer.Option("--reversed", help="The bank moved it and gave it back.")] = False,
    evidence: Evidence,
    terminal: Terminal = None,
    older: Older = None,
    younger: Younger = None,
    why: Why = None,
    amount: Amount = None,
    last_four: LastFour = None,
    no_ask: NoAsk = False,
    max_count: MaxCount = MOST_TRANSFERS,
    max_sum: MaxSum = MOST_MONEY,
    wait: PlanWait = _WAIT_S,
) -> None:
    """Transfers in review, and in doubt, that ended so. The bank is asked again about each when the plan is applied."""
    said = [how for how, is_said in zip(How, (paid, not_paid, reversed_), strict=True) if is_said]
    if len(said) != 1:
        raise typer.BadParameter("give exactly one of --paid, --not-paid, --reversed")
    _make(
        Draft(
            what=What.SETTLE, caps=Caps(max_count, max_sum), asks=not no_ask, states=states or (),
            how=said[0], evidence=evidence,
            terminal=terminal, older=older, younger=younger, why=why, amount=amount, last_four=last_four,
        ),
        wait,
    )  # fmt: skip


def _make(draft: Draft, wait_s: float) -> None:
    plan = making.make(Context.connect(), draft, wait_s=wait_s, say=_say)
    plans.write(plan, sys.stdout)
    for word, count in making.verdicts_of(plan):
        _say(f"  the bank says {word}: {count}")
    _say(
        f"{plan.count} transfers, {money_text(plan)}: to {plan.what}. Read it, then: transfers apply FILE --reason ..."
    )


def _say(text: str) -> None:
    typer.echo(text, err=True)
