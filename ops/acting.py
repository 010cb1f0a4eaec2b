"""What each command does that moves a transfer by itself: find it, check its state, move it, say what came of it."""

from collections.abc import Callable, Collection

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal


def find_in(context: Context, name: str, states: Collection[State], otherwise: Callable[[Record], str]) -> Record:
    """By key or reference. `otherwise`: why nothing can be done to one in another state. Raises `Refusal`."""
    record = context.find(name)
    if record.state not in states:
        raise Refusal(f"{record.key} is {record.state}: {otherwise(record)}")
    return record


def act(
    context: Context,
    name: str,
    verb: Verb,
    change: Change,
    *,
    otherwise: Callable[[Record], str],
    done: Callable[[Moved], str],
) -> None:
    """Find it, check its state by the verb's row, make the move, say what is `done`. Raises `Refusal`."""
    record = find_in(context, name, verb.row.moves, otherwise)
    screen.say(f"{record.key}: {done(move(context, record, verb, change))}")


def move(context: Context, record: Record, verb: Verb, change: Change) -> Moved:
    """The move alone, in the operator's name. Raises `Refusal` if the transfer has moved meanwhile."""
    moved = context.ledger.move(record, verb, change, actor=context.actor)
    if isinstance(moved, Refused):
        raise refusal(record, moved)
    return moved


def refusal(record: Record, refused: Refused) -> Refusal:
    return Refusal(f"{record.key}: nothing was changed; meanwhile it is {refused.state}. Look at it again")
