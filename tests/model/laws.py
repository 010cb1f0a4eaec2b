"""The laws: what no world may be. Each returns the law that broke, or an empty text."""

from collections.abc import Callable
from typing import Final

from tests.model.world import (
    CANCELLED,
    DEAD,
    DECLINED,
    EXPIRED,
    FINAL,
    NEEDS_REVIEW,
    NOT_THERE,
    PAID,
    PARKED,
    QUEUED,
    RESUMED,
    UNFINISHED,
    Rules,
    Scope,
    World,
)

_NO_MONEY: Final = frozenset({DECLINED, EXPIRED, CANCELLED, DEAD})


def money(world: World) -> str:
    """Nothing is executed twice, and the ledger says nothing that is not so."""
    record, executions = world.record, world.bank.executions
    if executions > 1:
        return "the bank executed twice"
    if executions and record.state in _NO_MONEY:
        return f"{record.state}, but the bank executed"
    if record.state == PAID and not executions:
        return "paid, but the bank did not execute"
    return ""


def law_for(rules: Rules, scope: Scope) -> Callable[[World], str]:
    """All laws that must hold in this scope. A ledger that went back has forgotten what it knew: money alone counts."""

    def all_laws(world: World) -> str:
        record = world.record
        if world.sent > 1:
            return "two transfers sent without proof that the first was not"
        if world.confirmed > 1:
            return "two confirms sent without proof that the first was not"
        if broken := money(world):
            return broken
        if record.was_refused:
            return "a bank's answer was refused while the transfer was unfinished"
        if (record.state in UNFINISHED) != record.is_due:
            is_in_hand = not rules.sweeper_peeks and any(call.step for call in world.sweepers)
            if not is_in_hand:
                return f"{record.state}, and not in `due`"
        if record.state == QUEUED and world.sent:
            return "queued although it was sent"
        if record.state in {PARKED, RESUMED} and world.confirmed:
            return f"{record.state} although a confirm was sent"
        return ""

    def after_forgetting(world: World) -> str:
        came_back = scope.ledger_goes_back != "before_create" and world.past.ledger_state == "back"
        if came_back and world.record.state == DEAD:
            return ""  # it may be the old record's word, of before the send that the ledger forgot
        return money(world)

    return after_forgetting if scope.ledger_goes_back else all_laws


def held_without_cause(world: World) -> str:
    """For a space without crashes and without a vault that forgets: who sent nothing can say so."""
    if world.record.state == NEEDS_REVIEW and not world.sent:
        return "held, though its worker lives and sent nothing"
    return ""


def is_end(world: World) -> bool:
    """Where a transfer may stay: it is over, or a person's, or dead with its money where it was."""
    return world.record.state in FINAL | {NEEDS_REVIEW, DEAD, NOT_THERE}
