"""The words of the first judgement: what the overview says first, in a terminal and in a browser."""

from collections.abc import Sequence

from epay_transfers.ops import screen
from epay_transfers.ops.overview.facts import Facts

NOTHING_WRONG = "nothing is wrong, as far as can be seen from here"


def concerned(facts: Facts, money: Sequence[screen.Sum]) -> str:
    """The money that a judgement concerns."""
    if facts.totals is None:
        return "? (what is recorded can't be seen now)"
    told = (str(line).replace(" with ", f" transfer{'s' * (line.count != 1)} with ", 1) for line in money)
    return "; ".join(told) or "no transfer now"
