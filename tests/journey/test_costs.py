"""What the worker's way of one transfer costs the servers, so that no change makes it dearer unseen.

Nothing is timed: `make bench` does that. A change that makes a transfer cheaper lowers the numbers here.
"""

import redis

from epay_transfers.ledger.states import State
from tests.support.costs import Cost, counted
from tests.support.stage import Stage

#: A worker that runs for longer looks for no card that was put in meanwhile.
_STEADY_S = 4


def test_a_paid_transfer_costs_the_servers_so_much(
    stage: Stage, ledger_client: redis.Redis, vault_client: redis.Redis
) -> None:
    """Round trips and commands are exact; of the bytes, a number with one digit more is no news."""
    cost = cost_of_one(stage, {"ledger": ledger_client, "vault": vault_client})

    assert (cost["ledger"].trips, cost["vault"].trips) == (3, 1)
    assert (cost["ledger"].commands, cost["vault"].commands) == (38, 11)
    assert cost["ledger"].sent <= 2_170
    assert cost["vault"].sent <= 285


def test_a_transfer_costs_the_same_beside_a_hundred_others(
    stage: Stage, ledger_client: redis.Redis, vault_client: redis.Redis
) -> None:
    """Nothing on its way goes over what else the ledger holds."""
    clients = {"ledger": ledger_client, "vault": vault_client}
    first = cost_of_one(stage, clients)
    for _ in range(100):
        stage.new()

    later = cost_of_one(stage, clients)

    assert {name: (its.trips, its.commands) for name, its in later.items()} == {
        name: (its.trips, its.commands) for name, its in first.items()
    }


def cost_of_one(stage: Stage, clients: dict[str, redis.Redis]) -> dict[str, Cost]:
    """Of the second one: with the first, connections are opened and scripts are loaded."""
    stage.journey.execute(stage.new())
    stage.clock.advance(_STEADY_S)
    key = stage.new()

    with counted(clients) as costs:
        stage.journey.execute(key)

    assert stage.state(key) is State.PAID
    return costs
