"""The record of one transfer, as the ledger keeps it: a typed view of one Redis hash.

`Record` is what the rooms of this project pass around. What a producer or an operator is shown is `ledger.transfer`.
No card data is here: the cards are a first six and a last four. Their digests are apart, under a key of their own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from epay_transfers.ledger import decisions, metadata
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.invoice import DEFAULT_SPACE
from epay_transfers.ledger.states import Phase, State

#: An epoch is *card generation . try*, in one number. A new generation leaves all tries of the old one behind it.
GENERATION = 1_000_000
FIRST_EPOCH = GENERATION + 1

#: The bank's code for paid.
PAID_CODE = "0"


class Lifetime(StrEnum):
    """How long a field of the record is kept. The ledger clears it then, for every caller."""

    STATE = "state"  #: until the transfer changes its state
    DOUBT = "doubt"  #: while it is in doubt, or in review after that
    UNFINISHED = "unfinished"  #: until the transfer ends
    EVER = "ever"


_UNTIL = {each: MappingProxyType({"lifetime": each}) for each in Lifetime}


class RequestedAction(StrEnum):
    """What an operator, a producer or the web tier asks a worker to do: it alone reaches the bank and the cards."""

    INQUIRE = "inquire"  #: ask the bank
    CANCEL = "cancel"  #: end a parked transfer, after the bank was asked
    REQUEUE = "requeue"  #: send a dead transfer again, after the bank was asked
    DISCARD = "discard"  #: end a dead transfer


#: Of this version's records. See `UPGRADING.md` for what a change of it needs.
SCHEMA = 1

#: Field → its name in the hash, of fields that no script knows by name: short ones save 70 bytes of each transfer, for
#: ever. An older record has the long names. Both are read; where both are there, the short one is the newer.
KEPT_AS = MappingProxyType({
    "handle": "ha",
    "order_details": "od",
    "fingerprints": "fp",
    "evidence": "ev",
    "bank_id": "bi",
    "bank_reference": "br",
    "int_reference": "ir",
    "sender_card": "sc",
    "receiver_card": "rc",
    "sender_card_id": "si",
    "receiver_card_id": "ri",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Times are in milliseconds since 1970; 0 and "" stand for "not there". Field names are those of the hash, but for
    `KEPT_AS`.

    A field without a lifetime of its own is kept for ever.
    """

    key: str
    state: State
    schema: int = SCHEMA
    phase: Phase = Phase.SEND
    epoch: int = FIRST_EPOCH
    version: int = 0
    state_since: int = 0
    created_at: int = 0

    # What the producer said.
    reference: str = ""
    handle: str = ""
    space: str = ""  #: the hash has it in the key alone
    terminal: str = ""
    amount: int = 0
    currency: str = ""
    urgency: str = field(default="", metadata=_UNTIL[Lifetime.UNFINISHED])
    related: str = ""
    #: JSON of `ledger.order.OrderDetails`: what the bank alone is told beside the cards.
    order_details: str = field(default="", metadata=_UNTIL[Lifetime.UNFINISHED])
    fingerprints: str = ""  #: keyed digests of the intent's fields but for the cards', to compare a replay by
    deadline_at: int = 0  #: what is not sent by then expires
    metadata: str = field(default="", repr=False)  #: JSON of `ledger.metadata`: the producer's own, and never logged

    # Where it stands.
    attempts: int = 0  #: tries that ended without an answer of the bank to the transfer
    wakeups: int = field(default=0, metadata=_UNTIL[Lifetime.STATE])  #: sent by the sweeper, and not answered
    woken_at: int = field(default=0, metadata=_UNTIL[Lifetime.STATE])  #: when the sweeper last sent one
    requested_action: str = field(default="", metadata=_UNTIL[Lifetime.STATE])  #: a `RequestedAction`
    request_id: str = field(default="", metadata=_UNTIL[Lifetime.STATE])  #: of the entry that asked for it
    next_attempt_at: int = field(default=0, metadata=_UNTIL[Lifetime.UNFINISHED])  #: not before this time
    lease_until: int = field(default=0, metadata=_UNTIL[Lifetime.UNFINISHED])  #: the claim's worker may send until then
    claim_nonce: str = field(default="", metadata=_UNTIL[Lifetime.UNFINISHED])  #: of the last claim, as its tombstone's
    rate_slot_at: int = field(default=0, metadata=_UNTIL[Lifetime.UNFINISHED])  #: reserved by the terminal's rate
    parked_until: int = field(default=0, metadata=_UNTIL[Lifetime.UNFINISHED])  #: the client may answer until then
    three_ds2_fields: str = field(default="", metadata=_UNTIL[Lifetime.UNFINISHED])  #: names and sizes: came, no PaRes
    notification: str = field(default="", metadata=_UNTIL[Lifetime.UNFINISHED])  #: `epoch:code` of the proved one
    in_doubt_since: int = field(default=0, metadata=_UNTIL[Lifetime.DOUBT])
    inquiries: int = field(default=0, metadata=_UNTIL[Lifetime.DOUBT])  #: that the bank answered
    agreeing_reads: int = field(default=0, metadata=_UNTIL[Lifetime.DOUBT])  #: after the horizon, with the same word
    last_read: str = field(default="", metadata=_UNTIL[Lifetime.DOUBT])  #: that word
    unanswered: int = field(default=0, metadata=_UNTIL[Lifetime.DOUBT])  #: inquiries in a row without an answer
    bank_said: str = field(default="", metadata=_UNTIL[Lifetime.DOUBT])  #: the bank's word in the last inquiry
    pares_digest: str = ""  #: of the PaRes that was taken

    # What operators ask and decide, and when the bank is asked about it beside `due`.
    question_id: str = ""  #: the id of an operator's entry: the bank is to be asked now, and has not been yet
    decisions: str = ""  #: JSON of `ledger.decisions`: who decided what, why and with what proof
    watch_at: int = 0  #: when the bank is asked about it next, whatever state it is in
    watches: int = 0  #: so many times more

    history: str = field(default="", compare=False)  #: the ids of its events, for `Events.of`

    # Once it is archived, `reference` is the digest of the producer's, and what is not in `ARCHIVED_FIELDS` is gone.
    archived_at: int = 0
    archive: str = ""  #: the name of the file that has its details

    # Said by the bank in an answer that is not believed. For an operator's question to the bank: no code decides by it.
    unbelieved_bank_id: str = field(default="", metadata=_UNTIL[Lifetime.DOUBT])
    unbelieved_reference: str = field(default="", metadata=_UNTIL[Lifetime.DOUBT])
    unbelieved_message: str = field(default="", metadata=_UNTIL[Lifetime.DOUBT])

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
    def from_hash(cls, raw: Mapping[str, str], *, space: str = "") -> Self:
        """`space`: where the hash has none. Raises `ValueError`, which names the field, for what can't be read."""
        values: dict[str, Any] = {"space": space}
        name = ""
        try:
            for kept, text in raw.items():
                name = _NAMED.get(kept, kept)
                if (kind := _KINDS.get(name)) and not (kept in KEPT_AS and KEPT_AS[kept] in raw):
                    values[name] = kind(text)  # names that this version does not know are left alone
        except ValueError:
            raise ValueError(f"its {name} has a value that this version does not know") from None
        return cls(**values)

    @classmethod
    def from_ledger(cls, key: str, raw: Mapping[str, str]) -> Self:
        """As the ledger keeps it. Raises `RecordUnreadable`."""
        lacking = [name for name in _ALWAYS_THERE if not raw.get(name)]
        if lacking:
            raise RecordUnreadable(key, f"it lacks {', '.join(lacking)}")
        try:
            return cls.from_hash(raw, space=key.rpartition(":")[0] or DEFAULT_SPACE)
        except ValueError as error:
            raise RecordUnreadable(key, str(error)) from None


