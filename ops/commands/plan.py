"""`transfers plan`: writes which transfers are meant, as they are now, and what the bank says of each. It changes none.

The plan goes to the standard output; what it amounts to is said beside it, on the standard error.
"""

import sys
from collections import Counter
from typing import Annotated

import typer

from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.filters import (
    Amount,
    LastFour,
    Older,
    Terminal,
    Why,
    Younger,
    four_digits,
    known_terminal,
    minor_units,
    times,
)
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import Evidence, checked
from epay_transfers.ops.plans import making
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.making import Caps
from epay_transfers.ops.plans.options import MaxCount, MaxSum, amount_text
from epay_transfers.ops.plans.plan import STATES, How, Item, Plan, What

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
    max_count: MaxCount = 1000,
    max_sum: MaxSum = "10000000",
    wait: PlanWait = _WAIT_S,
) -> None:
    """Dead transfers that are to be queued again. A worker asks the bank about each once more before it does."""
    options = (terminal, older, younger, why, amount, last_four)
    _make(What.REQUEUE, options, Caps(max_count, max_sum), no_ask=no_ask, wait_s=wait)


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
    max_count: MaxCount = 1000,
    max_sum: MaxSum = "10000000",
    wait: PlanWait = _WAIT_S,
) -> None:
    """Dead transfers that are to end as cancelled."""
    options = (terminal, older, younger, why, amount, last_four)
    _make(What.DISCARD, options, Caps(max_count, max_sum), no_ask=no_ask, wait_s=wait)


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
    max_count: MaxCount = 1000,
    max_sum: MaxSum = "10000000",
    wait: PlanWait = _WAIT_S,
) -> None:
    """Queued, parked and dead transfers that are to be taken back before any money can move."""
    options = (terminal, older, younger, why, amount, last_four)
    _make(What.CANCEL, options, Caps(max_count, max_sum), states, no_ask=no_ask, wait_s=wait)


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
    max_count: MaxCount = 1000,
    max_sum: MaxSum = "10000000",
    wait: PlanWait = _WAIT_S,
) -> None:
    """Transfers in review, and in doubt, that ended so. The bank is asked again about each when the plan is applied."""
    said = [how for how, is_said in zip(How, (paid, not_paid, reversed_), strict=True) if is_said]
    if len(said) != 1:
        raise typer.BadParameter("give exactly one of --paid, --not-paid, --reversed")
    options = (terminal, older, younger, why, amount, last_four)
    settles = (said[0], checked(evidence, "evidence"))
    _make(What.SETTLE, options, Caps(max_count, max_sum), states, settles=settles, no_ask=no_ask, wait_s=wait)


def _make(
    what: What,
    options: tuple[str | None, ...],
    caps: Caps,
    states: list[State] | None = None,
    *,
    settles: tuple[How | None, str] = (None, ""),
    no_ask: bool,
    wait_s: float,
) -> None:
    wanted = tuple(dict.fromkeys(states or STATES[what]))
    if others := [state for state in wanted if state not in STATES[what]]:
        raise typer.BadParameter(f"{', '.join(others)}: a plan to {what} is of {', '.join(STATES[what])}")
    amount_text(caps.money)
    context = Context.connect()
    chosen = making.choose(context, what, _wanted(context, wanted, options))
    _say_left_out(chosen.left_out)
    plan = _plan(context, what, [Item.of(record) for record in chosen.records], _filter(wanted, options), settles)
    caps.check(plan.count, plan.sums)
    if chosen.records and not no_ask:
        items, ended = making.with_verdicts(context, chosen.records, wanted, wait_s=wait_s, say=_say)
        _say_left_out(Counter({f"it is {state} by now": count for state, count in ended.items()}))
        plan = _plan(context, what, items, plan.chosen_by, settles)
    plans.write(plan, sys.stdout)
    for word, count in Counter(item.verdict for item in plan.items).most_common():
        _say(f"  the bank says {word}: {count}")
    _say(f"{_amounts(plan)}: to {what}. Read it, then: transfers apply FILE --reason ...")


def _plan(context: Context, what: What, items: list[Item], chosen_by: str, settles: tuple[How | None, str]) -> Plan:
    how, evidence = settles
    return Plan(
        what=what,
        items=items,
        made_at=context.ledger.now_ms(),
        made_by=context.operator,
        chosen_by=chosen_by,
        how=how,
        evidence=evidence,
    )


def _wanted(context: Context, states: tuple[State, ...], options: tuple[str | None, ...]) -> Wanted:
    terminal, older, younger, why, amount, last_four = options
    within = times(older, younger, context.ledger.now_ms())
    return Wanted(
        states=states,
        terminal=known_terminal(context, terminal),
        since_ms=within.since_ms,
        until_ms=within.until_ms,
        reason=why,
        amount=minor_units(amount),
        last_four=four_digits(last_four),
    )


def _filter(states: tuple[State, ...], options: tuple[str | None, ...]) -> str:
    names = ("terminal", "older", "younger", "why", "amount", "last-four")
    text = " ".join([*states, *(f"--{name} {value}" for name, value in zip(names, options, strict=True) if value)])
    if not text.isprintable():
        raise Refusal("the filter: it must be on one line")
    return text


def _amounts(plan: Plan) -> str:
    sums = ", ".join(screen.amount(minor, currency) for currency, minor in plan.sums.items())
    return f"{plan.count} transfers, {sums or 'no money'}"


def _say_left_out(left_out: Counter[str]) -> None:
    for why, count in left_out.most_common():
        _say(f"{count} left out: {why}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
