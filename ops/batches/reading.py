"""Reads a batch, CSV or JSON lines, into rows of what an intent is made of. It looks at their form alone.

The input is kept as the bytes that were read, and is parsed anew for each pass: so what is sent is what was checked,
and a batch of the largest size takes little memory besides. No error repeats a cell: a card number may stand in any.
"""

import csv
import io
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from epay_transfers.ledger.strict_json import read_json
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent
from epay_transfers.producers.metadata import NAME_IS, is_name

#: As many rows, and as many bytes, as one batch may have.
MOST_ROWS = 100_000
MOST_BYTES = 100_000_000

#: What stands for standard input in a file's place.
STDIN = "-"

_CARDS = ("sender", "receiver")
_PAYER = "sender.card_id"

#: Each of the metadata has a column of its own, by its name behind this word.
_METADATA = "metadata"

#: What a batch takes, by the names that an intent's JSON has: the card that pays by its id alone.
COLUMNS = (
    *(name for name in TransferIntent.model_fields if name not in {*_CARDS, _METADATA}),
    _PAYER,
    *(f"receiver.{name}" for name in Receiver.model_fields),
)

#: What the names of the columns for metadata look like.
METADATA_COLUMNS = f"{_METADATA}.NAME"

#: What each row needs. And of the receiver's number and card id one.
REQUIRED = (
    *(name for name, about in TransferIntent.model_fields.items() if about.is_required() and name not in _CARDS),
    _PAYER,
)

NO_CVC = "a CVC may not be kept, so a batch takes none: leave it out"
NO_NUMBER = "the card that pays is given by its id, as card_id: by its number it needs a CVC, which no batch takes"


#: What is shown of a name that is not known here: anything may stand in its place, a card number too.
_SHOWN = re.compile(r"[A-Za-z_][A-Za-z_.]{0,39}")

_UTF_8 = "utf-8-sig"


class Form(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Batch:
    """The whole input. `is_in_file`: it waits on a disk, where no card number may."""

    form: Form
    raw: bytes = field(repr=False)
    is_in_file: bool


@dataclass(frozen=True, slots=True)
class Row:
    """`line`: of the input, where the row begins; the first is 1. `data`: what an intent is made of."""

    line: int
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a row, or with one column of it (`column`, else empty)."""

    line: int
    column: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}{self.column and f', {self.column}'}: {self.why}"


def read(name: str, form: Form) -> Batch:
    """The file of this name, or standard input for `-`. Raises `Refusal`."""
    try:
        if name == STDIN:
            stream = sys.stdin.buffer
            return Batch(form, _all(stream), _is_in_file(stream))
        with Path(name).open("rb") as file:
            return Batch(form, _all(file), is_in_file=True)
    except OSError as error:
        what = "standard input" if name == STDIN else name
        raise Refusal(f"{what} can't be read: {error.strerror}") from None


def rows(batch: Batch) -> Iterator[Row | Wrong]:
    """Each row, or why it is none; after what makes the rest of the input unreadable, nothing more."""
    if line := _line_not_in_utf_8(batch.raw):
        yield Wrong(line, "", "is not in UTF-8 (windows-1251, perhaps): save the file as CSV in UTF-8")
        return
    for count, row in enumerate(_of_csv(batch.raw) if batch.form is Form.CSV else _of_json(batch.raw), 1):
        if count > MOST_ROWS:
            yield Wrong(row.line, "", f"a batch has at most {MOST_ROWS} rows: give it in parts")
            return
        yield row


def refusal_of(name: str) -> str:
    """Why a batch does not take a column, or a sender's field, of this name."""
    room, _, leaf = name.rpartition(".")
    if leaf.lower() == "cvc":
        return NO_CVC
    if room == "sender" and leaf in {*PanCard.model_fields, *SavedCard.model_fields}:
        return NO_NUMBER
    if name.partition(".")[0] == _METADATA and name != _METADATA:
        return f"is no name of metadata: {NAME_IS}"
    return f"is not known here: give one of {', '.join((*COLUMNS, METADATA_COLUMNS))}"


def _all(stream: BinaryIO) -> bytes:
    raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise Refusal(f"a batch has at most {MOST_BYTES // 1_000_000} MB: give it in parts")
    return raw


def _is_in_file(stream: BinaryIO) -> bool:
    """`< payouts.csv` is a file as well. One that has no name any more is a shell's own, for what was typed to it."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 0


def _line_not_in_utf_8(raw: bytes) -> int:
    """0: all of it is."""
    for number, line in enumerate(io.BytesIO(raw), 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    return 0


def _of_json(raw: bytes) -> Iterator[Row | Wrong]:
    for number, line in enumerate(io.TextIOWrapper(io.BytesIO(raw), _UTF_8, newline="\n"), 1):
        if not line.strip():
            continue
        try:
            data = read_json(line)
        except ValueError as error:
            yield Wrong(number, "", f"{error}; a line is one intent")
            continue
        yield Row(number, data) if isinstance(data, dict) else Wrong(number, "", "is no intent: give a JSON object")


def _of_csv(raw: bytes) -> Iterator[Row | Wrong]:
    text = io.TextIOWrapper(io.BytesIO(raw), _UTF_8, newline="")
    reader = csv.reader(text, delimiter=_delimiter(raw), strict=True)
    names: list[str] = []
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            yield Wrong(line, "", "is no CSV: a quote is open, or stands where none may; the rest is not read")
            return
        if cells is None:
            break
        if any(cells) and not names:
            names = [name.strip() for name in cells]
            wrong = list(_wrong_names(line, names))
            yield from wrong
            if wrong:
                return
        elif any(cells):
            yield _csv_row(line, names, cells)
        line = reader.line_num + 1
    if not names:
        yield Wrong(1, "", "the input has no line with the names of its columns")


def _delimiter(raw: bytes) -> str:
    """A comma, or what a spreadsheet of this country writes. No name of a column has either."""
    return ";" if b";" in re.split(rb"[\r\n]", raw.lstrip(), maxsplit=1)[0] else ","


def _wrong_names(line: int, names: Sequence[str]) -> Iterator[Wrong]:
    for at, name in enumerate(names, 1):
        shown = name if _SHOWN.fullmatch(name) or _is_column(name) else f"column {at}"
        if name and not _is_column(name):
            yield Wrong(line, shown, refusal_of(name))
        elif name and name in names[: at - 1]:
            yield Wrong(line, shown, "stands there twice")
    for name in REQUIRED:
        if name not in names:
            yield Wrong(line, name, "this column is needed")
    if not {"receiver.number", "receiver.card_id"} & set(names):
        yield Wrong(line, "receiver.card_id", "this column is needed")


def _is_column(name: str) -> bool:
    room, _, leaf = name.partition(".")
    return name in COLUMNS or (room == _METADATA and is_name(leaf))


def _csv_row(line: int, names: Sequence[str], cells: Sequence[str]) -> Row | Wrong:
    """An empty cell is a field that is left out."""
    if len(cells) != len(names):
        return Wrong(line, "", f"has {len(cells)} cells, and the line with the names has {len(names)}")
    data: dict[str, Any] = {"sender": {}, "receiver": {}}
    for at, (name, cell) in enumerate(zip(names, cells, strict=True), 1):
        room, dot, leaf = name.partition(".")  # a name of metadata may have dots, too
        if cell and not name:
            return Wrong(line, f"column {at}", "has no name in the line with the names")
        if cell and dot:
            data.setdefault(room, {})[leaf] = cell
        elif cell:
            data[name] = cell
    return Row(line, data)
