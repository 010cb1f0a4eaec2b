"""What a statement and the ledger say of each transfer, side by side. Pure: rows and records in, findings out.

A statement is evidence and no command: it changes nothing here. What is unknown stays unknown: a transfer that is not
in the statement is not thereby unpaid.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Money, State
from epay_transfers.ops.reconcile.statement import Day, Moved, Row

#: The bank may book a transfer so much before or after the ledger heard of it.
_LAG_MS = 3_600_000

#: What the ledger does not know, or has left to people.
HELD = (State.NEEDS_REVIEW, State.IN_DOUBT, State.SENDING, State.CONFIRMING)


class Kind(StrEnum):
    """What a finding is, the gravest first."""

    EXECUTED_TWICE = "executed_twice"
    BANK_ONLY = "bank_only"
    NOT_PAID_HERE = "not_paid_here"
    AMOUNTS_DIFFER = "amounts_differ"
    STATES_DIFFER = "states_differ"
    AMBIGUOUS = "ambiguous"
    LEDGER_ONLY = "ledger_only"
    SETTLES = "settles"
    OTHER_DAY = "other_day"
    UNKNOWN = "unknown"


#: Money moved of which the ledger does not know, or more than it knows.
GRAVE = frozenset({Kind.EXECUTED_TWICE, Kind.BANK_ONLY, Kind.NOT_PAID_HERE})

#: A person looks at these; the others are for knowing.
DIFFERS = GRAVE | {Kind.AMOUNTS_DIFFER, Kind.STATES_DIFFER, Kind.AMBIGUOUS, Kind.LEDGER_ONLY, Kind.SETTLES}


@dataclass(frozen=True, slots=True)
class Finding:
    """`amount` is what it is about: the statement's, or the ledger's where the statement has no row of it."""

    kind: Kind
    amount: int  #: minor units
    currency: str
    key: str = ""  #: "" where the statement names it by a reference that the ledger does not know
    bank_reference: str = ""
    record: Record | None = None
    lines: tuple[int, ...] = ()  #: of the statement
    ledger_amount: int = 0
    bank: str = ""  #: executed, refunded, or partly refunded
    absent: bool = False  #: the ledger has no such transfer


@dataclass(slots=True)
class Comparison:
    findings: list[Finding] = field(default_factory=list)
    matched: Counter[str] = field(default_factory=Counter)  #: by currency
    matched_sums: Counter[str] = field(default_factory=Counter)  #: by currency, in minor units
    rows: int = 0
    rows_of_other_days: int = 0
    matched_on_other_days: int = 0  #: that the ledger ended on another day than the statement's

    def of(self, *kinds: Kind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind in kinds]

    @property
    def is_grave(self) -> bool:
        return any(finding.kind in GRAVE for finding in self.findings)

    @property
    def differs(self) -> bool:
        return any(finding.kind in DIFFERS for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Booked:
    """All rows of the statement about one transfer."""

    rows: Sequence[Row]

    @property
    def executed(self) -> list[Row]:
        return [row for row in self.rows if row.moved is Moved.EXECUTED]

    @property
    def refunded(self) -> int:
        return sum(row.amount for row in self.rows if row.moved is Moved.REFUNDED)

    @property
    def amount(self) -> int:
        return sum(row.amount for row in self.executed) or self.refunded

    @property
    def word(self) -> str:
        """What became of the money, as far as these rows tell."""
        if not self.refunded:
            return "executed"
        executed = sum(row.amount for row in self.executed)
        return "refunded" if self.refunded >= executed else "partly refunded"

    @property
    def lines(self) -> tuple[int, ...]:
        return tuple(row.line for row in self.rows)


def compare(
    by_key: Mapping[str, Sequence[Row]],
    by_reference: Mapping[str, Sequence[Row]],
    ambiguous: Collection[str],
    records: Mapping[str, Record],
    day: Day,
) -> Comparison:
    """The statement's side.

    `by_key`: rows whose transfer's key is known, of an invoice id or of a reference that the ledger knows;
    `by_reference`: the others; `ambiguous`: which of these references lead to several transfers.
    """
    found = Comparison()
    for rows in (*by_key.values(), *by_reference.values()):
        found.rows += len(rows)
        found.rows_of_other_days += sum(row.at_ms is not None and not day.has(row.at_ms) for row in rows)
    for key, rows in by_key.items():
        booked = _Booked(rows)
        kind = _kind(booked, records.get(key), day)
        if kind is None:
            _match(found, records[key], day)
        else:
            found.findings.append(_finding(kind, booked, key=key, record=records.get(key)))
    for reference, rows in by_reference.items():
        kind = Kind.AMBIGUOUS if reference in ambiguous else Kind.BANK_ONLY
        found.findings.append(_finding(kind, _Booked(rows), bank_reference=reference))
    return found


def agrees(rows: Sequence[Row], record: Record, day: Day) -> bool:
    """Do these rows and the record say the same? Of the record, its state, since when, amount and currency count."""
    return _kind(_Booked(rows), record, day) is None


def _kind(booked: _Booked, record: Record | None, day: Day) -> Kind | None:  # noqa: PLR0911 - a table, a line each
    """None: the two agree."""
    if len(booked.executed) > 1:
        return Kind.EXECUTED_TWICE
    if record is None:
        return Kind.BANK_ONLY
    row = booked.rows[0]
    if (booked.amount, row.currency) != (record.amount, record.currency) or _is_mixed(booked):
        return Kind.AMOUNTS_DIFFER
    if booked.word == "partly refunded":
        return Kind.STATES_DIFFER
    match record.state, booked.word:
        case (State.PAID, "executed") | (State.REVERSED, "refunded"):
            return None
        case State.REVERSED, "executed":  # it may have been given back on a later day
            return None if record.state_since >= day.ends_ms else Kind.STATES_DIFFER
        case State.PAID, "refunded":
            return Kind.STATES_DIFFER
        case state, _ if state.money is Money.UNKNOWN:
            return Kind.SETTLES
        case _, "executed":
            return Kind.NOT_PAID_HERE
        case _:  # the bank moved it and gave it back, and the ledger says that it never moved
            return Kind.STATES_DIFFER


def _is_mixed(booked: _Booked) -> bool:
    return len({row.currency for row in booked.rows}) > 1


def _match(found: Comparison, record: Record, day: Day) -> None:
    found.matched[record.currency] += 1
    found.matched_sums[record.currency] += record.amount
    found.matched_on_other_days += not day.has(record.state_since)


def _finding(
    kind: Kind, booked: _Booked, *, key: str = "", bank_reference: str = "", record: Record | None = None
) -> Finding:
    return Finding(
        kind,
        booked.amount,
        booked.rows[0].currency,
        key=key,
        bank_reference=bank_reference or booked.rows[0].bank_reference,
        record=record,
        lines=booked.lines,
        ledger_amount=record.amount if record else 0,
        bank=booked.word,
        absent=record is None,
    )


def not_in_statement(found: Comparison, records: Iterable[Record], day: Day) -> None:
    """The ledger's side: those that the statement has no row of, and that the ledger ended on this day, or holds.

    The bank executed a transfer at some time between its creation and the moment in which the ledger heard of it. Where
    that reaches over the day's border, it may stand in the statement of the day before or after.
    """
    for record in records:
        if record.state in HELD:
            kind = Kind.UNKNOWN
        elif day.has(record.created_at - _LAG_MS) and day.has(record.state_since + _LAG_MS):
            kind = Kind.LEDGER_ONLY
        else:
            kind = Kind.OTHER_DAY
        found.findings.append(
            Finding(
                kind,
                record.amount,
                record.currency,
                key=record.key,
                bank_reference=record.bank_reference,
                record=record,
                ledger_amount=record.amount,
            )
        )
