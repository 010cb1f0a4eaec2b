"""What time, the bank and bad luck may do to a transfer between any two steps: a list of what can happen now."""

from collections.abc import Callable
from functools import partial

from epay_transfers.ledger.vault.sealing import Purpose
from tests.ledger.harness import Ground
from tests.ledger.model import BankBook, Shadow

Trouble = tuple[str, Callable[[], object]]


def possible(ground: Ground) -> list[Trouble]:
    found = [trouble for shadow in ground.shadows.values() for trouble in _of_one(ground, shadow)]
    if any(place.kind != "nothing" for shadow in ground.shadows.values() for place in (shadow.card, shadow.pares)):
        found.append(("the vault forgets everything", ground.forget_everything))
        found.append(("somebody copies the vault", ground.copy_vault))
    if ground.has_vault_copy:
        found.append(("the vault goes back to the copy", ground.put_vault_back))
    return found


def _of_one(ground: Ground, shadow: Shadow) -> list[Trouble]:
    bank = shadow.bank
    found: list[Trouble] = []
    if bank.late:
        moods = ("executes", "rejects", "challenges")
        found += [
            (f"a late {bank.late[0]}: the bank {mood} {shadow.key}", partial(_hear, bank, mood)) for mood in moods
        ]
        found.append((f"a late {bank.late[0]} for {shadow.key} is lost", partial(bank.late.pop, 0)))
    if bank.word == "open":
        found.append((f"the challenge of {shadow.key} times out", partial(setattr, bank, "word", "rejected")))
    if bank.word == "paid":
        found.append((f"the bank gives {shadow.key} back", partial(setattr, bank, "word", "given_back")))
    for purpose, place in ((Purpose.CARD, shadow.card), (Purpose.PARES, shadow.pares)):
        if place.kind in {"blob", "stale"}:
            found.append((f"the {purpose} of {shadow.key} times out", partial(ground.time_out, purpose, shadow.key)))
    return found


def _hear(bank: BankBook, mood: str) -> None:
    bank.receive(bank.late.pop(0), mood)
