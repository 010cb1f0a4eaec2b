"""Many simulations, each from one seed; every law is checked after every step.

`TRANSFERS_SEEDS` says how many (1000), on all cores; `TRANSFERS_SEED` which one alone: its story is printed if it
breaks. Both: so many from that one on.
"""

import os
import random
from pathlib import Path

import pytest

from tests.simulation.run import Failed, running_servers, simulate
from tests.support import parallel

SEED = os.environ.get("TRANSFERS_SEED")
SEEDS = int(os.environ.get("TRANSFERS_SEEDS") or (1 if SEED else 1000))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_whatever_happens_nobody_is_paid_twice_or_lost(tmp_path: Path) -> None:
    """Crashes between any two steps, lost messages, servers that forget: the laws hold, and all comes to an end."""
    if not SEED:
        parallel.work(__file__, tmp_path, _pieces())
        return
    seeds = range(int(SEED), int(SEED) + SEEDS)
    print(f"seeds {seeds.start} to {seeds.stop - 1}")  # noqa: T201 - who sees it fail wants to see it again
    with running_servers() as servers:
        for seed in seeds:
            try:
                simulate(servers, seed)
            except Failed as broken:
                pytest.fail(f"{broken}\n\nAgain: TRANSFERS_SEED={seed} pytest tests/simulation", pytrace=False)


def _pieces() -> list[dict[str, str]]:
    first = random.SystemRandom().randrange(2**40)
    pieces = []
    for share in parallel.shares(SEEDS):
        pieces.append({"TRANSFERS_SEED": str(first), "TRANSFERS_SEEDS": str(share)})
        first += share
    return pieces
