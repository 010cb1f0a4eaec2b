"""What commands that concern one transfer begin with: find it, and see whether it is in a state for this at all."""

from collections.abc import Callable, Collection

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal


def find_in(context: Context, name: str, states: Collection[State], otherwise: Callable[[Record], str]) -> Record:
    """By key or reference. `otherwise`: why nothing can be done to one in another state. Raises `Refusal`.

    A worker looks again before it does anything.
    """
    record = context.find(name)
    if record.state not in states:
        raise Refusal(f"{record.key} is {record.state}: {otherwise(record)}")
    return record
