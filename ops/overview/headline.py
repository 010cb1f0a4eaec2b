"""The words of the first judgement: what the overview says first, in a terminal and in a browser."""

from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import Concern

NOTHING_WRONG = "nothing is wrong, as far as can be seen from here"


def concerned(facts: Facts, concern: Concern) -> list[str]:
    """The money that a judgement concerns, each currency by itself."""
    if facts.totals is None:
        return ["? (what is recorded can't be seen now)"]
    told = [str(line).replace(" with ", f" transfer{'s' * (line.count != 1)} with ", 1) for line in concern.sums]
    return told or ["no transfer now"]
