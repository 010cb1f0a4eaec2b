"""A ledger that went back, beside the bank's statement: what the bank executed, and this ledger does not know. Pure.

What is absent has lost its record. What is queued, dead or parked was sent since, as the statement shows: it must not
be sent again. What has ended without money is corrected by two people. All others agree, or the bank is asked anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import NOT_MOVED, State
from epay_transfers.ops.reconcile.statement import Moved, Row

#: What a worker may send or confirm still, or would by an operator's word.
MAY_BE_SENT = frozenset({State.QUEUED, State.DEAD, State.PARKED, State.RESUMED})


@dataclass(frozen=True, slots=True)
class Executed:
    """One transfer that the bank executed. `record`: None where the ledger has none."""

    name: str  #: its key; or the bank's reference, where the statement says no more
    rows: Sequence[Row]
    record: Record | None = None

    @property
    def amount(self) -> int:
        return sum(row.amount for row in self.rows if row.moved is Moved.EXECUTED)

    @property
    def has_invoice_id(self) -> bool:
        """Else the statement names it by the bank's reference alone."""
        return bool(self.rows[0].invoice_id)

    @property
    def currency(self) -> str:
        return self.rows[0].currency


@dataclass(slots=True)
class Recovery:
    absent: list[Executed] = field(default_factory=list)
    unsent_here: list[Executed] = field(default_factory=list)  #: and the ledger may send it again
    ended_here: list[Executed] = field(default_factory=list)  #: without money, it says
    known: int = 0  #: paid or given back here, too
    unknown: int = 0  #: in doubt, in review or at a worker: the bank is asked anyway

    @property
    def is_done(self) -> bool:
        return not (self.absent or self.unsent_here or self.ended_here)


def sort(
    by_key: Mapping[str, Sequence[Row]], by_reference: Mapping[str, Sequence[Row]], records: Mapping[str, Record]
) -> Recovery:
    found = Recovery()
    for key, rows in by_key.items():
        _put(found, Executed(key, rows, records.get(key)))
    for reference, rows in by_reference.items():
        _put(found, Executed(reference, rows))
    return found


def _put(found: Recovery, executed: Executed) -> None:
    """What was given back whole was executed, too: its invoice id is used up at the bank."""
    if not any(row.moved is Moved.EXECUTED for row in executed.rows):
        return
    match executed.record:
        case None:
            found.absent.append(executed)
        case record if record.state in MAY_BE_SENT:
            found.unsent_here.append(executed)
        case record if record.state in NOT_MOVED:
            found.ended_here.append(executed)
        case record if record.state.final:
            found.known += 1
        case _:
            found.unknown += 1
