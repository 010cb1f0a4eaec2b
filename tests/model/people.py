"""The actors outside: a producer's calls of `enqueue`, a web tier's of `confirm`, a canceller, an operator.

Each call may be made again and again, by several processes at once, and may end between any two of its steps.
"""

from collections.abc import Iterator
from typing import Final

from tests.model import vault
from tests.model.ledger import may, remembered, to, tries_of
from tests.model.vault import is_empty
from tests.model.worker import is_warned, placed
from tests.model.world import (
    CONFIRM,
    DEAD,
    EXECUTED,
    GENERATION,
    GONE,
    MAYBE_SENT,
    NEEDS_REVIEW,
    NOT_THERE,
    PARKED,
    QUEUED,
    REJECTED,
    SEND,
    TOMBSTONE,
    UNKNOWN,
    Other,
    Place,
    Record,
    Rules,
    Scope,
    Step,
    World,
)

PUT: Final = "will put"
RECARD: Final = "will replace_card"
RESUME: Final = "will resume"

_Made = tuple[str, World, Other, bool]


def steps(world: World, rules: Rules, scope: Scope) -> Iterator[Step]:
    for number, call in enumerate(world.producers):
        if call not in world.producers[:number]:
            rest = world.producers[:number] + world.producers[number + 1 :]
            for label, after, mine, must_come in _producer(world, call, rules, scope):
                yield f"producer: {label}", after._replace(producers=tuple(sorted((*rest, mine)))), must_come
    for number, call in enumerate(world.web):
        if call not in world.web[:number]:
            rest = world.web[:number] + world.web[number + 1 :]
            for label, after, mine, must_come in _web(world, call, rules, scope):
                yield f"web: {label}", after._replace(web=tuple(sorted((*rest, mine)))), must_come
    if scope.can_cancel:
        for label, after, mine, must_come in _canceller(world, world.canceller, rules, scope):
            yield f"canceller: {label}", after._replace(canceller=mine), must_come
    if scope.has_operator:
        for label, after, mine, must_come in _operator(world, world.operator, rules, scope):
            yield f"operator: {label}", after._replace(operator=mine), must_come


