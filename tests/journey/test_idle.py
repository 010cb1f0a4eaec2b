"""What the loops of a worker with nothing to do ask of the servers, so that no change makes one ask more unseen.

Nothing is timed: a loop's rounds come as often as before, and what a round asks is counted here.
"""

import pytest
import redis

from tests.support.costs import counted
from tests.support.stage import Stage


@pytest.mark.parametrize(
    ("loop", "of_ledger", "of_vault"),
    [("sweeper", 1, 0), ("inbox", 1, 0), ("maintenance", 4, 1)],
)
def test_a_round_of_a_loop_that_finds_nothing_is_so_many_round_trips(
    stage: Stage, ledger_client: redis.Redis, vault_client: redis.Redis, loop: str, of_ledger: int, of_vault: int
) -> None:
    """Of the third one: the first looks at all that is looked at seldom, and the second at what that changed."""
    run_once = getattr(stage.worker, loop).run_once
    run_once(), run_once()

    with counted({"ledger": ledger_client, "vault": vault_client}) as costs:
        run_once()

    assert (costs["ledger"].trips, costs["vault"].trips) == (of_ledger, of_vault)
