"""The ledger's moves, as the table of states has them, and who may make them when.

`tests/model/test_model.py` compares `MOVES` with the product's own table: the model makes no move that is not in it.
"""

from typing import Final

from tests.model.world import (
    CANCELLED,
    CONFIRM,
    CONFIRMING,
    DEAD,
    DECLINED,
    EXPIRED,
    GENERATION,
    IN_DOUBT,
    NEEDS_REVIEW,
    PAID,
    PARKED,
    QUEUED,
    RESUMED,
    SEND,
    SENDING,
    UNFINISHED,
    Past,
    Record,
    World,
)

#: Verb → from-state → to-state.
MOVES: Final[dict[str, dict[str, str]]] = {
    "replace_card": {QUEUED: QUEUED},
    "claim": {QUEUED: SENDING, RESUMED: CONFIRMING},
    "pay": dict.fromkeys(UNFINISHED, PAID),
    "decline": dict.fromkeys(UNFINISHED, DECLINED),
    "park": {SENDING: PARKED, IN_DOUBT: PARKED},
    "doubt": {SENDING: IN_DOUBT, CONFIRMING: IN_DOUBT},
    "requeue": {SENDING: QUEUED, IN_DOUBT: QUEUED},
    "requeue_confirm": {CONFIRMING: RESUMED, IN_DOUBT: RESUMED},
    "fail_claimed": {SENDING: DEAD, IN_DOUBT: DEAD},
    "resume": {PARKED: RESUMED},
    "found_taken": {QUEUED: IN_DOUBT, DEAD: IN_DOUBT},
    "found_taken_confirm": {PARKED: IN_DOUBT},
    "inquiry_paid": dict.fromkeys((PARKED, IN_DOUBT, NEEDS_REVIEW, DEAD), PAID),
    "inquiry_declined": dict.fromkeys((PARKED, IN_DOUBT, NEEDS_REVIEW, DEAD), DECLINED),
    "send_to_review": {IN_DOUBT: NEEDS_REVIEW},
    "expire": {QUEUED: EXPIRED, PARKED: EXPIRED},
    "challenge_expired": {IN_DOUBT: EXPIRED},
    "cancel": {QUEUED: CANCELLED, PARKED: CANCELLED, DEAD: CANCELLED},
    "requeue_dead": {DEAD: QUEUED},
    "operator_paid": {NEEDS_REVIEW: PAID},
    "operator_not_paid": {NEEDS_REVIEW: DECLINED},
}

_PHASES: Final = {"park": SEND, "requeue": SEND, "requeue_confirm": CONFIRM, "fail_claimed": SEND}
_WITH_NONCE: Final = frozenset({SENDING, IN_DOUBT})


def tries_of(epoch: int) -> int:
    return epoch % GENERATION


def name_of(epoch: int) -> str:
    return f"{epoch // GENERATION}.{epoch % GENERATION}" if epoch >= GENERATION else str(epoch)


def may(record: Record, verb: str, epoch: int, *, compares: bool = True) -> bool:
    """Does the table let this verb start here, under this epoch, in this phase?"""
    if record.state not in MOVES[verb] or (compares and record.epoch != epoch):
        return False
    return _PHASES.get(verb, record.phase) == record.phase


def to(world: World, verb: str, *, epoch: int = 0, phase: str = "", evidence: str = "", nonce: int = 0) -> World:
    """The world after a move that is allowed. `epoch` and `phase`: where the move changes them."""
    was = world.record
    state = MOVES[verb][was.state]
    record = Record(
        state,
        epoch or was.epoch,
        phase or was.phase if state in UNFINISHED else SEND,
        evidence if state in {IN_DOUBT, NEEDS_REVIEW} else "",
        (nonce or was.nonce) if state in _WITH_NONCE else 0,
        is_past_horizon=was.is_past_horizon and state == IN_DOUBT == was.state,
        is_due=state in UNFINISHED,
    )
    return world._replace(record=record, past=remembered(world))


def remembered(world: World) -> Past:
    """The ledger that may go back by one step of this transfer keeps what it was before the step."""
    if world.past.ledger_state == "one_step":
        return world.past._replace(ledger=world.record)
    return world.past
