"""What a sweeper does, and an inquiry: look at what is due, think a lease or a deadline over, ask the bank, decide.

The look and the decision are two steps. What a sweeper read in the first may be untrue by the second.
"""

from collections.abc import Iterator
from typing import Final

from tests.model import vault
from tests.model.ledger import may, to, tries_of
from tests.model.vault import is_blob
from tests.model.worker import WAITING, all_late, is_behind, is_warned, placed, told
from tests.model.world import (
    CONFIRM,
    CONFIRMING,
    EXECUTED,
    GONE,
    IN_DOUBT,
    MAYBE_SENT,
    NEEDS_REVIEW,
    NOT_SENT,
    OPEN,
    PARKED,
    QUEUED,
    REJECTED,
    SEND,
    SENDING,
    TOMBSTONE,
    UNKNOWN,
    Other,
    Rules,
    Scope,
    Step,
    World,
)

REFENCE: Final = "will refence"
REFENCE_PARES: Final = "will refence the PaRes"
CLOSE: Final = "will close the vault"
LOOK: Final = "heard not found, will look at the vault"
LOOK_EARLY: Final = "heard not found, early"
LOOK_PARES: Final = "will look at the PaRes"
LOOK_CONFIRM: Final = "heard 3-D Secure, will look at the PaRes"

_Made = tuple[str, World, Other, bool]


def steps(world: World, rules: Rules, scope: Scope) -> Iterator[Step]:
    for number, sweeper in enumerate(world.sweepers):
        if sweeper in world.sweepers[:number]:
            continue
        for label, after, mine, must_come in _of(world, sweeper, rules, scope):
            others = world.sweepers[:number] + world.sweepers[number + 1 :]
            yield f"sweeper: {label}", after._replace(sweepers=tuple(sorted((*others, mine)))), must_come


