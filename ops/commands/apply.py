"""`transfers apply`: does what a plan says with exactly its transfers, and writes what became of each."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.money import to_decimal
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import EX_TEMPFAIL, Refusal
from epay_transfers.ops.options import AsJson, ReasonText, checked
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.applying import Applying
from epay_transfers.ops.plans.journal import SENTENCES, Became, Journal
from epay_transfers.ops.plans.making import Caps
from epay_transfers.ops.plans.options import MaxCount, MaxSum, amount_text
from epay_transfers.ops.plans.plan import Plan

app = typer.Typer()

#: The exit status that shells use for a command that Ctrl-C ended.
_INTERRUPTED = 130

_ASKED = "What was asked already is done all the same."

_LONGEST = 100_000_000

_LATER = (Became.SECOND_NEEDED, Became.UNSETTLED, Became.UNANSWERED)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="What `transfers plan` wrote.")],
    *,
    reason: ReasonText,
    max_count: MaxCount = 1000,
    max_sum: MaxSum = "10000000",
    wait: Annotated[
        float, typer.Option(min=1, max=3600, metavar="SECONDS", help="Give up with no answer for so long.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Do what the plan says. What has moved since is left alone. It can be stopped, and applied again, at any time."""
    why = checked(reason, "reason")
    plan = _read(file)
    Caps(max_count, amount_text(max_sum)).check(plan.count, plan.sums)
    if plan.evidence:
        checked(plan.evidence, "the plan's evidence")
    context = Context.connect()
    path = file.with_name(f"{file.name}.done")
    _say(f"To {plan.what}: {plan.count} transfers, {_money(plan)}; by {plan.made_by}, {screen.when(plan.made_at)}.")
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


def _read(file: Path) -> Plan:
    try:
        if file.stat().st_size > _LONGEST:
            raise Refusal(f"{file}: is far too long for a plan")
        return plans.read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"{file}: can't be read: {error.strerror}") from None
    except UnicodeError:
        raise Refusal(f"{file}: is no plan: it is not in UTF-8") from None


def _report(plan: Plan, journal: Journal, *, as_json: bool) -> None:
    by_word: dict[Became, Counter[str]] = {}
    counts: Counter[Became] = Counter()
    for item in plan.items:
        became = journal.lines[item.key].became
        counts[became] += 1
        by_word.setdefault(became, Counter())[item.currency] += item.amount
    if as_json:
        sums = {word: _sums(counts[word], by_word[word]) for word in Became if word in counts}
        screen.say_json({"plan": plan.digest, "what": plan.what, "became": sums, "written_to": str(journal.path)})
        return
    rows = [
        (word, counts[word], ", ".join(screen.amount(minor, each) for each, minor in sorted(by_word[word].items())),
         SENTENCES[word])
        for word in Became if word in counts
    ]  # fmt: skip
    screen.say(screen.table(("became", "count", "amount", "that is"), rows))
    screen.say_typed(f"What became of each: {journal.path}")


def _sums(count: int, amounts: Counter[str]) -> dict[str, object]:
    return {"count": count, "sums": {each: str(to_decimal(minor, each)) for each, minor in sorted(amounts.items())}}


def _money(plan: Plan) -> str:
    return ", ".join(screen.amount(minor, currency) for currency, minor in plan.sums.items()) or "no money"


def _again(file: Path, path: Path) -> str:
    return f"`{typed.command()} apply {shlex.quote(str(file))} --reason ...` goes on; {path} has what became of each."


def _say(text: str) -> None:
    typer.echo(text, err=True)
