"""The model of one transfer, put together: its first world, its steps, and how a trace is printed."""

from collections.abc import Callable, Iterator

from tests.model import people, sweeper, trouble, worker
from tests.model.explore import Found, explore
from tests.model.laws import is_end, law_for
from tests.model.ledger import name_of
from tests.model.world import Place, Rules, Scope, Step, World, start


def steps(world: World, rules: Rules, scope: Scope) -> Iterator[Step]:
    yield from worker.steps(world, rules, scope)
    yield from sweeper.steps(world, rules, scope)
    yield from people.steps(world, rules, scope)
    yield from trouble.steps(world, rules, scope)


def run(
    rules: Rules,
    scope: Scope,
    *,
    limit: int,
    law: Callable[[World], str] | None = None,
    must_end: bool = False,
) -> Found[World]:
    first = start(scope)._replace(past=trouble.first_past(scope))
    return explore(
        first,
        lambda world: steps(world, rules, scope),
        law or law_for(rules, scope),
        limit=limit,
        is_end=is_end if must_end else None,
    )


def _place(place: Place) -> str:
    foreign = " of another run" if place.is_foreign else ""
    return f"{place.kind} {name_of(place.epoch)}{foreign}" if place.epoch else place.kind


def describe(world: World) -> str:
    """One line of a trace: what the ledger, the vault and the bank hold after a step."""
    record, bank = world.record, world.bank
    said = f"{record.state} {name_of(record.epoch)} {record.evidence}".rstrip()
    horizon = ", past the horizon" if record.is_past_horizon else ""
    pares = f" | PaRes {_place(world.vault.pares)}" if world.vault.pares.epoch else ""
    return f"{said}{horizon} | card {_place(world.vault.card)}{pares} | bank {bank.word}, executed {bank.executions}"
