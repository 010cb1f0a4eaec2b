"""Many lives of a small town, each from one seed; every law is looked at after every step.

`TRANSFERS_SEEDS` says how many (default 1000), `TRANSFERS_SEED` which one alone: its story is printed if it breaks.
"""

import os
import random

import pytest

from tests.simulation.run import Failed, ground, simulate

SEEDS = int(os.environ.get("TRANSFERS_SEEDS", "1000"))
SEED = os.environ.get("TRANSFERS_SEED")


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_whatever_happens_nobody_is_paid_twice_or_lost() -> None:
    """Crashes between any two steps, lost messages, servers that forget: the laws hold, and all comes to an end."""
    first = int(SEED) if SEED else random.SystemRandom().randrange(2**40)
    seeds = range(first, first + (1 if SEED else SEEDS))
    print(f"seeds {seeds.start} to {seeds.stop - 1}")  # noqa: T201 - who sees it fail wants to see it again

    with ground() as here:
        for seed in seeds:
            try:
                simulate(here, seed)
            except Failed as broken:
                pytest.fail(f"{broken}\n\nAgain: TRANSFERS_SEED={seed} pytest tests/simulation", pytrace=False)
