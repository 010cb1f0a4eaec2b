"""What time, the bank and bad luck may do to a transfer between any two steps: a list of what can happen now."""

from collections.abc import Callable
from functools import partial

from epay_transfers.ledger.vault.sealing import Purpose
from tests.ledger.harness import Harness
from tests.ledger.model import BankBook, TransferModel

Trouble = tuple[str, Callable[[], object]]


def possible(harness: Harness) -> list[Trouble]:
    found = [trouble for model in harness.models.values() for trouble in _of_one(harness, model)]
    if any(place.kind != "nothing" for model in harness.models.values() for place in (model.card, model.pares)):
        found.append(("the vault forgets everything", harness.forget_everything))
        found.append(("somebody copies the vault", harness.copy_vault))
    if harness.has_vault_copy:
        found.append(("the vault goes back to the copy", harness.put_vault_back))
    return found


def _of_one(harness: Harness, model: TransferModel) -> list[Trouble]:
    bank = model.bank
    found: list[Trouble] = []
    if bank.late:
        moods = ("executes", "rejects", "challenges")
        found += [(f"a late {bank.late[0]}: the bank {mood} {model.key}", partial(_hear, bank, mood)) for mood in moods]
        found.append((f"a late {bank.late[0]} for {model.key} is lost", partial(bank.late.pop, 0)))
    if bank.word == "open":
        found.append((f"the challenge of {model.key} times out", partial(setattr, bank, "word", "rejected")))
    if bank.word == "paid":
        found.append((f"the bank gives {model.key} back", partial(setattr, bank, "word", "given_back")))
    for purpose, place in ((Purpose.CARD, model.card), (Purpose.PARES, model.pares)):
        if place.kind in {"blob", "stale"}:
            found.append((f"the {purpose} of {model.key} times out", partial(harness.time_out, purpose, model.key)))
    return found


def _hear(bank: BankBook, mood: str) -> None:
    bank.receive(bank.late.pop(0), mood)