def _producer(world: World, call: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    record = world.record
    if not call.step:
        if record.state == NOT_THERE:
            created = Record(QUEUED, 1, is_due=True)
            after = world._replace(record=created, past=remembered(world))
            yield "create", after, Other(PUT, 1), False
        elif not rules.card_again_takes_generation:
            yield "create: replayed, will put", world, Other(PUT, 1), False
        elif (
            record.state == QUEUED
            and is_empty(world.vault.card, rules)
            and record.epoch // GENERATION < scope.generations
        ):
            yield "create: replayed, the vault has no card", world, Other(RECARD, record.epoch), False
    elif call.step == PUT:
        place, reply = vault.put(world.vault.card, call.epoch, rules, over=rules.card_again_takes_generation)
        after = placed(world, SEND, place)
        yield f"vault.put: {reply}", after, GONE, False
        if reply == vault.OK and not rules.put_is_said_once:
            yield "vault.put: ok, reply lost, will repeat", after, call, False
        yield "dies, or its put fails", world, GONE, False
    elif may(record, "replace_card", call.epoch):
        next_generation = (record.epoch // GENERATION + 1) * GENERATION + 1
        epoch = next_generation if rules.generation_is_no_try else record.epoch + 1
        yield "replace_card", to(world, "replace_card", epoch=epoch), Other(PUT, epoch), False
    else:
        yield "replace_card: refused", world, GONE, False


def _web(world: World, call: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    record = world.record
    raised = 1 if rules.resume_raises_epoch else 0
    if not call.step:
        if record.state == PARKED and (tries_of(record.epoch) < scope.tries or not raised):
            first = PUT if rules.pares_before_resume else RESUME
            for is_wrong in (False, True):
                yield f"sees parked, PaRes {'BA'[not is_wrong]}", world, Other(first, record.epoch, is_wrong), False
    elif call.step == PUT:
        epoch, pares = call.epoch + raised, world.vault.pares
        then = call._replace(step=RESUME) if rules.pares_before_resume else GONE
        is_older = not rules.open_challenge_never_parks and pares.epoch < epoch and pares.kind != ""
        if (is_older and pares.kind != vault.EMPTY) or not raised:
            place, reply = Place("blob", epoch, is_wrong=call.is_wrong), vault.OK
        else:
            place, reply = vault.put(pares, epoch, rules, over=False, is_wrong=call.is_wrong)
        yield f"vault.put(PaRes): {reply}", placed(world, CONFIRM, place), GONE if reply == vault.NO else then, False
        yield "dies", world, GONE, False
    elif may(record, "resume", call.epoch):
        after = to(world, "resume", epoch=record.epoch + raised, phase=CONFIRM)
        then = GONE if rules.pares_before_resume else call._replace(step=PUT)
        yield "resume", after, then, False
        if scope.can_repeat and rules.pares_before_resume:
            yield "resume, reply lost", after, call, False
    else:
        yield "resume: refused", world, GONE, False


def _canceller(world: World, call: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    """A dead transfer is ended by the operator's discard, which takes the same steps as a producer's cancel."""
    if call.step or world.record.state != DEAD:
        yield from _ending(world, call, rules, scope)


def _ending(world: World, call: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    """A cancel, or an operator's discard of a dead transfer: close the vault, then move, then drop what is left."""
    record, step = world.record, call.step
    if not step:
        if record.state in {QUEUED, DEAD}:
            then = "will close" if rules.ending_closes_vault else "cancel"
            yield f"sees {record.state}", world, Other(then, record.epoch, seen=record.state), False
        elif record.state == PARKED:
            then = "will look" if rules.ending_closes_vault else "cancel"
            yield "sees parked", world, Other(then, record.epoch), False
        return
    yield "goes home", world, GONE, False
    if step == "will close" and is_warned(world, 0, rules, scope):
        return
    if step == "will close":
        place, reply = vault.close(world.vault.card, call.epoch, rules)
        then = "found_taken" if reply == vault.TAKEN else "cancel"
        yield f"vault.close: {reply}", placed(world, SEND, place), call._replace(step=then), False
    elif step == "will look":
        kind = world.vault.pares.kind
        then = "found_taken_confirm" if kind == TOMBSTONE else "cancel"
        yield f"vault.look(PaRes): {kind}", world, call._replace(step=then), False
    elif step == "will drop":
        card, pares = (vault.drop(place, call.epoch) for place in (world.vault.card, world.vault.pares))
        yield "vault.drop", placed(placed(world, SEND, card), CONFIRM, pares), GONE, False
    elif not may(record, step, call.epoch):
        yield f"{step}: refused", world, GONE, False
    elif step == "cancel":
        yield step, to(world, step), Other("will drop", call.epoch), False
    elif step == "found_taken" and rules.sweep_compares_version and record.state != call.seen:
        yield f"{step}: refused", world, GONE, False
    elif step == "found_taken":
        yield step, to(world, step, evidence=MAYBE_SENT), GONE, False
    else:
        yield step, to(world, step, phase=CONFIRM), GONE, False


def _operator(world: World, call: Other, rules: Rules, scope: Scope) -> Iterator[_Made]:
    record, bank = world.record, world.bank
    if not call.step and record.state == NEEDS_REVIEW:
        if bank.word == EXECUTED:
            yield "settles paid, by the statement", to(world, "operator_paid"), GONE, False
        is_quiet = not (bank.late_sends or bank.late_confirms or bank.late_wrong_confirms)
        if bank.word in {REJECTED, UNKNOWN} and is_quiet:
            yield "settles not paid, by the statement", to(world, "operator_not_paid"), GONE, False
    elif not call.step and record.state == DEAD:
        first = "will refence" if rules.revive_refences else "requeue_dead"
        yield "asks for a requeue, hears not found (may be untrue)", world, Other(first, record.epoch), False
        yield from _ending(world, call, rules, scope)
    elif call.step == "will refence":
        yield "goes home", world, GONE, False
        if is_warned(world, 0, rules, scope):
            return
        place, reply = vault.refence(world.vault.card, call.epoch, rules)
        then = call._replace(step="requeue_dead") if reply == vault.OK else GONE
        yield f"vault.refence: {reply}", placed(world, SEND, place), then, False
    elif call.step == "requeue_dead":
        yield "goes home", world, GONE, False
        if may(record, "requeue_dead", call.epoch) and tries_of(call.epoch) < scope.tries:
            yield "requeue_dead", to(world, "requeue_dead", epoch=call.epoch + 1), GONE, False
        else:
            yield "requeue_dead: refused", world, GONE, False
    elif call.step:
        yield from _ending(world, call, rules, scope)
