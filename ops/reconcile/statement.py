"""A statement: a CSV of the bank, read by a mapping into rows. The whole of it, or nothing: a broken row ends it.

Errors name the row and the column and repeat no value: a card number may stand in any cell.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from epay_transfers.ledger.invoice import is_invoice_id
from epay_transfers.ledger.money import EXPONENTS, to_minor
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.reconcile.mapping import Mapping

#: A statement of more rows than this is of more than a day: give it in parts.
MOST_ROWS = 1_000_000

#: Of one cell. What is longer has lost its quotes.
_LONGEST_CELL = 10_000

_AMOUNT = re.compile(r"([+-]?)([0-9]{1,16}(?:\.[0-9]{1,10})?)", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)

#: What a bank writes between thousands, beside the blank: blanks that do not break.
_BLANKS = ("\u00a0", "\u202f")


class Moved(StrEnum):
    """What a row says of the money."""

    EXECUTED = "executed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Row:
    """One row by which money moved. `line`: of the file, where the row ends; the first is 1."""

    line: int
    invoice_id: str  #: or "", where the bank's reference alone names the transfer
    bank_reference: str
    amount: int  #: minor units, more than 0
    currency: str
    moved: Moved
    at_ms: int | None  #: since 1970; None: the statement does not say it


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the statement's time zone, from the first moment on and before the last (ms since 1970)."""

    date: date
    begins_ms: int
    ends_ms: int

    @classmethod
    def of(cls, text: str, zone: tzinfo) -> "Day":
        """Raises `Refusal`."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise Refusal("day: give it like 2026-11-28") from None
        begins, ends = (
            datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + timedelta(days=1))
        )
        return cls(day, _ms(begins), _ms(ends))

    def has(self, at_ms: int) -> bool:
        return self.begins_ms <= at_ms < self.ends_ms


class _BrokenCell(Exception):
    """The column is named by the caller."""


def read(path: Path, mapping: Mapping) -> tuple[Row, ...]:
    """In the file's order. Raises `Refusal`."""
    try:
        with path.open(encoding=mapping.encoding, newline="") as file:
            return tuple(_rows(csv.reader(file, delimiter=mapping.delimiter, strict=True), mapping))
    except OSError as error:
        raise Refusal(f"the statement can't be read: {error.strerror}") from None
    except UnicodeError:
        raise Refusal(f"the statement is not in {mapping.encoding}: see `encoding` in the mapping") from None


def _rows(reader: "csv._reader", mapping: Mapping) -> Iterator[Row]:  # type: ignore[name-defined]  # typeshed's name
    """Blank lines are no rows."""
    columns: dict[str, int] = {}
    width = count = 0
    for skipped in _checked(reader):
        if reader.line_num > mapping.skip_rows and any(skipped):
            columns, width = _places(skipped, mapping), len(skipped)
            break
    if not columns:
        raise Refusal("the statement has no row with the names of its columns")
    for cells in _checked(reader):
        if not any(cells):
            continue
        count += 1
        if count > MOST_ROWS:
            raise Refusal(f"the statement has more than {MOST_ROWS} rows: give it a day at a time")
        if len(cells) != width:
            raise _broken(reader.line_num, "", f"has {len(cells)} cells, and the first row has {width}")
        row = _row(reader.line_num, {name: cells[at].strip() for name, at in columns.items()}, mapping)
        if row is not None:
            yield row


def _checked(reader: "csv._reader") -> Iterator[list[str]]:  # type: ignore[name-defined]  # typeshed's name
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise _broken(reader.line_num, "", "is no CSV: a quote is open, or a cell is too long") from None
        if any(len(cell) > _LONGEST_CELL for cell in cells):
            raise _broken(reader.line_num, "", "has a cell that is too long: is a quote open?")
        yield cells


def _places(names: Sequence[str], mapping: Mapping) -> dict[str, int]:
    """Column → its place."""
    names = [name.strip() for name in names]
    for name in mapping.columns.named:
        if names.count(name) != 1:
            how_often = "twice" if name in names else "not"
            raise Refusal(
                f"the statement has the column {name} {how_often}: see `columns` and `skip_rows` in the mapping"
            )
    return {name: names.index(name) for name in mapping.columns.named}


