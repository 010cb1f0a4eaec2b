"""The result file: what became of each row of a batch, as CSV, on the disk before the next rows are sent.

The same batch may be given again with the same file, and goes on in it. What ties a file to a batch is the references
at their lines: a digest of the input would help to guess the card numbers in it. A line that stands as stored or
replayed gets no other row, since nothing that happens later takes that back; any other line counts by its last row.
"""

import csv
import fcntl
import io
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from epay_transfers.ops.exit_status import Refusal

_NAMES = ("line", "reference", "key", "handle", "result", "why")
_HEAD = f"{','.join(_NAMES)}\n"


class Became(StrEnum):
    """What became of one row. The word is in the file."""

    STORED = "stored"
    REPLAYED = "replayed"  #: its reference was known, with this same intent: nothing new was made
    REFUSED = "refused"  #: nothing was stored by this row
    UNKNOWN = "unknown"  #: it may be stored: the same batch again says it

    @property
    def is_stored(self) -> bool:
        return self in {Became.STORED, Became.REPLAYED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    line: int
    reference: str
    became: Became
    key: str = ""
    handle: str = ""
    why: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (str(self.line), self.reference, self.key, self.handle, self.became, self.why)


class Results:
    def __init__(self, path: Path, lines: Mapping[str, int]) -> None:
        """`lines`: each reference of the batch → its line. Raises `Refusal`, and has changed nothing then."""
        self.path = path
        self._stored: set[int] = set()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._begin(lines)
        except BaseException as error:
            os.close(self._file)
            if isinstance(error, OSError):
                raise self._unwritable(error) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def add(self, results: Iterable[Result]) -> None:
        """They are on the disk when this returns. Raises `Refusal`."""
        fresh = [result for result in results if result.line not in self._stored]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(result.cells for result in fresh)
        try:
            self._append(text.getvalue().encode())
        except OSError as error:
            raise Refusal(
                f"{self.path}: can't be written any more: {error.strerror}. What was sent until now is stored all the "
                "same; make room, and type the same command again: it goes on by the references"
            ) from None
        self._stored |= {result.line for result in fresh if result.became.is_stored}

    def _begin(self, lines: Mapping[str, int]) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise Refusal(f"{self.path}: is no file: give the name of a new one")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"{self.path}: another `transfers enqueue` is writing there: wait until it ends") from None
        with os.fdopen(os.dup(self._file), "rb") as file:
            before = file.read()
        whole = before[: before.rfind(b"\n") + 1]  # behind it is a row that its process died in: it is sent again
        if not whole and _HEAD.encode().startswith(before):
            os.ftruncate(self._file, 0)
            self._append(_HEAD.encode())
            _sync_folder(self.path)
            return
        self._stored = self._read(whole, lines)
        os.ftruncate(self._file, len(whole))

    def _read(self, text: bytes, lines: Mapping[str, int]) -> set[int]:
        """The lines that stand as stored. Raises `Refusal` for what is no result file of this batch."""
        try:
            rows = list(csv.reader(io.StringIO(text.decode(), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error):
            rows = []
        if not rows or tuple(rows[0]) != _NAMES or any(len(row) != len(_NAMES) for row in rows):
            raise Refusal(f"{self.path}: is there already, and is no result file: give the name of a new one")
        if any(str(lines.get(reference)) != line for line, reference, *_ in rows[1:]):
            raise Refusal(f"{self.path}: has the results of another batch: give the name of a new one")
        return {int(line) for line, _, _, _, became, _ in rows[1:] if became in {Became.STORED, Became.REPLAYED}}

    def _append(self, data: bytes) -> None:
        os.lseek(self._file, 0, os.SEEK_END)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def _unwritable(self, error: OSError) -> Refusal:
        return Refusal(f"{self.path}: the results can't be written there: {error.strerror}; nothing was sent")


def _sync_folder(path: Path) -> None:
    """The name of a new file survives a loss of power, too."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
