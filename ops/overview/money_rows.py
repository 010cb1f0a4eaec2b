"""The money by state, a row each: what the overview shows in a terminal and in a browser. Unknown is `?`, never 0."""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.overview.facts import Facts

#: In the order in which a transfer goes, what is unknown before what waits.
_ROWS: tuple[tuple[str, tuple[State, ...]], ...] = (
    ("in doubt", (State.IN_DOUBT,)),
    ("in review", (State.NEEDS_REVIEW,)),
    ("on the way", (State.SENDING, State.CONFIRMING)),
    ("queued", (State.QUEUED,)),
    ("parked", (State.PARKED, State.RESUMED)),
    ("dead", (State.DEAD,)),
    ("paid", (State.PAID,)),
)


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """Texts for people, but for `count` and `states`, whose list has as many. `sums`: one for each currency."""

    name: str
    states: Sequence[State]
    count: int
    sums: Sequence[str]
    oldest: str
    trend: str  #: in five minutes
    more: str  #: the first deadline; of what is paid, today's
    ending: State | None = None  #: `more` says how many of this state end within five minutes
    is_today: bool = False  #: `more` says how many came into this state today


def money_rows(facts: Facts) -> list[MoneyRow] | None:
    """None where what is recorded can't be seen."""
    totals = facts.totals
    if totals is None:
        return None
    return [
        MoneyRow(
            name=name,
            states=states,
            count=totals.of(*states).count,
            sums=[screen.amount(line.amount_minor, line.currency) for line in screen.sums(totals, *states)],
            oldest=_oldest(facts, states),
            trend=_trend(facts, states, totals.of(*states).count),
            more=_paid(facts) if State.PAID in states else _deadline(facts, states),
            ending=states[0] if _ending(facts, states) else None,
            is_today=State.PAID in states and facts.paid_today is not None,
        )
        for name, states in _ROWS
    ]


def _trend(facts: Facts, states: Sequence[State], count: int) -> str:
    if facts.earlier is None:
        return "?"
    grown = count - sum(facts.earlier.counts.get(state, 0) for state in states)
    return f"{grown:+d}" if grown else "flat"


def _oldest(facts: Facts, states: Sequence[State]) -> str:
    if all(state.final for state in states):
        return ""
    if facts.oldest is None:
        return "?"
    since = [facts.oldest[state] for state in states if state in facts.oldest]
    return screen.span(facts.now_ms - min(since)) if since else ""


def _deadline(facts: Facts, states: Sequence[State]) -> str:
    if State.QUEUED not in states and State.PARKED not in states:
        return ""
    if facts.deadlines is None:
        return "?"
    known = facts.deadlines.get(states[0])
    if known is None:
        return ""
    first = screen.away(known.first_ms, facts.now_ms)
    least, at_least = ("", "") if known.is_whole else ("or sooner", " or more")
    soon = f"; {known.soon}{at_least} end within 5 min" if known.soon else ""
    return f"{first} {least}".strip() + soon


def _ending(facts: Facts, states: Sequence[State]) -> int:
    known = (facts.deadlines or {}).get(states[0])
    return known.soon if known else 0


def _paid(facts: Facts) -> str:
    today = "?" if facts.paid_today is None else str(facts.paid_today)
    if facts.last_paid_ms is None:
        return f"{today} today; last ?"
    return f"{today} today" + (f"; last {screen.ago(facts.last_paid_ms, facts.now_ms)}" if facts.last_paid_ms else "")
