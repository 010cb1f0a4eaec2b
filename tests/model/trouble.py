"""What nobody in the project does: requests that come late, lives that end, servers that forget or go back, time."""

from collections.abc import Iterator
from typing import Final

from tests.model.people import PUT
from tests.model.worker import WAITING, all_late, executed
from tests.model.world import (
    BLOB,
    GONE,
    IN_DOUBT,
    NOT_THERE,
    OPEN,
    REJECTED,
    UNFINISHED,
    UNKNOWN,
    Past,
    Place,
    Record,
    Rules,
    Scope,
    Step,
    Vault,
    World,
)

_EMPTY: Final = Place()


def steps(world: World, rules: Rules, scope: Scope) -> Iterator[Step]:
    yield from _late_requests(world, scope)
    yield from _time(world, scope)
    if scope.vault_forgets and (world.vault.card != _EMPTY or world.vault.pares != _EMPTY):
        yield "the vault restarts empty", _with_vault(world, _EMPTY, _EMPTY), False
    if scope.vault_goes_back:
        yield from _vault_goes_back(world, scope)
    if scope.ledger_goes_back:
        yield from _ledger_goes_back(world, scope)


def _late_requests(world: World, scope: Scope) -> Iterator[Step]:
    bank = world.bank
    if bank.late_sends:
        fewer = bank._replace(late_sends=bank.late_sends - 1)
        yield "the bank executes a late transfer", world._replace(bank=executed(fewer)), True
        if bank.word == UNKNOWN:
            yield "the bank rejects a late transfer", world._replace(bank=fewer._replace(word=REJECTED)), True
            if scope.has_3ds:
                yield "the bank wants 3-D Secure, late", world._replace(bank=fewer._replace(word=OPEN)), True
        yield "a late transfer is lost", world._replace(bank=fewer), True
    for fewer, is_wrong in (
        (bank._replace(late_confirms=bank.late_confirms - 1), False),
        (bank._replace(late_wrong_confirms=bank.late_wrong_confirms - 1), True),
    ):
        if fewer.late_confirms < 0 or fewer.late_wrong_confirms < 0:
            continue
        if bank.word == OPEN:
            if not is_wrong:
                yield "the bank executes a late confirm", world._replace(bank=executed(fewer)), True
            yield "the bank rejects a late confirm", world._replace(bank=fewer._replace(word=REJECTED)), True
        yield "a late confirm is lost", world._replace(bank=fewer), True
    if bank.word == OPEN:
        yield "the bank gives a challenge up", world._replace(bank=bank._replace(word=REJECTED)), True


def _with_vault(world: World, card: Place, pares: Place) -> World:
    return world._replace(vault=world.vault._replace(card=card, pares=pares))


def _time(world: World, scope: Scope) -> Iterator[Step]:
    record, vault, bank = world.record, world.vault, world.bank
    if scope.card_times_out:
        if vault.card.kind == BLOB:
            yield "the card's life in the vault is over", _with_vault(world, _EMPTY, vault.pares), True
        if vault.pares.kind == BLOB:
            yield "the PaRes's life in the vault is over", _with_vault(world, vault.card, _EMPTY), True
    if record.state != IN_DOUBT or record.is_past_horizon:
        return
    if bank.late_sends or bank.late_confirms or bank.late_wrong_confirms:
        return  # what is under way for a day is lost
    if any(worker.step == WAITING for worker in world.workers):
        return  # an exchange takes minutes, a horizon a day
    yield (
        "the horizon passes",
        world._replace(
            record=record._replace(is_past_horizon=True),
            vault=vault._replace(
                card=_EMPTY if vault.card.kind == BLOB else vault.card,
                pares=_EMPTY if vault.pares.kind == BLOB else vault.pares,
            ),
            workers=all_late(world),
            producers=tuple(sorted(GONE if call.step == PUT else call for call in world.producers)),
            web=tuple(sorted(GONE if call.step == PUT else call for call in world.web)),
        ),
        True,
    )


def _foreign(place: Place) -> Place:
    return place._replace(is_foreign=True) if place.kind == BLOB else place


def _vault_goes_back(world: World, scope: Scope) -> Iterator[Step]:
    """A copy is made once, at any moment; once, at any later moment, it takes the vault's place."""
    past, vault = world.past, world.vault
    is_same_run = scope.vault_goes_back == "same_run"
    if not past.vault_state and BLOB in {vault.card.kind, vault.pares.kind}:
        yield (
            "a copy of the vault is made",
            world._replace(past=past._replace(vault=vault, vault_state="copied")),
            False,
        )
    elif past.vault_state == "copied" and past.vault:
        if is_same_run and scope.told_before_going_back and past.known_writes < past.burnt_at:
            return
        copy = past.vault
        if not is_same_run:
            copy = Vault(_foreign(copy.card), _foreign(copy.pares))
        known = past.known_writes if is_same_run else 0
        after = past._replace(vault=None, vault_state="back" if is_same_run else "over", known_writes=known, burnt_at=0)
        yield "THE VAULT GOES BACK", world._replace(vault=copy, past=after), False
    if is_same_run and past.vault_state in {"copied", "back"}:
        if past.known_writes < vault.writes:
            told = past._replace(known_writes=vault.writes)
            yield "a process tells the ledger the vault's count", world._replace(past=told), False
        if past.vault_state == "back" and vault.writes < scope.others_write:
            yield "another transfer writes", world._replace(vault=vault._replace(writes=vault.writes + 1)), False


def _ledger_goes_back(world: World, scope: Scope) -> Iterator[Step]:
    past, record = world.past, world.record
    if past.ledger_state == "back":
        return
    if scope.ledger_goes_back == "anywhere" and not past.ledger_state and record.state in UNFINISHED:
        yield (
            "a copy of the ledger is made",
            world._replace(past=past._replace(ledger=record, ledger_state="copied")),
            False,
        )
    older: Record | None = past.ledger
    if scope.ledger_goes_back == "before_create" and record.state != NOT_THERE:
        older = Record()
    is_seen = scope.in_hand != "all" and any(call.step for call in world.sweepers)
    is_claimed = not scope.in_hand and any(worker.step for worker in world.workers)
    if older is not None and not is_seen and not is_claimed:
        after = past._replace(ledger=None, ledger_state="back")
        yield "THE LEDGER GOES BACK", world._replace(record=older, past=after), False


def first_past(scope: Scope) -> Past:
    """A ledger that may go back by one step keeps that step from the start."""
    return Past(ledger_state="one_step" if scope.ledger_goes_back == "one_step" else "")
