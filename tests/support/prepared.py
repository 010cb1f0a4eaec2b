"""A transfer in the state in which a command does something to it, and not refuse."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pause, Pauses
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.plan import Item, Plan, What

#: Command → the state. For the others any will do.
STATES = {
    "dead list": State.DEAD,
    "dead show": State.DEAD,
    "dead requeue": State.DEAD,
    "dead discard": State.DEAD,
    "settle": State.NEEDS_REVIEW,
    "correct": State.DECLINED,
    "doubt": State.IN_DOUBT,
    "parked": State.PARKED,
    "plan requeue": State.DEAD,
    "plan discard": State.DEAD,
    "plan settle": State.NEEDS_REVIEW,
}

Into = Callable[..., Record]


def prepare(
    name: str, reference: str, ledger: Ledger, into: Into, *, pause_id: str = "k7f3", words: Collection[str] = ()
) -> None:
    """For one command: `reference` is in its state, and the pause stands that the command ends.

    `words`: its options, where the state depends on them.
    """
    is_paid = name == "correct" and "--not-paid" in words
    into(State.PAID if is_paid else STATES.get(name, State.QUEUED), reference)
    if name == "outcomes replay":
        ledger.client.hset(redis_keys.OUTCOMES_ASIDE, "payouts 251124000001 1-0", json.dumps({"reference": reference}))
    if name == "outcomes forget":
        for group in ("old-shop", "payouts", reference):
            Events(ledger.client).join(group)
    if name == "unpause":
        added = Pause(pause_id, Lane.SEND, ALL).to_text()
        ledger.client.hsetnx(redis_keys.ADDED_PAUSES, pause_id, added)
        Pauses(ledger.client).pause(Lane.SEND, ALL, actor="operator aigul", reason="the bank asked", pause_id=pause_id)


def write_plan(ledger: Ledger, path: Path) -> None:
    """To cancel what is queued: for `transfers apply`."""
    items = [Item.of(record) for record in ledger.in_state(State.QUEUED)]
    with path.open("w", encoding="utf-8") as file:
        plans.write(Plan(what=What.CANCEL, items=items, made_at=0, made_by="aigul"), file)
