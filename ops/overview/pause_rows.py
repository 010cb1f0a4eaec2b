"""The pauses, a row each, with the money behind them: what the overview shows in a terminal and in a browser."""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.store.pauses import ALL, Pause
from epay_transfers.ops import screen
from epay_transfers.ops.behind import behind
from epay_transfers.ops.overview.facts import Facts


@dataclass(frozen=True, slots=True)
class PauseRow:
    pause: Pause
    where: str  #: a terminal, or `all`
    age: str
    money: Sequence[screen.Sum] | None  #: that it keeps back; None: unknown

    @property
    def money_text(self) -> str:
        return "?" if self.money is None else "; ".join(map(str, self.money)) or "none"


def pause_rows(facts: Facts) -> Sequence[PauseRow] | None:
    """None: unknown."""
    if facts.pauses is None:
        return None
    totals = facts.totals
    return [
        PauseRow(
            pause,
            "all" if pause.terminal == ALL else pause.terminal,
            screen.span(facts.now_ms - pause.since_ms) if pause.since_ms else "?",
            None if totals is None else screen.sums(behind(pause, totals)),
        )
        for pause in facts.pauses
    ]
