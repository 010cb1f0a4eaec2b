"""Withdraw: end a transfer that was never sent, so that no worker can send it any more.

The card's place in the vault is closed first, then the ledger is told, then the place is cleared. A tombstone there
says that the card was taken out after all: the transfer becomes in doubt, and the bank is asked. Producers' cancel,
operators' cancel and discard, and the deadline of a queued transfer end it here (a parked one has no card to lock
away: the recorder ends it, after the bank was asked). What if we die in between? After the close the
transfer is unfinished still, under an epoch that opens nothing: a second call, or its worker, goes on from there.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.reasons import TAKEN_UNSENT, Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, EventFields, RecordFields
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault

Mover = Callable[[Record, Verb, Change], Moved | Refused]


class CardPlace(Protocol):
    """Where a transfer's card lies. Each raises `VaultUnavailable`."""

    def close(self, record: Record) -> bool:
        """False: its card was taken out after all."""

    def was_taken_by_last_claim(self, record: Record) -> bool: ...

    def drop(self, record: Record) -> None: ...


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It has ended, and no money moved."""


@dataclass(frozen=True, slots=True)
class WasTaken:
    """Its card was taken out: it is in doubt now, and a worker asks the bank."""

    state: State


def withdraw(
    record: Record,
    verb: Verb,
    *,
    reason: str,
    cards: CardPlace,
    move: Mover,
    event: EventFields | None = None,
    kept: RecordFields | None = None,
) -> Withdrawn | WasTaken | Refused:
    """By `verb` (cancel or expire). `kept`: what the record keeps of it besides.

    Raises `VaultUnavailable` or `LedgerUnavailable`: then call it again.
    """
    event = event or {}
    if not _is_known_to_be_unsent(record, cards) and not cards.close(record):
        # The record keeps what the tombstone says: it lives longer.
        found: RecordFields = {"reason": Reason.VAULT_REMEMBERS, "evidence": "maybe_sent"}
        moved = move(record, Verb.FOUND_TAKEN, Change(look_again_in=0, fields=found, event=event))
        return WasTaken(moved.state) if isinstance(moved, Moved) else moved
    why: RecordFields = {"reason": reason}
    moved = move(record, verb, Change(fields=why | (kept or {}), event=event))
    if isinstance(moved, Refused):
        return moved
    with suppress(VaultUnavailable):  # what is left there times out
        cards.drop(record)
    return Withdrawn()


def _is_known_to_be_unsent(record: Record, cards: CardPlace) -> bool:
    """Is a tombstone there no doubt? The worker that took the card out left it, and found that it may not be sent.

    Or the card never reached that worker, and the bank knew no order of it. A tombstone of another claim is a doubt.
    """
    if record.state is not State.DEAD:
        return False
    is_lost = record.reason == Reason.CARD_LOST and bool(record.claim_nonce)
    return record.reason in TAKEN_UNSENT or (is_lost and cards.was_taken_by_last_claim(record))


class VaultPlace:
    """A `CardPlace` of a process that looks into the vault for this alone."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def close(self, record: Record) -> bool:
        return self._vault.close(Purpose.CARD, record.key, record.epoch)

    def was_taken_by_last_claim(self, record: Record) -> bool:
        return self._vault.tombstone(Purpose.CARD, record.key) == record.claim_nonce

    def drop(self, record: Record) -> None:
        self._vault.drop(record.key)
