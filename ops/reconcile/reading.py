"""What a reconciliation reads of the ledger: the transfers that a statement names, and those of its day. No change."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from epay_transfers.ledger.errors import LedgerUnavailable, RecordUnreadable
from epay_transfers.ledger.invoice import is_key, make_key, split_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.redis_errors import read_errors_as
from epay_transfers.ops.reconcile.comparison import HELD, Comparison, agrees, compare, not_in_statement
from epay_transfers.ops.reconcile.statement import Day, Row

#: So many records are read in one round trip.
_PAGE = 1_000

#: What of a record is compared with a statement, and what each record must have to be read.
_COMPARED = ("key", "state", "schema", "epoch", "version", "state_since", "amount", "currency", "reference", "terminal")


@dataclass(slots=True)
class Named:
    """The rows by the transfer that they name."""

    by_key: dict[str, list[Row]] = field(default_factory=dict)
    by_reference: dict[str, list[Row]] = field(default_factory=dict)  #: of which the ledger knows no one transfer
    ambiguous: set[str] = field(default_factory=set)


def reconcile(
    ledger: Ledger,
    rows: Sequence[Row],
    day: Day,
    *,
    space: str,
    terminals: Sequence[str],
    unreadable: list[RecordUnreadable],
) -> Comparison:
    """`terminals`: the statement is of these alone; of all where none is named."""
    named = names(ledger, rows, space)
    records = _compared(ledger, named.by_key, day, unreadable)
    for error in unreadable:  # what can't be read is not absent: the audit has it
        named.by_key.pop(error.key, None)
    found = compare(named.by_key, named.by_reference, named.ambiguous, records, day)
    seen = {*named.by_key, *(error.key for error in unreadable)}
    others = [
        key
        for key in of_day(ledger, day, terminals, ended=(State.PAID, State.REVERSED))
        if key not in seen and split_key(key)[0] == space
    ]
    there = by_key(ledger, others, unreadable).values()
    not_in_statement(found, (record for record in there if record.created_at < day.ends_ms), day)
    return found


def names(ledger: Ledger, rows: Sequence[Row], space: str) -> Named:
    """By the invoice id, or else by the bank's reference."""
    named = Named()
    unnamed: dict[str, list[Row]] = {}
    for row in rows:
        if row.invoice_id:
            named.by_key.setdefault(make_key(row.invoice_id, space), []).append(row)
        else:
            unnamed.setdefault(row.bank_reference, []).append(row)
    for reference, keys in _keys_of(ledger, list(unnamed)):
        if len(keys) == 1:
            named.by_key.setdefault(keys[0], []).extend(unnamed[reference])
        else:
            named.by_reference[reference] = unnamed[reference]
            named.ambiguous |= {reference} if keys else set()
    return named


def by_key(ledger: Ledger, keys: Sequence[str], unreadable: list[RecordUnreadable]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for start in range(0, len(keys), _PAGE):
        found |= {record.key: record for record in ledger.get_many(keys[start : start + _PAGE], unreadable.append)}
    return found


def _compared(
    ledger: Ledger, rows: Mapping[str, Sequence[Row]], day: Day, unreadable: list[RecordUnreadable]
) -> dict[str, Record]:
    """The transfers of these rows. One that agrees with its rows by what is compared is not read whole: most are so."""
    found: dict[str, Record] = {}
    keys = list(rows)
    for start in range(0, len(keys), _PAGE):
        part = [key for key in keys[start : start + _PAGE] if is_key(key)]
        for key, values in zip(part, ledger.fields(part, _COMPARED), strict=True):
            raw = {name: value for name, value in zip(_COMPARED, values or (), strict=False) if value is not None}
            with suppress(RecordUnreadable):
                record = Record.from_ledger(key, raw)
                if record.key == key and agrees(rows[key], record, day):
                    found[key] = record
    return found | by_key(ledger, [key for key in keys if key not in found], unreadable)


def _keys_of(ledger: Ledger, references: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for start in range(0, len(references), _PAGE):
        part = references[start : start + _PAGE]
        yield from zip(part, ledger.keys_by_bank_reference(part), strict=True)


def of_day(ledger: Ledger, day: Day, terminals: Sequence[str], *, ended: Collection[State]) -> Iterator[str]:
    """Those that came into one of these ends on this day, and all that are held."""
    for states, since_ms, until_ms in (
        (ended, day.begins_ms, day.ends_ms),
        (HELD, None, None),
    ):
        for terminal in terminals or (None,):
            after = None
            while True:
                page = ledger.lists.page(
                    states, terminal=terminal, since_ms=since_ms, until_ms=until_ms, after=after, limit=_PAGE
                )
                yield from page.keys
                after = page.next
                if after is None:
                    break


def holder_of(ledger: Ledger, key: str) -> str:
    """The transfer that has this one's last six digits in the ledger; "" for none."""
    with read_errors_as(LedgerUnavailable):
        return cast("str | None", ledger.client.hget(redis_keys.record(key), "key")) or ""
