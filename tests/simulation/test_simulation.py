"""Many simulations, each from one seed; every law is checked after every step.

`TRANSFERS_SEEDS` says how many (60), in parts that run on several cores; `TRANSFERS_SEED` runs that one alone, and
prints its steps if it breaks a law. Both: so many from that one on.
"""

import os
import random

import pytest

from tests.simulation.run import Failed, running_servers, simulate
from tests.support import parallel

SEED = os.environ.get("TRANSFERS_SEED")
SEEDS = int(os.environ.get("TRANSFERS_SEEDS") or (1 if SEED else 60))


@pytest.mark.slow
@pytest.mark.timeout(0)
@parallel.parts(1) if SEED else parallel.parts()
def test_whatever_happens_nobody_is_paid_twice_or_lost(part: parallel.Part) -> None:
    """Crashes between any two steps, lost messages, servers that forget: the laws hold, and all comes to an end."""
    first = int(SEED) if SEED else random.SystemRandom().randrange(2**40)
    seeds = range(first, first + part.share(SEEDS))
    print(f"seeds {seeds.start} to {seeds.stop - 1}")  # noqa: T201 - who sees it fail wants to see it again
    with running_servers() as servers:
        for seed in seeds:
            try:
                simulate(servers, seed)
            except Failed as broken:
                pytest.fail(f"{broken}\n\nAgain: TRANSFERS_SEED={seed} pytest tests/simulation", pytrace=False)
