"""What waits behind a pause: the transfers, and the money in them, that the paused lane keeps back."""

from collections.abc import Sequence

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.pauses import ALL, Lane, Pause
from epay_transfers.ledger.store.totals import Totals

#: Which transfers wait behind a paused lane.
_BEHIND = {
    Lane.SEND: (State.QUEUED,),
    Lane.CONFIRM: (State.RESUMED,),
    Lane.INQUIRE: (State.IN_DOUBT, State.NEEDS_REVIEW),
}


def behind(pause: Pause, totals: Totals) -> Totals:
    """What waits for this lane and terminal."""
    return totals.of(*states_behind(pause), terminal=terminal_of(pause))


def states_behind(pause: Pause) -> Sequence[State]:
    return _BEHIND[pause.lane]


def terminal_of(pause: Pause) -> str | None:
    """None: it is of all terminals."""
    return None if pause.terminal == ALL else pause.terminal
