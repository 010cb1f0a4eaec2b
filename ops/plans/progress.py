"""How far a plan is: what the bank said of its transfers, what has moved since it was made, what became of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.plans.journal import Became, Line, Tally, tallied
from epay_transfers.ops.plans.plan import Item, Plan

#: So many of a plan's transfers are looked at for what has moved since.
MOST_LOOKS = 1000

#: Of a transfer that the journal has nothing of.
NOT_YET = "not_yet"

#: These stand in the ledger as another state.
_MOVED_BY_IT = frozenset({Became.DONE, Became.OTHERWISE})


@dataclass(frozen=True)
class Progress:
    """`moved`: the keys of those that are in another state than the plan says, and not by this plan, among the first
    `looked_at`. `outcomes`: what the journal has of each.
    """

    plan: Plan
    outcomes: Mapping[str, Line]
    moved: frozenset[str]
    looked_at: int

    @property
    def is_whole(self) -> bool:
        """Were all looked at for what has moved?"""
        return self.looked_at == self.plan.count

    @cached_property
    def became(self) -> Mapping[Became, Tally]:
        of = ((item, self.outcomes.get(item.key)) for item in self.plan.items)
        return tallied((item, line.became) for item, line in of if line)

    @property
    def not_yet(self) -> int:
        return self.plan.count - sum(tally.count for tally in self.became.values())

    @property
    def finished(self) -> int:
        """Of so many, what became of them stands."""
        return sum(tally.count for became, tally in self.became.items() if became.is_final)

    @property
    def asked_for_second(self) -> Mapping[str, int]:
        """Operator → of how many transfers another operator has to ask for the same."""
        waiting = (self.outcomes.get(item.key) for item in self.plan.items)
        return Counter(line.by for line in waiting if line and line.became is Became.SECOND_NEEDED)

    def items(self, *, verdict: str = "", became: str = "", moved: bool = False) -> list[Item]:
        """Those of which all of this is so; empty for any."""
        return [
            item
            for item in self.plan.items
            if verdict in {"", item.verdict} and became in {"", self._word_of(item)} and (not moved or self._has(item))
        ]

    def _word_of(self, item: Item) -> str:
        line = self.outcomes.get(item.key)
        return line.became if line else NOT_YET

    def _has(self, item: Item) -> bool:
        return item.key in self.moved


def progress_of(ledger: Ledger, plan: Plan, outcomes: Mapping[str, Line]) -> Progress:
    looked_at = plan.items[:MOST_LOOKS]
    moved = {item.key for item in _moved(ledger, looked_at)}
    by_it = {key for key, line in outcomes.items() if line.became in _MOVED_BY_IT}
    return Progress(plan, outcomes, frozenset(moved - by_it), len(looked_at))


def _moved(ledger: Ledger, items: Sequence[Item]) -> list[Item]:
    """Also one whose record is gone."""
    found = ledger.fields([item.key for item in items], ("state", "state_since"))
    return [
        item for item, values in zip(items, found, strict=True) if values != [str(item.state), str(item.state_since)]
    ]
