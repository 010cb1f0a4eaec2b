"""The record of one transfer, as the ledger keeps it: a typed view of one Redis hash.

`Record` is what the rooms of this project pass around. What a producer or an operator is shown is `ledger.transfer`.
No card data is here: the cards are a first six and a last four, and keyed digests to compare by.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Self

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.states import Phase, State

#: An epoch is *card generation . try*, in one number. A new generation leaves all tries of the old one behind it.
GENERATION = 1_000_000
FIRST_EPOCH = GENERATION + 1

#: The bank's code for paid.
PAID_CODE = "0"

#: What only matters while a transfer is unfinished, and goes when it ends.
UNFINISHED_FIELDS = (
    "next_attempt_at", "lease_until", "claim_nonce", "wakeups", "inquiries", "agreeing_reads", "last_read",
    "in_doubt_since", "requested_action", "parked_until", "notification", "three_ds2_fields",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Times are in milliseconds since 1970; 0 and "" stand for "not there". Field names are those of the hash."""

    key: str
    state: State
    phase: Phase = Phase.SEND
    epoch: int = FIRST_EPOCH
    version: int = 0
    state_since: int = 0
    created_at: int = 0

    # What the producer said.
    reference: str = ""
    handle: str = ""
    space: str = ""
    terminal: str = ""
    amount: int = 0
    currency: str = ""
    urgency: str = ""
    related: str = ""
    order_details: str = (
        ""  #: JSON: what only the bank is told (description, links, `foreign`, `merchantIdForSavingCards`)
    )
    fingerprints: str = ""  #: keyed digests of the intent's fields, to compare a replay by
    deadline_at: int = 0  #: the deadline

    # Where it stands.
    next_attempt_at: int = 0  #: when the next try may begin
    lease_until: int = 0  #: until when the worker that claimed it may send
    claim_nonce: str = ""  #: of the last claim: the tombstone in the vault says under which one the card was taken out
    rate_slot_at: int = 0  #: when it may go, where its terminal's rate makes it wait
    attempts: int = 0  #: tries that ended without an answer of the bank to the transfer
    wakeups: int = 0
    inquiries: int = 0  #: inquiries since it came into doubt
    agreeing_reads: int = 0  #: inquiries in a row, after the horizon, that the bank answered with the same word
    last_read: str = ""  #: that word
    in_doubt_since: int = 0  #: when it came into doubt
    parked_until: int = 0
    requested_action: str = ""  #: what a person asked a worker to do: `inquire`, `requeue`, `discard`, `cancel`
    pares_digest: str = ""  #: a digest of the PaRes that was taken
    three_ds2_fields: str = ""  #: names and sizes of what the client brought in a PaRes's place, by 3-D Secure 2
    notification: str = ""  #: `epoch:code` of the bank's notification, where it was proved to be the bank's

    # What is known.
    code: str = ""
    reason: str = ""
    message: str = ""
    evidence: str = ""
    bank_id: str = ""
    bank_reference: str = ""
    int_reference: str = ""
    sender_card: str = ""
    receiver_card: str = ""
    sender_card_id: str = ""
    receiver_card_id: str = ""
    not_before_at: int = 0

    @property
    def next_generation(self) -> int:
        """The epoch of the first try with a card that is brought again."""
        return (self.epoch // GENERATION + 1) * GENERATION + 1

    @property
    def is_paid_by_notification(self) -> bool:
        """Does the bank's proved notification say that it paid? It proves the invoice, whatever the try."""
        epoch, _, code = self.notification.partition(":")
        return code == PAID_CODE and int(epoch) <= self.epoch

    @classmethod
    def from_hash(cls, raw: Mapping[str, str]) -> Self:
        """Raises `ValueError`, which names the field, for what this version can't read."""
        values: dict[str, Any] = {}
        for name, kind in _KINDS.items():
            if name in raw:
                try:
                    values[name] = kind(raw[name])
                except ValueError:
                    raise ValueError(f"its {name} is none that this version knows") from None
        return cls(**values)

    @classmethod
    def from_ledger(cls, key: str, raw: Mapping[str, str]) -> Self:
        """As the ledger keeps it. Raises `RecordUnreadable`."""
        lacking = [name for name in _ALWAYS_THERE if not raw.get(name)]
        if lacking:
            raise RecordUnreadable(key, f"it lacks {', '.join(lacking)}")
        try:
            return cls.from_hash(raw)
        except ValueError as error:
            raise RecordUnreadable(key, str(error)) from None


def _number(text: str) -> int:
    """As the scripts take one: no blanks, no underscores, and exact in their numbers."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,14}", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def _note(text: str) -> str:
    if text and not re.fullmatch(r"[0-9]{1,18}:.*", text, re.ASCII):
        raise ValueError(text)
    return text


_KINDS: dict[str, Callable[[str], Any]] = {
    field.name: {"state": State, "phase": Phase, "notification": _note}.get(
        field.name, _number if isinstance(field.default, int) else str
    )
    for field in fields(Record)
}

#: What `create` writes into every record, and the scripts need of it.
_ALWAYS_THERE = ("key", "state", "epoch", "version", "state_since", "amount", "currency", "reference", "terminal")


@dataclass(frozen=True, slots=True)
class Challenge:
    """3-D Secure, as the bank asked for it (contract sections 2 and 3). It goes to the client's browser."""

    pa_req: str
    md: str
    action: str


#: The fields of a transfer that comes into doubt: nothing was asked so far. Times: `in_doubt_since`, `next_attempt_at`.
NEWLY_DOUBTED: Mapping[str, str | int] = MappingProxyType(
    {"inquiries": 0, "agreeing_reads": 0, "last_read": "", "requested_action": "", "wakeups": 0}
)

#: The same, of one that the vault remembers: the record keeps the tombstone's witness, for it lives longer.
REMEMBERED: Mapping[str, str | int] = MappingProxyType(
    {**NEWLY_DOUBTED, "reason": "vault_remembers", "evidence": "maybe_sent"}
)

#: Its times, where the bank may be asked at once.
AT_ONCE: Mapping[str, int] = MappingProxyType({"in_doubt_since": 0, "next_attempt_at": 0})
