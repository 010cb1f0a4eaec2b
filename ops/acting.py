"""What acts that concern one transfer begin with: see whether it is in a state for this at all."""

from collections.abc import Callable, Collection

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ops.exit_status import Refusal

#: Why nothing can be done to one in another state.
Otherwise = Callable[[Record], str]


def must_be_in(record: Record, states: Collection[State], otherwise: Otherwise) -> Record:
    """The record again. Raises `Refusal`. A worker looks again before it does anything."""
    if record.state not in states:
        raise Refusal(f"{record.key} is {record.state}: {otherwise(record)}")
    return record
