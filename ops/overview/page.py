"""One screen of 100 columns and 40 lines: what is wrong and what to do, then the money, the bank, workers and servers.

It shows and does not judge. What is unknown is `?`, never 0 and never "none".
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from epay_transfers.ops import typed
from epay_transfers.ops.overview.bank_rows import bank_rows
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.headline import NOTHING_WRONG, concerned
from epay_transfers.ops.overview.judge import level_of
from epay_transfers.ops.overview.judgement import Judgement, Level
from epay_transfers.ops.overview.money_rows import money_rows
from epay_transfers.ops.overview.pause_rows import pause_rows
from epay_transfers.ops.overview.server_rows import (
    archived_says,
    last_act_says,
    requests_says,
    server_rows,
    suffix_rows,
)
from epay_transfers.ops.overview.worker_rows import worker_rows, workers_line

COLUMNS, LINES = 100, 40

#: What else is wrong is named in so many lines.
_ALSO = 5
_WORKERS = 3
_PAUSES = 3

#: Stands for a blank at which no line is broken.
_KEPT = "\0"

_WORDS = {Level.WELL: "WELL", Level.ATTENTION: "ATTENTION", Level.ACT: "ACT"}


def page(facts: Facts, judgements: Sequence[Judgement]) -> list[str]:
    """Its lines. Text alone: it is read on any screen, in a mail, by a colleague."""
    lines = _lines(facts, judgements, whole=True)
    return lines if len(lines) <= LINES else _lines(facts, judgements, whole=False)[:LINES]


def _lines(facts: Facts, judgements: Sequence[Judgement], *, whole: bool) -> list[str]:
    """`whole`: no line is cut; what is too long goes on in the next one."""
    rest = [
        *_also(judgements),
        *_money(facts),
        *_bank(facts),
        *_workers(facts),
        *_pauses(facts),
        *_servers(facts),
        *_others(facts),
    ]
    fitted = [part for line in rest for part in (_folded(line) if whole else [_cut(line)])]
    return [*_headline(facts, judgements), *fitted]


def _headline(facts: Facts, judgements: Sequence[Judgement]) -> Iterator[str]:
    at = f"{datetime.fromtimestamp(facts.now_ms / 1000, UTC):%H:%M:%S} UTC"
    level = level_of(judgements)
    if not judgements:
        yield f"{at}  {_WORDS[level]}: {NOTHING_WRONG}"
        return
    first = judgements[0]
    yield from _wrapped(f"{at}  {_WORDS[level]}: ", first.says)
    yield from _wrapped("  next      ", typed.named(first.next))
    if first.concerns is not None:
        yield from _wrapped("  concerns  ", "; ".join(concerned(facts, first.concerns)))
    if first.safe:
        yield from _wrapped("  safe      ", typed.named(first.safe))
    if first.unsafe:
        yield from _wrapped("  NOT SAFE  ", typed.named(first.unsafe))
    yield f"  runbook   {first.runbook}"


def _also(judgements: Sequence[Judgement]) -> Iterator[str]:
    others = judgements[1:]
    for at, judgement in enumerate(others[:_ALSO]):
        yield f"{'ALSO' if not at else '':<6}{_WORDS[judgement.level]:>9}  {judgement.says}"
    if len(others) > _ALSO:
        yield f"{'':<17}and {len(others) - _ALSO} more: `{typed.command()} doctor` names all"


def _money(facts: Facts) -> Iterator[str]:
    yield f"{'MONEY':<12}{'count':>8}  {'sum':>22}  {'oldest':>8}  {'5 min':>7}  first deadline"
    rows = money_rows(facts)
    if rows is None:
        yield f" {'all':<11}{'?':>8}  {'?':>22}  {'?':>8}  {'?':>7}  ?"
        return
    for row in rows:
        first, *others = row.sums or [""]
        yield f" {row.name:<11}{row.count:>8}  {first:>22}  {row.oldest:>8}  {row.trend:>7}  {row.more}".rstrip()
        yield from (f"{'':<22}{each:>22}" for each in others)


def _bank(facts: Facts) -> Iterator[str]:
    bank = bank_rows(facts)
    if bank.unknown:
        yield f"{'BANK':<12}?  ({bank.unknown})"
    for at, row in enumerate(bank.calls):
        took = "; ".join(filter(None, [row.took, row.under_way]))
        yield f"{'BANK' if not at else '':<12}{row.kind:<9} {row.state:<20} {row.counts:<24} {took}".rstrip()
    if bank.breakers is None and facts.alive:
        yield f"{'':<12}breaker  ?"
    for breaker in bank.breakers or ():
        yield f"{'':<12}breaker   {breaker}"


def _workers(facts: Facts) -> Iterator[str]:
    line = workers_line(facts)
    if line is None:
        yield f"{'WORKERS':<12}?"
        return
    heard = f"{line.heard} heard, {line.silent} silent; {line.at_work} threads at work"
    yield f"{'WORKERS':<12}{heard}; work late by {line.late}; held too long {line.held_too_long}"
    for row in [row for row in worker_rows(facts) or () if row.what][-_WORKERS:]:
        yield f"{'':<12}{row.name} {row.told.version}: {row.what}"


def _pauses(facts: Facts) -> Iterator[str]:
    rows = pause_rows(facts)
    if not rows:
        yield f"{'PAUSES':<12}{'?' if rows is None else 'none'}"
        return
    for at, row in enumerate(rows[:_PAUSES]):
        pause = row.pause
        what = f"{pause.id}: {pause.lane}/{row.where}, {pause.cause}"
        text = f"{what}; behind it {row.money_text}; {row.age}, by {pause.actor}"
        yield f"{'PAUSES' if not at else '':<12}{text}"
    if len(rows) > _PAUSES:
        yield f"{'':<12}and {len(rows) - _PAUSES} more: `{typed.command()} pauses`"


def _servers(facts: Facts) -> Iterator[str]:
    ledger, vault, queue = server_rows(facts)
    yield f"{'SERVERS':<12}ledger {ledger.says}; {ledger.more}"
    yield f"{'':<12}vault {vault.says}; queue {queue.says}"


def _others(facts: Facts) -> Iterator[str]:
    for at, row in enumerate(suffix_rows(facts)):
        yield f"{'SUFFIXES' if not at else '':<12}{row.space}: {row.says}"
    if archived := archived_says(facts):
        yield f"{'ARCHIVED':<12}{archived}"
    yield f"{'REQUESTS':<12}{requests_says(facts)}"
    yield f"{'LAST ACT':<12}{last_act_says(facts)}"


def _wrapped(head: str, text: str) -> list[str]:
    """A command in backticks stays on one line, however long it is: it is copied from there."""
    kept = re.sub(r"`[^`]*`", lambda command: command[0].replace(" ", _KEPT), text)
    indent = " " * 12
    lines = textwrap.wrap(
        kept, COLUMNS, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_KEPT, " ") for line in lines]


def _folded(line: str) -> list[str]:
    """A line that is too long, with its rest below what it begins with."""
    return [line] if len(line) <= COLUMNS else _wrapped(line[:12], line[12:])


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…"
