"""`transfers apply`: does what a plan says with exactly its transfers, and writes what became of each."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.money import to_decimal
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import EX_TEMPFAIL
from epay_transfers.ops.options import AsJson, ReasonText, checked
from epay_transfers.ops.plans.applying import Applying, check
from epay_transfers.ops.plans.draft import MOST_MONEY, MOST_TRANSFERS, Caps
from epay_transfers.ops.plans.folder import read_file
from epay_transfers.ops.plans.journal import SENTENCES, Became, Journal, Tally, path_of, tallied
from epay_transfers.ops.plans.options import MaxCount, MaxSum, amount_text
from epay_transfers.ops.plans.plan import Plan, money_text

app = typer.Typer()

#: The exit status that shells use for a command that Ctrl-C ended.
_INTERRUPTED = 130

_ASKED = "What was asked already is done all the same."

_LATER = (Became.SECOND_NEEDED, Became.UNSETTLED, Became.UNANSWERED)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="What `transfers plan` wrote.")],
    *,
    reason: ReasonText,
    max_count: MaxCount = MOST_TRANSFERS,
    max_sum: MaxSum = MOST_MONEY,
    wait: Annotated[
        float, typer.Option(min=1, max=3600, metavar="SECONDS", help="Give up with no answer for so long.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Do what the plan says. What has moved since is left alone. It can be stopped, and applied again, at any time."""
    why = checked(reason, "reason")
    plan = read_file(file)
    check(plan, Caps(max_count, amount_text(max_sum)))
    context = Context.connect()
    path = path_of(file)
    _say(f"To {plan.what}: {plan.count} transfers, {money_text(plan)}; by {plan.made_by}, {screen.when(plan.made_at)}.")
    with Journal(path, plan.digest, context.operator) as journal:
        applying = Applying(context, plan, journal, why, wait, _say)
        is_over = False
        try:
            applying.run()
            is_over = True
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        finally:
            if not is_over:
                _say(f"Stopped. Of {plan.count}: {applying.counts()}. {_ASKED} {_again(file, path)}")
        _report(plan, journal, as_json=as_json)
    became = {journal.lines[item.key].became for item in plan.items}
    if Became.SECOND_NEEDED in became:
        _say(f"A second operator, with a server user of their own, applies the same file. {_again(file, path)}")
    if Became.REFUSED in became:
        raise typer.Exit(1)
    if became & set(_LATER):
        raise typer.Exit(EX_TEMPFAIL)


def _report(plan: Plan, journal: Journal, *, as_json: bool) -> None:
    became = tallied((item, journal.lines[item.key].became) for item in plan.items)
    if as_json:
        sums = {word: _sums(tally) for word, tally in became.items()}
        screen.say_json({"plan": plan.digest, "what": plan.what, "became": sums, "written_to": str(journal.path)})
        return
    rows = [
        (word, tally.count, ", ".join(screen.amount(minor, each) for each, minor in sorted(tally.sums.items())),
         SENTENCES[word])
        for word, tally in became.items()
    ]  # fmt: skip
    screen.say(screen.table(("became", "count", "amount", "that is"), rows))
    screen.say_typed(f"What became of each: {journal.path}")


def _sums(tally: Tally) -> dict[str, object]:
    sums = {each: str(to_decimal(minor, each)) for each, minor in sorted(tally.sums.items())}
    return {"count": tally.count, "sums": sums}


def _again(file: Path, path: Path) -> str:
    return f"`{typed.command()} apply {shlex.quote(str(file))} --reason ...` goes on; {path} has what became of each."


def _say(text: str) -> None:
    typer.echo(text, err=True)
