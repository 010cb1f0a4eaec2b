"""The bank, a row for each kind of call: what the overview shows in a terminal and in a browser. Unknown is `?`."""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.store.circuit_breakers import OpenBreaker
from epay_transfers.ledger.store.heartbeats import REFUSED, Calls, calls_of
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge_bank import usual_ms

#: What the workers tell of the bank is of so long.
SPAN = "5 min"


@dataclass(frozen=True, slots=True)
class CallRow:
    """Calls of one kind, by all workers that are heard, in the last five minutes."""

    kind: str
    state: str  #: `answers`, or what is wrong
    counts: str
    took: str  #: the p95 and the usual one; empty where no call has ended
    under_way: str
    is_well: bool


@dataclass(frozen=True, slots=True)
class BankRows:
    """`unknown`: why nothing is known of the calls, or empty. `breakers`: those that are open; None: unknown."""

    calls: Sequence[CallRow]
    unknown: str
    breakers: Sequence[str] | None


def bank_rows(facts: Facts) -> BankRows:
    if facts.workers is None or not facts.alive:
        why = "it can't be read" if facts.workers is None else "no worker is heard, so it is not known"
        return BankRows([], why, None)
    calls = calls_of(facts.alive)
    breakers = None if facts.breakers is None else [_breaker(breaker) for breaker in facts.breakers]
    return BankRows(
        [_row(facts, kind, its) for kind, its in calls.items()],
        "" if calls else "no worker has told of a call in five minutes",
        breakers,
    )


def _row(facts: Facts, kind: str, its: Calls) -> CallRow:
    p95, usual = its.percentile_ms(0.95), usual_ms(facts, kind)
    word = "REFUSED" if its.outcomes.get(REFUSED) else "FAILS"
    return CallRow(
        kind=kind,
        state=f"{word}: {its.why}" if its.why else "answers",
        counts=f"{its.failures} of {its.count} unanswered" if its.failures else f"{its.count} in {SPAN}",
        took="" if p95 is None else f"p95 {seconds(p95)}" + (f" (usual {seconds(usual)})" if usual else ""),
        under_way=f"{its.under_way} under way, {its.longest_s:.0f} s" if its.under_way else "",
        is_well=not its.why,
    )


def _breaker(breaker: OpenBreaker) -> str:
    trial = f"; now {breaker.trial}" if breaker.trial else ""
    kind = "open, one is tried" if breaker.is_half_open or breaker.trial else "open"
    return f"{kind}: {breaker.host}, {breaker.failed_trials} trials failed{trial}"


def seconds(ms: float) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 100 else f"{ms:.0f} ms"
