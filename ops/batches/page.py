"""What `transfers enqueue --csv` and `--jsonl` show: of the check, of a dry run, of what became of the rows.

No cell of the batch is shown but references, which were checked to be no card numbers.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ops import screen, typed
from epay_transfers.ops.batches.checking import Checked
from epay_transfers.ops.batches.results import Became, Result
from epay_transfers.ops.batches.sending import Sent
from epay_transfers.ops.exit_status import ExitStatus, sentence_of, status_of
from epay_transfers.producers import QueueFull

_AGAIN = "type the same command again: it goes on by the references, and makes nothing twice"


@contextmanager
def progress(says: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, which goes when it is done; nothing on a pipe, and in a log."""
    if not is_on_terminal():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(says, total=total)
        yield lambda done: bar.update(task, completed=done)


def is_on_terminal() -> bool:
    return sys.stderr.isatty()


def show_wrong(checked: Checked) -> None:
    for wrong in checked.wrong:
        typer.echo(str(wrong), err=True)
    more = f" {checked.more_wrong} of them are not shown." if checked.more_wrong else ""
    typer.echo(f"Nothing was sent: {_number(checked.errors, 'error')}.{more}", err=True)


def show_checked(checked: Checked) -> None:
    if checked.totals:
        rows = [
            (terminal, f"{total.count:,}", screen.amount(total.amount, currency))
            for (terminal, currency), total in sorted(checked.totals.items())
        ]
        screen.say(screen.table(("terminal", "count", "amount"), rows))
    if checked.past_deadline:
        screen.say(
            f"The deadline of {_number(checked.past_deadline, 'row')} is past: refused, if the reference is not known."
        )


def show_not_sent(checked: Checked, *, is_dry_run: bool) -> None:
    """Of a dry run, and of a batch without rows."""
    show_checked(checked)
    rows = f"{_number(checked.rows, 'row')}, each as it must be" if checked.rows else "there are no rows"
    screen.say(f"Dry run: {rows}. Nothing was sent." if is_dry_run else f"Nothing was sent: {rows}.")


def show_sent(checked: Checked, sent: Sent, results: Path | None) -> None:
    for problem in sent.problems:
        typer.echo(f"line {problem.line}, {problem.reference}: {problem.became}: {problem.why}", err=True)
    if sent.more_problems:
        typer.echo(f"{sent.more_problems} more are not shown{': see the result file' if results else ''}.", err=True)
    counts = ", ".join(f"{count:,} {became}" for became, count in sent.counts.items())
    screen.say(f"{_number(checked.rows, 'row')}: {counts}, {checked.rows - sent.done:,} not sent.")
    if results is not None:
        screen.say(f"What became of each: {results}")
    if sent.is_interrupted:
        typer.echo(f"Interrupted: {_AGAIN}.", err=True)
    elif sent.stopped is not None:
        typer.echo(f"Stopped: {_why_stopped(sent)}\nWhen that has ended, {_AGAIN}.", err=True)
    elif sent.counts[Became.UNKNOWN]:
        typer.echo(f"Of the unknown {_AGAIN}.", err=True)


def status(sent: Sent) -> int:
    if sent.is_interrupted:
        return ExitStatus.INTERRUPTED
    if isinstance(sent.stopped, QueueFull):
        return ExitStatus.LATER
    if isinstance(sent.stopped, TransfersError):
        return status_of(sent.stopped)
    is_stored = all(not count or became.is_stored for became, count in sent.counts.items())
    return ExitStatus.DONE if is_stored and sent.stopped is None else ExitStatus.REFUSED


def as_dict(checked: Checked, sent: Sent | None, results: Path | None, *, is_dry_run: bool) -> dict[str, Any]:
    """`sent` is None where nothing was: in a dry run, and where the check found errors."""
    counts = sent.counts if sent is not None else dict.fromkeys(Became, 0)
    return {
        "rows": checked.rows,
        "sums": [
            {
                "terminal": terminal,
                "count": total.count,
                "amount": str(to_decimal(total.amount, currency)),
                "currency": currency,
            }
            for (terminal, currency), total in sorted(checked.totals.items())
        ],
        "past_deadline": checked.past_deadline,
        "errors": [{"line": each.line, "column": each.column, "why": each.why} for each in checked.wrong],
        "more_errors": checked.more_wrong,
        "dry_run": is_dry_run,
        **{became.value: count for became, count in counts.items()},
        "not_sent": checked.rows - (sent.done if sent is not None else 0),
        "problems": [_problem(each) for each in sent.problems] if sent is not None else [],
        "more_problems": sent.more_problems if sent is not None else 0,
        "interrupted": sent is not None and sent.is_interrupted,
        "stopped": _why_stopped(sent) if sent is not None and sent.stopped is not None else None,
        "results": str(results) if results is not None and sent is not None else None,
    }


def _problem(result: Result) -> dict[str, Any]:
    return {"line": result.line, "reference": result.reference, "result": result.became.value, "why": result.why}


def _why_stopped(sent: Sent) -> str:
    why = sentence_of(sent.stopped) if isinstance(sent.stopped, TransfersError) else str(sent.stopped)
    return typed.named(why)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