def _of(world: World, sweeper: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    if not sweeper.step:
        record = world.record
        if record.is_due:
            after = world if rules.sweeper_peeks else world._replace(record=record._replace(is_due=False))
            if scope.workers_are_prompt and record.state == SENDING and any(worker.step for worker in world.workers):
                return
            if scope.leases_are_true and record.state in {SENDING, CONFIRMING}:
                if any(worker.step == WAITING for worker in world.workers):
                    return  # an exchange ends before its lease does
                after = after._replace(workers=all_late(world))
            for label, then, must_come in _seen(world, rules, scope):
                seen = record.state if then in {REFENCE, CLOSE} else ""
                yield label, after, Other(then, record.epoch, seen=seen, writes=world.past.known_writes), must_come
        return
    if scope.can_crash:
        yield "dies", world, GONE, False
    if sweeper.step in {REFENCE, REFENCE_PARES, CLOSE, LOOK, LOOK_EARLY, LOOK_PARES, LOOK_CONFIRM}:
        yield _at_vault(world, sweeper, rules, scope)
    else:
        yield from _moves(world, sweeper, rules, scope)


def _seen(world: World, rules: Rules, scope: Scope) -> Iterator[tuple[str, str, bool]]:
    """What it makes of the record, and of the bank's word where it asks."""
    record, word = world.record, world.bank.word
    if record.state == SENDING:
        yield "thinks the lease over", REFENCE, True
    elif record.state == CONFIRMING:
        yield "thinks the lease over", "doubt" if rules.confirm_is_never_refenced else REFENCE_PARES, True
    elif record.state == QUEUED:
        yield "thinks the deadline over", CLOSE if rules.ending_closes_vault else "expire", True
    elif record.state == PARKED:
        if word == EXECUTED:
            yield "thinks the deadline over, hears paid", "inquiry_paid", True
        if word == REJECTED:
            yield "thinks the deadline over, hears not paid", "inquiry_declined", True
        if word != UNKNOWN:
            yield "thinks the deadline over, hears 3-D Secure", _parked_step(rules), word == OPEN
    elif record.state == NEEDS_REVIEW:
        if word == EXECUTED:
            yield "asks, hears paid", "inquiry_paid", True
        if word == REJECTED:
            yield "asks, hears not paid", "inquiry_declined", True
    elif record.state == IN_DOUBT:
        yield from _in_doubt(world, rules, scope)


def _parked_step(rules: Rules) -> str:
    return LOOK_PARES if rules.ending_closes_vault else "expire"


def _in_doubt(world: World, rules: Rules, scope: Scope) -> Iterator[tuple[str, str, bool]]:
    record, word = world.record, world.bank.word
    if record.phase == SEND and is_blob(world.vault.card, rules):
        yield "sees doubt, looks into the vault first", REFENCE, True
    if word == EXECUTED:
        yield "asks, hears paid", "inquiry_paid", True
    if word == REJECTED:
        yield "asks, hears not paid", "inquiry_declined", True
    is_over = record.is_past_horizon or (scope.clock_jumps and not rules.ledger_time_decides)
    if is_over:
        if word == OPEN or (not record.is_past_horizon and word != UNKNOWN):
            then = LOOK_CONFIRM if rules.open_challenge_looks_for_confirm else "challenge_expired"
            yield "asks past the horizon, hears 3-D Secure", then, True
        yield f"asks past the horizon, hears not found{'' if word == UNKNOWN else ' (untrue)'}", LOOK, word == UNKNOWN
    elif word != UNKNOWN:
        stale = "" if word == OPEN else " (old news)"
        if not rules.open_challenge_never_parks:
            yield f"asks, hears 3-D Secure{stale}", "park", True
        elif not rules.open_challenge_waits_for_horizon:
            yield f"asks, hears 3-D Secure{stale}", "challenge_expired", True
    if not is_over and not rules.question_after_horizon:
        yield "asks, hears not found, early", LOOK_EARLY, True


def _at_vault(world: World, sweeper: Other, rules: Rules, scope: Scope) -> _Made:
    step, epoch, card, pares = sweeper.step, sweeper.epoch, world.vault.card, world.vault.pares
    if step == REFENCE:
        if rules.writes_are_compared and is_behind(world, sweeper.writes, scope):
            return "vault.refence: behind", world, sweeper._replace(step="doubt", writes=0), True
        place, reply = vault.refence(card, epoch, rules, compares=rules.take_compares_epoch)
        then = "requeue" if reply == vault.OK else "doubt"
        after = placed(world, SEND, place)
        return f"vault.refence: {reply}", after, sweeper._replace(step=then, writes=after.vault.writes), True
    if step == REFENCE_PARES:
        place, reply = vault.refence(pares, epoch, rules)
        then = "requeue_confirm" if reply == vault.OK else "doubt"
        return f"vault.refence(PaRes): {reply}", placed(world, CONFIRM, place), sweeper._replace(step=then), True
    if step == CLOSE and is_warned(world, sweeper.writes, rules, scope):
        return "vault.close: behind", world, GONE, True
    if step == CLOSE:
        place, reply = vault.close(card, epoch, rules)
        then = "found_taken" if reply == vault.TAKEN else "expire"
        return f"vault.close: {reply}", placed(world, SEND, place), sweeper._replace(step=then), True
    if step == LOOK_PARES:
        then = "found_taken_confirm" if pares.kind == TOMBSTONE else "expire"
        return f"vault.look(PaRes): {pares.kind}", world, sweeper._replace(step=then), True
    if step == LOOK_CONFIRM:
        then = "send_to_review" if pares.kind == TOMBSTONE else "challenge_expired"
        return f"vault.look(PaRes): {pares.kind}", world, sweeper._replace(step=then), True
    if step == LOOK_EARLY and not (world.record.state == IN_DOUBT and world.record.is_past_horizon):
        return "drops it", world, GONE, True
    then = "send_to_review" if _may_be_sent(world, rules) else "fail_claimed"
    return f"vault.look: {card.kind}", world, sweeper._replace(step=then), True


def _may_be_sent(world: World, rules: Rules) -> bool:
    """L5. Without the worker's own word that it sent nothing, it may have been."""
    record, card = world.record, world.vault.card
    if record.phase == CONFIRM or record.evidence == MAYBE_SENT:
        return True
    if not rules.silence_is_no_proof:
        return card.kind == TOMBSTONE
    is_others = card.kind == TOMBSTONE and (card.nonce != record.nonce or not rules.burnt_by_me_is_not_sent)
    return record.evidence != NOT_SENT or (is_others and rules.tombstones_name_their_claim)


def _moves(world: World, sweeper: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    verb, epoch, record = sweeper.step, sweeper.epoch, world.record
    after: World | None = None
    if verb == "requeue" and may(record, verb, epoch, compares=rules.requeue_compares_epoch):
        if record.state == sweeper.seen or not rules.sweep_compares_version:
            is_last = tries_of(record.epoch) >= scope.tries
            after = to(world, "fail_claimed") if is_last else to(world, verb, epoch=record.epoch + 1)
    elif verb == "doubt" and may(record, verb, epoch, compares=rules.requeue_compares_epoch):
        after = to(world, verb, evidence=_presumed(world, rules))
    elif verb in {"inquiry_paid", "inquiry_declined"} and may(
        record, verb, epoch, compares=rules.inquiry_compares_epoch
    ):
        after = to(world, verb)
    elif verb == "fail_claimed" and may(record, verb, epoch, compares=rules.inquiry_compares_epoch):
        is_as_seen = record.state == IN_DOUBT and record.evidence != MAYBE_SENT
        after = to(world, verb) if is_as_seen or not rules.die_compares_version else None
    elif verb in {"send_to_review", "challenge_expired"} and may(
        record, verb, epoch, compares=rules.inquiry_compares_epoch
    ):
        after = to(world, verb, evidence=record.evidence)
    elif verb == "expire" and may(record, verb, epoch, compares=rules.expire_compares_epoch):
        after = to(world, verb)
    elif verb == "found_taken" and may(record, verb, epoch):
        is_as_seen = record.state == sweeper.seen or not rules.sweep_compares_version
        after = to(world, verb, evidence=MAYBE_SENT) if is_as_seen else None
    elif verb == "found_taken_confirm" and may(record, verb, epoch):
        after = to(world, verb, phase=CONFIRM)
    elif verb == "park" and may(record, verb, epoch, compares=rules.inquiry_compares_epoch):
        after = to(world, verb) if record.state == IN_DOUBT else None
    elif verb == "requeue_confirm" and may(record, verb, epoch) and tries_of(epoch) < scope.tries:
        after = to(world, verb, epoch=epoch + 1) if record.state == CONFIRMING else None
    if after is None:
        yield f"{verb}: refused", world, GONE, True
        return
    after = told(after, sweeper.writes)
    yield verb, after, GONE, True
    if scope.can_repeat:
        yield f"{verb}, reply lost", after, sweeper, False


def _presumed(world: World, rules: Rules) -> str:
    """L3. A lease that ran out without its worker's word is MAYBE_SENT, whatever the vault holds."""
    if world.record.state == CONFIRMING:
        return ""
    if rules.silence_is_no_proof:
        return MAYBE_SENT
    return MAYBE_SENT if world.vault.card.kind == TOMBSTONE else ""
