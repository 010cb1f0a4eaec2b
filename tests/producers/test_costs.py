"""What an enqueue costs the servers, so that no change makes it dearer unseen.

Nothing is timed: `make bench` does that. A change that makes an enqueue cheaper lowers the numbers here.
"""

import redis

from epay_transfers.producers import Transfers
from tests.producers.conftest import by_pan
from tests.support.costs import counted


def test_an_enqueue_costs_the_servers_so_much(
    transfers: Transfers, ledger_client: redis.Redis, vault_client: redis.Redis
) -> None:
    """One round trip for the record, one for the cards, one for the wake-up: its queue is on the ledger's server."""
    transfers.enqueue(by_pan("warm"))  # connected, and the scripts are loaded

    with counted({"ledger": ledger_client, "vault": vault_client}) as costs:
        transfers.enqueue(by_pan("payout"))

    assert (costs["ledger"].trips, costs["vault"].trips) == (2, 1)
    # One of the commands looks whether the reference is an archived one's.
    assert (costs["ledger"].commands, costs["vault"].commands) == (21, 7)
    assert costs["ledger"].sent <= 1_505
    assert costs["vault"].sent <= 1_195
