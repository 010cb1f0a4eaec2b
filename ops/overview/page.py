"""One screen of 100 columns and 40 lines: what is wrong and what to do, then the money, the bank, workers and servers.

It shows and does not judge. What is unknown is `?`, never 0 and never "none".
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.store.heartbeats import REFUSED, Heartbeat, calls_of
from epay_transfers.ledger.store.pauses import ALL
from epay_transfers.ops import descriptions, screen, typed
from epay_transfers.ops.behind import behind
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge import level_of
from epay_transfers.ops.overview.judge_bank import usual_ms
from epay_transfers.ops.overview.judge_transfers import lasts
from epay_transfers.ops.overview.judgement import Judgement, Level
from epay_transfers.ops.overview.money_rows import money_rows
from epay_transfers.ops.overview.processes import Process
from epay_transfers.runtime.server_look import ServerLook

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
        yield f"{at}  {_WORDS[level]}: nothing is wrong, as far as can be seen from here"
        return
    first = judgements[0]
    yield from _wrapped(f"{at}  {_WORDS[level]}: ", first.says)
    yield from _wrapped("  next      ", typed.named(first.next))
    if first.money is not None:
        yield from _wrapped("  concerns  ", _concerned(facts, first.money))
    if first.safe:
        yield from _wrapped("  safe      ", typed.named(first.safe))
    if first.unsafe:
        yield from _wrapped("  NOT SAFE  ", typed.named(first.unsafe))
    yield f"  runbook   {first.runbook}"


def _concerned(facts: Facts, money: Sequence[screen.Sum]) -> str:
    if facts.totals is None:
        return "? (what is recorded can't be seen now)"
    told = (str(line).replace(" with ", f" transfer{'s' * (line.count != 1)} with ", 1) for line in money)
    return "; ".join(told) or "no transfer now"


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
    if facts.workers is None or not facts.alive:
        why = "it can't be read" if facts.workers is None else "no worker is heard, so it is not known"
        yield f"{'BANK':<12}?  ({why})"
        return
    calls = calls_of(facts.alive)
    if not calls:
        yield f"{'BANK':<12}?  (no worker has told of a call in five minutes)"
    for at, (kind, its) in enumerate(calls.items()):
        p95, usual = its.percentile_ms(0.95), usual_ms(facts, kind)
        took = "" if p95 is None else f"p95 {_seconds(p95)}" + (f" (usual {_seconds(usual)})" if usual else "")
        word = "REFUSED" if its.outcomes.get(REFUSED) else "FAILS"
        state = f"{word}: {its.why}" if its.why else "answers"
        counts = f"{its.failures} of {its.count} unanswered" if its.failures else f"{its.count} in 5 min"
        way = f"; {its.under_way} under way, {its.longest_s:.0f} s" if its.under_way else ""
        yield f"{'BANK' if not at else '':<12}{kind:<9} {state:<20} {counts:<24} {took}{way}".rstrip()
    if facts.breakers is None:
        yield f"{'':<12}breaker  ?"
    for breaker in facts.breakers or ():
        trial = f"; now {breaker.trial}" if breaker.trial else ""
        kind = "open, one is tried" if breaker.is_half_open or breaker.trial else "open"
        yield f"{'':<12}breaker   {kind}: {breaker.host}, {breaker.failed_trials} trials failed{trial}"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 100 else f"{ms} ms"


def _workers(facts: Facts) -> Iterator[str]:
    if facts.workers is None:
        yield f"{'WORKERS':<12}?"
        return
    alive, silent = facts.alive, facts.silent
    busy, threads = sum(worker.busy for worker in alive), sum(worker.threads for worker in alive)
    lag = "?" if facts.lag_ms is None else screen.span(facts.lag_ms)
    overdue = "?" if facts.overdue_leases is None else facts.overdue_leases
    heard = f"{len(alive)} heard, {len(silent)} silent; {busy} of {threads} threads at work"
    yield f"{'WORKERS':<12}{heard}; work late by {lag}; held too long {overdue}"
    shown = [*silent, *(worker for worker in alive if _oddity(worker))][-_WORKERS:]
    for worker in shown:
        silence = worker.silent_ms(facts.now_ms)
        process = facts.local.get(worker.worker)
        local = f", its process {'runs' if process is Process.RUNS else f'is {process}'}" if process else ""
        what = f"silent {screen.span(silence)}{local}" if silence else _oddity(worker)
        yield f"{'':<12}{worker.host} pid {worker.pid} {worker.version}: {what}"


def _oddity(worker: Heartbeat) -> str:
    """What is odd about one that is heard."""
    away = [f"{name} away" for name, sight in worker.sees.items() if sight.why and name != "bank"]
    clock = [f"clock {worker.clock_ms / 1000:+.1f} s"] if abs(worker.clock_ms) > 1000 else []
    unfit = [f"unfit: {', '.join(worker.unfit)}"] if worker.unfit else []
    unreadable = [] if worker.is_readable else ["of another version"]
    return "; ".join([*unreadable, *unfit, *away, *worker.hung, *clock])


def _pauses(facts: Facts) -> Iterator[str]:
    if facts.pauses is None:
        yield f"{'PAUSES':<12}?"
        return
    if not facts.pauses:
        yield f"{'PAUSES':<12}none"
    totals = facts.totals
    for at, pause in enumerate(facts.pauses[:_PAUSES]):
        where = "all" if pause.terminal == ALL else pause.terminal
        age = screen.span(facts.now_ms - pause.since_ms) if pause.since_ms else "?"
        money = "?" if totals is None else "; ".join(map(str, screen.sums(behind(pause, totals)))) or "none"
        text = f"{pause.id}: {pause.lane}/{where}, {pause.cause}; behind it {money}; {age}, by {pause.actor}"
        yield f"{'PAUSES' if not at else '':<12}{text}"
    if len(facts.pauses) > _PAUSES:
        yield f"{'':<12}and {len(facts.pauses) - _PAUSES} more: `{typed.command()} pauses`"


def _servers(facts: Facts) -> Iterator[str]:
    sequence = "?" if facts.sequence is None else str(facts.sequence)
    mark = "?" if facts.mark is None else str(facts.mark)
    yield f"{'SERVERS':<12}ledger {_server(facts.ledger)}; moves {sequence}, the vault knows {mark}"
    vault = "?" if facts.vault is None else _server(facts.vault)
    if facts.vault is None and facts.alive:
        sights = [worker.sees["vault"].why for worker in facts.alive if "vault" in worker.sees]
        vault = f"{sum(not why for why in sights)} of {len(sights)} workers reach it"
    yield f"{'':<12}vault {vault}; queue {'AWAY' if facts.queue.is_away else 'ok'}"


def _server(look: ServerLook) -> str:
    if look.problem is not None:
        return f"AWAY ({look.problem.reason or 'unknown'})"
    share = look.share
    memory = f"{look.memory / 1_048_576:.0f} MB, no limit" if share is None else f"{share:.0%} of its memory"
    return f"{look.role}, up {screen.span(look.uptime_s * 1000)}, {memory}"


def _others(facts: Facts) -> Iterator[str]:
    for at, space in enumerate(facts.spaces):
        text = "?"
        if facts.counters is not None:
            used = facts.counters.get(f"used:{space}", 0)
            left = lasts(facts, space)
            text = f"{used / SUFFIXES:.1%} of its invoice ids used for ever" + (
                f"; the rest lasts {left} at the rate of the last hours" if left else ""
            )
        yield f"{'SUFFIXES' if not at else '':<12}{space}: {text}"
    if facts.counters is not None and (archived := facts.counters.get("archived", 0)):
        yield f"{'ARCHIVED':<12}{archived} of those that ended: the ledger has their ends alone"
    requests = "?"
    if facts.requests is not None:
        waiting = [f"{count} of {sender}" for sender, count in facts.requests.items()]
        requests = ", ".join(waiting) or "none wait for a worker"
    yield f"{'REQUESTS':<12}{requests}"
    act = "?"
    if facts.events is not None:
        last = facts.last_act
        act = f"of an operator: none among the last {len(facts.events)} events"
        if last is not None:
            key = f"{last.fields['key']}: " if last.fields.get("key") else ""
            ago = screen.away(last.at_ms, facts.now_ms)
            act = f"{ago}, {last.fields.get('actor', '?')}: {key}{descriptions.happened(last)}"
    yield f"{'LAST ACT':<12}{act}"


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
