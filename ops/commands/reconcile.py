"""`transfers reconcile`: compares a day of the ledger with the bank's statement, or with what the bank says, asked.

It ends with 0 if the two agree, with 10 if something differs, and with 20 if money moved that the ledger does not know.
"""

from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.invoice import ALMATY
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import FINAL
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.reconcile import page, planning, reading, statement
from epay_transfers.ops.reconcile.asking import Asked, ask
from epay_transfers.ops.reconcile.comparison import DIFFERS, HELD, Comparison
from epay_transfers.ops.reconcile.mapping import Mapping
from epay_transfers.ops.reconcile.statement import Day

app = typer.Typer()

_ALL = "all"

File = Annotated[Path | None, typer.Option(metavar="FILE", help="The bank's statement, a CSV.")]
MappingFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Which of its columns is what, as TOML.")]
Terminals = Annotated[
    list[str] | None, typer.Option(help="The statement is of this terminal alone; several times for several.")
]


@app.command()
def reconcile(
    *,
    day: Annotated[str, typer.Option(metavar="DAY", help="Like 2026-11-28, in the statement's time zone.")],
    statement_file: Annotated[
        Path | None, typer.Option("--statement", metavar="FILE", help="The bank's statement of that day, a CSV.")
    ] = None,
    mapping: MappingFile = None,
    ask_: Annotated[
        str | None,
        typer.Option("--ask", metavar="all|NUMBER", help="Ask the bank: about what differs, or about the day's."),
    ] = None,
    terminal: Terminals = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what the statement settles as a plan, for two people.")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, metavar="SECONDS", help="Wait so long for each answer of the bank.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Compare a day of the ledger with the bank's statement. It changes nothing; --ask has the bank's word settle."""
    if statement_file is None and ask_ is None:
        raise typer.BadParameter("give --statement FILE, or --ask, or both")
    if (statement_file is None) != (mapping is None):
        raise typer.BadParameter("give --statement and --mapping together")
    if plan is not None and statement_file is None:
        raise typer.BadParameter("--plan is of what a statement settles: give --statement")
    most = _most(ask_)
    form = Mapping.read(mapping) if mapping else None
    the_day = Day.of(day, form.zone_info if form else ALMATY)
    rows = statement.read(statement_file, form) if statement_file and form else ()
    context = Context.connect()
    unreadable: list[RecordUnreadable] = []
    found = None
    if form is not None:
        found = reading.reconcile(
            context.ledger, rows, the_day, space=form.space, terminals=terminal or (), unreadable=unreadable
        )
    asked = _ask(context, found, the_day, terminal or (), most, wait, unreadable) if ask_ is not None else None
    result = page.Result(the_day, found, asked, unreadable)
    if as_json:
        screen.say_json(page.as_dict(result))
    else:
        for line in page.lines(result):
            screen.say_typed(typed.named(line))
    if plan is not None and found is not None and statement_file is not None:
        _plan(context, found, the_day, statement_file, plan, asked, quiet=as_json)
    raise typer.Exit(result.level)


def _most(text: str | None) -> int | None:
    """How many are asked about; None for all."""
    if text is None or text == _ALL:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= statement.MOST_ROWS):
        raise typer.BadParameter("--ask: give `all`, or how many are to be asked about")
    return int(text)


def _ask(
    context: Context,
    found: Comparison | None,
    day: Day,
    terminals: Sequence[str],
    most: int | None,
    wait_s: float,
    unreadable: list[RecordUnreadable],
) -> Asked:
    """About what differs from the statement; without one, about those that ended on the day, or are held."""
    if found is not None:
        records = [
            each.record for each in found.findings if each.record and (each.kind in DIFFERS or _is_held(each.record))
        ]
    else:
        keys = list(reading.of_day(context.ledger, day, terminals, ended=FINAL))
        records = [
            record
            for record in reading.by_key(context.ledger, keys, unreadable).values()
            if record.created_at < day.ends_ms
        ]
    chosen = records if most is None or most >= len(records) else SystemRandom().sample(records, most)
    asked = Asked(of=len(records))
    asked.answers.extend(ask(context, chosen, wait_s=wait_s))
    return asked


def _is_held(record: Record) -> bool:
    return record.state in HELD


def _plan(
    context: Context, found: Comparison, day: Day, source: Path, path: Path, asked: Asked | None, *, quiet: bool
) -> None:
    made = list(planning.make(context, found, day, statement=source, verdicts=asked.verdicts if asked else {}))
    for each in made:
        assert each.how is not None  # noqa: S101 - for the type checker: these are plans to settle
        target = planning.path_of(path, each.how)
        planning.save(each, target)
        if not quiet:
            screen.say_typed(f"Plan: {each.count} to settle as {each.how} in {target}.")
            screen.say_typed(f"Read it, then: {typed.command()} apply {target} --reason ...")
    if not made and not quiet:
        screen.say("Plan: there is nothing that the statement settles; no file was written.")