_EXACT = re.compile("0|-?[1-9][0-9]{0,14}")


def _number(text: str) -> int:
    """As the scripts take one: no blanks, no underscores, and exact in their numbers."""
    if not _EXACT.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _schema(text: str) -> int:
    number = _number(text)
    if not 1 <= number <= SCHEMA:
        raise ValueError(text)
    return number


def _note(text: str) -> str:
    if text and not re.fullmatch(r"[0-9]{1,18}:.*", text, re.ASCII):
        raise ValueError(text)
    return text


def _decisions(text: str) -> str:
    if text:
        decisions.read(text)
    return text


def _metadata(text: str) -> str:
    metadata.read(text)
    return text


_KINDS: dict[str, Callable[[str], Any]] = {
    each.name: {
        "state": State,
        "phase": Phase,
        "schema": _schema,
        "notification": _note,
        "decisions": _decisions,
        "metadata": _metadata,
    }.get(each.name, _number if isinstance(each.default, int) else str)
    for each in fields(Record)
}

#: The names of all fields.
FIELDS = tuple(_KINDS)

_NAMED = {kept: name for name, kept in KEPT_AS.items()}


def kept_as(name: str) -> str:
    """A field's name in the hash."""
    return KEPT_AS.get(name, name)


#: What stays of an archived transfer: its name, its end, and what lists, counters and a replay of it need. None has
#: another name in the hash (`KEPT_AS`), now or in a record of before: so all others go, whatever they are called.
ARCHIVED_FIELDS = (
    "key", "state", "schema", "phase", "epoch", "version", "state_since", "created_at", "deadline_at", "reference",
    "space", "terminal", "amount", "currency", "code", "reason", "history", "archived_at", "archive",
)  # fmt: skip

_LIFETIMES: Mapping[str, Lifetime] = {
    each.name: each.metadata.get("lifetime", Lifetime.EVER) for each in fields(Record)
}


def cleared_with(*lifetimes: Lifetime) -> tuple[str, ...]:
    """The fields that one of these lifetimes ends."""
    return tuple(name for name, lifetime in _LIFETIMES.items() if lifetime in lifetimes)


#: Each ends no later than the next: what ends a lifetime ends those before it.
_SHORTEST_FIRST = (Lifetime.STATE, Lifetime.DOUBT, Lifetime.UNFINISHED)


def _every_name(lifetimes: Iterable[Lifetime]) -> tuple[str, ...]:
    """Of the fields of these lifetimes, by every name that they have in a hash."""
    names = (name for lifetime in lifetimes for name in cleared_with(lifetime))
    return tuple(kept for name in names for kept in dict.fromkeys((name, kept_as(name))))


#: The fields that go before the record does, in the order of their lifetimes.
CLEARED = _every_name(_SHORTEST_FIRST)


def cleared_up_to(longest: Lifetime) -> int:
    """How many of `CLEARED` go where this lifetime ends."""
    return len(_every_name(_SHORTEST_FIRST[: _SHORTEST_FIRST.index(longest) + 1]))


#: What `create` writes into every record, and the scripts need of it.
_ALWAYS_THERE = ("key", "state", "epoch", "version", "state_since", "amount", "currency", "reference", "terminal")


@dataclass(frozen=True, slots=True)
class StoredChallenge:
    """3-D Secure, as the bank asked for it (contract sections 2 and 3). It goes to the client's browser."""

    pa_req: str
    md: str
    action: str