def _row(line: int, cells: dict[str, str], mapping: Mapping) -> Row | None:
    """None: no money moved by it."""
    columns = mapping.columns
    at_column = ""
    try:
        at_column = columns.state or ""
        word = _word(cells[columns.state], mapping) if columns.state else None
        if columns.state and word is None:
            return None
        at_column = columns.invoice_id or ""
        invoice_id = _invoice_id(cells[columns.invoice_id], mapping) if columns.invoice_id else ""
        at_column = columns.bank_reference or ""
        reference = _reference(cells[columns.bank_reference]) if columns.bank_reference else ""
        at_column = columns.invoice_id or at_column
        _must_name(invoice_id, reference)
        at_column = columns.currency or ""
        currency = _currency(cells[columns.currency]) if columns.currency else str(mapping.currency)
        at_column = columns.amount
        sign, amount = _amount(cells[columns.amount], currency, mapping)
        moved = word or (Moved.EXECUTED if sign == mapping.executed_sign else Moved.REFUNDED)
        at_column = columns.at or ""
        at_ms = _moment(cells[columns.at], mapping) if columns.at else None
    except _BrokenCell as error:
        raise _broken(line, at_column, str(error)) from None
    return Row(line, invoice_id, reference, amount, currency, moved, at_ms)


def _must_name(invoice_id: str, reference: str) -> None:
    if not invoice_id and not reference:
        raise _BrokenCell("is empty, so nothing names the transfer")


def _word(text: str, mapping: Mapping) -> Moved | None:
    """None: no money moved."""
    values = mapping.values
    if values is not None and text in values.executed:
        return Moved.EXECUTED
    if values is not None and text in values.refunded:
        return Moved.REFUNDED
    if values is not None and text in values.ignored:
        return None
    raise _BrokenCell("has a value that is not in `values` of the mapping")


def _invoice_id(text: str, mapping: Mapping) -> str:
    """It may be empty where another column names the transfer."""
    if is_invoice_id(text) or (not text and mapping.columns.bank_reference):
        return text
    raise _BrokenCell("is no invoice id: 6 to 15 digits (a spreadsheet may have made a number of it)")


def _reference(text: str) -> str:
    if text and not _REFERENCE.fullmatch(text):
        raise _BrokenCell("is no reference of the bank")
    return text


def _currency(text: str) -> str:
    if text not in EXPONENTS:
        raise _BrokenCell(f"is no currency that is known here: {', '.join(sorted(EXPONENTS))}")
    return text


def _amount(text: str, currency: str, mapping: Mapping) -> tuple[str, int]:
    """The sign, and minor units."""
    if mapping.thousands:
        text = text.replace(mapping.thousands, "")
        for blank in _BLANKS if mapping.thousands == " " else ():
            text = text.replace(blank, "")
    if mapping.decimal != ".":
        if "." in text:
            raise _BrokenCell("is no amount: see `decimal` and `thousands` in the mapping")
        text = text.replace(mapping.decimal, ".")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise _BrokenCell("is no amount: see `decimal` and `thousands` in the mapping")
    if match[1] and mapping.executed_sign is None:
        raise _BrokenCell("has a sign, and the mapping says that the column of the state tells what it means")
    try:
        return match[1] or "+", to_minor(Decimal(match[2]), currency)
    except ValueError as error:
        raise _BrokenCell(str(error)) from None


def _moment(text: str, mapping: Mapping) -> int:
    """In the mapping's zone, unless the text names its own."""
    try:
        moment = datetime.strptime(text, mapping.date_format) if mapping.date_format else datetime.fromisoformat(text)  # noqa: DTZ007 - the zone is set below
    except ValueError:
        raise _BrokenCell("is no time: see `date_format` in the mapping") from None
    return _ms(moment if moment.tzinfo else moment.replace(tzinfo=mapping.zone_info))


def _ms(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _broken(line: int, column: str, why: str) -> Refusal:
    where = f"row {line}, column {column}: " if column else f"row {line} "
    return Refusal(f"the statement is not read: {where}{why}")
