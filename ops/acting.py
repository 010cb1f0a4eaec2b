"""What each command does that moves a transfer by itself: find it, check its state, move it, say what came of it."""

from collections.abc import Callable

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal


def act(
    context: Context,
    name: str,
    verb: Verb,
    change: Change,
    *,
    otherwise: Callable[[Record], str],
    done: Callable[[Moved], str],
) -> None:
    """By key or reference. `otherwise`: why a transfer in another state can't be moved; `done`: what is said after it.

    Raises `Refusal`.
    """
    record = context.find(name)
    if record.state not in verb.row.moves:
        raise Refusal(f"{record.key} is {record.state}: {otherwise(record)}")
    moved = move(context, record, verb, change)
    screen.say(f"{record.key}: {done(moved)}")


def move(context: Context, record: Record, verb: Verb, change: Change) -> Moved:
    """The move alone, in the operator's name. Raises `Refusal` if the transfer has moved meanwhile."""
    moved = context.ledger.move(record, verb, change, actor=context.actor)
    if isinstance(moved, Refused):
        raise Refusal(f"{record.key}: nothing was changed; meanwhile it is {moved.state}. Look at it again")
    return moved
