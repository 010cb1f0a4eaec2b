"""Pauses as the tests look at them: by lane and terminal, whatever their ids are."""

from epay_transfers.ledger.store.pauses import Lane, Pause, Pauses


def pause_of(pauses: Pauses, lane: Lane, terminal: str) -> Pause | None:
    """The first one of this very lane and terminal."""
    return next((each for each in pauses.standing() if (each.lane, each.terminal) == (lane, terminal)), None)


def end_pauses(pauses: Pauses, lane: Lane, terminal: str, *, actor: str = "op", reason: str = "over") -> None:
    """All of this very lane and terminal. Where a worker's maintenance runs, it sets them again from its copies."""
    for each in pauses.standing():
        if (each.lane, each.terminal) == (lane, terminal):
            assert pauses.unpause(each, actor=actor, reason=reason)
