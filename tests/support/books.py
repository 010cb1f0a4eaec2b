"""The ledger's books beside the bank's: who is under way, how all stand, and where the two do not say the same."""

from typing import Any

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger

#: With whom nobody is done but the machines.
BUSY = (State.QUEUED, State.SENDING, State.RESUMED, State.CONFIRMING, State.IN_DOUBT)


def busy(ledger_client: redis.Redis) -> int:
    """How many are under way."""
    return Ledger(ledger_client).totals().of(*BUSY).count


def ends(ledger_client: redis.Redis) -> dict[str, tuple[State, str]]:
    """Every transfer's state and reason, by its key."""
    found = {}
    for place in ledger_client.scan_iter(match="transfers:{t}:r:*", count=1000):
        record = Record.from_hash(ledger_client.hgetall(place))  # type: ignore[arg-type]  # it is not awaitable here
        found[record.key] = (record.state, record.reason)
    return found


def differences(found: dict[str, tuple[State, str]], books: dict[str, Any]) -> list[str]:
    """Where the bank's books and the ledger's do not say the same. A held one is a person's, whatever the bank did."""
    executed = {key for key, order in books["orders"].items() if order["executions"]}
    twice = [f"{key} was executed twice" for key in books["totals"]["executed_twice"]]
    lost = [f"{key} was executed, and nobody knows it" for key in executed - set(found)]
    for key, (state, reason) in found.items():
        if (state is State.PAID) != (key in executed) and state is not State.NEEDS_REVIEW:
            lost.append(f"{key} is {state} ({reason}); executed: {key in executed}")
    return twice + lost
