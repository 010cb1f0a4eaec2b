"""What the ledger's scripts answer, as values: each word of their headers is one class here.

A reply has no truth value: a caller asks which one it is, by `match` or `isinstance`. `at_ms` is what time it was then
by the ledger; 0 where no script said so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.limits import Limit
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State


@dataclass(frozen=True, slots=True)
class Moved:
    """The move was made: record, `due`, counters and event agree."""

    state: State
    epoch: int
    version: int
    sequence: int
    at_ms: int = field(default=0, compare=False)
    claim_nonce: str = field(default="", compare=False)  #: of a claim: what the tombstone will say
    too_few: str = field(default="", compare=False)  #: of a claim: why it is on too few replicas to send; empty if not


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed: the transfer was in this state, at this epoch.

    No state: there is no such transfer, or this version does not know the state that it is in.
    """

    state: State | None = None
    epoch: int = 0
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Noted(Refused):
    """Refused, because the bank's proved notification says that it paid."""


@dataclass(frozen=True, slots=True)
class Foreign(Refused):
    """Refused, because the bank's transfer id that the move brings is that of another transfer, whose key is here."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: the breaker is open, the terminal's rate is used up, for all or for a `batch`, or the day just ended."""

    ms: int
    why: str
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Paused:
    """The lane is paused, for this terminal or for all. `until_ms` 0: until an operator unpauses it."""

    until_ms: int
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Behind:
    """The ledger has forgotten something that this process knows it to have written."""

    sequence: int
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class OtherServer:
    """Another server is the ledger's, or it was started again, and no worker has compared it with the vault yet."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class ClockApart:
    """The machine that asked and the ledger's are too far apart in time: nothing was decided."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class LimitReached:
    """It would go beyond a limit of its terminal: nothing was changed, and nothing was counted."""

    limit: Limit
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the vault's server, and how many writes it has seen."""

    id: str
    writes: int


Claim = Moved | Refused | Wait | Paused | Behind | OtherServer | ClockApart | LimitReached


@dataclass(frozen=True, slots=True)
class Due:
    """The transfers that are due, and what time it is by the ledger: by that time they are."""

    now_ms: int
    records: Sequence[Record]
    waiting: int = 0  #: how many more were due, and wait their turn in a queue
    are_watched: bool = True  #: some are to be asked about beside `due`, now or later


@dataclass(frozen=True, slots=True)
class Created:
    record: Record


@dataclass(frozen=True, slots=True)
class ReferenceKnown:
    """The reference is known: nothing was created."""

    key: str


@dataclass(frozen=True, slots=True)
class SuffixUsed:
    """The last six digits belong to another transfer of the space."""

    key: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The transfer of this reference may be one that the bank executed, and whose record the ledger lost."""

    invoice_id: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No suffix is left in the space."""


@dataclass(frozen=True, slots=True)
class Full:
    """As many transfers are queued as the producer's limit allows."""

    queued: int


Creation = Created | ReferenceKnown | SuffixUsed | Lost | Exhausted | Full | Paused
