"""`PLAN.done`: what became of each transfer of a plan, a JSON line each, on the disk before the next is waited for.

It lets `transfers apply` go on where it was, and stays as the report. The operators of a plan may share it, one after
the other: of two at once, each would be refused what the other asks for already. So one process at a time has its lock.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans.plan import Item

_ENDS = ".done"
_READ_AT_ONCE = 1 << 20


class Became(StrEnum):
    """What became of one transfer. The word is in the file."""

    DONE = "done"
    MOVED = "moved"  #: it had moved since the plan was made, and nothing was done
    OTHERWISE = "otherwise"  #: asked, the bank said something else, and its word ended the transfer
    UNSETTLED = "unsettled"  #: asked, the bank said nothing that settles it
    SECOND_NEEDED = "second_needed"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  #: no worker did it in time; it stays asked

    @property
    def is_final(self) -> bool:
        """Is it left alone when the plan is applied again?"""
        return self in {Became.DONE, Became.MOVED, Became.OTHERWISE}


SENTENCES = {
    Became.DONE: "done",
    Became.MOVED: "had moved since the plan was made: left alone",
    Became.OTHERWISE: "ended by the bank's own word",
    Became.UNSETTLED: "the bank's word settles it not yet",
    Became.SECOND_NEEDED: "a second operator is needed",
    Became.REFUSED: "refused: the file says why",
    Became.UNANSWERED: "not answered; it stays asked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    key: str
    became: Became
    says: str  #: the answer, for people
    state: str = ""  #: the transfer's, as the answer says it
    by: str = ""  #: the operator whose request it was


def path_of(plan: Path) -> Path:
    """Where the journal of this plan's file is."""
    return plan.with_name(f"{plan.name}{_ENDS}")


@dataclass(slots=True)
class Tally:
    """So many transfers, and how much money: currency → minor units."""

    count: int = 0
    sums: Counter[str] = field(default_factory=Counter)


def tallied(items: Iterable[tuple[Item, Became]]) -> dict[Became, Tally]:
    """What became of these, those with none left out."""
    found: dict[Became, Tally] = {}
    for item, became in items:
        tally = found.setdefault(became, Tally())
        tally.count += 1
        tally.sums[item.currency] += item.amount
    return {became: found[became] for became in Became if became in found}


class Journal:
    """Of one plan and one operator. Other lines of the file are another's, and stay."""

    def __init__(self, path: Path, digest: str, operator: str, mode: int = 0o666) -> None:
        """`mode`: of a new file. Raises `Refusal` where it can't be written, or the plan is being applied now."""
        self.path = path
        self._about = {"plan": digest, "by": operator}
        try:
            number = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
        except OSError as error:
            raise Refusal(f"{path}: what became of each transfer can't be written there: {error.strerror}") from None
        self._file = os.fdopen(number, "ab")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.lines: dict[str, Line] = {line.key: line for line in self._read()}
            if (size := os.fstat(number).st_size) and os.pread(number, 1, size - 1) != b"\n":
                self._file.write(b"\n")  # a line that its process died in
        except BlockingIOError:
            self._file.close()
            raise Refusal("this plan is being applied now, by you or another operator: wait for its end") from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def is_finished(self, key: str) -> bool:
        return key in self.lines and self.lines[key].became.is_final

    def add(self, line: Line, at: str, request: str) -> None:
        """It is on the disk when this returns."""
        self.lines[line.key] = line
        text = json.dumps(
            self._about | {"at": at, "key": line.key, "request": request, "became": line.became}
            | {"state": line.state, "says": line.says}
        )  # fmt: skip
        try:
            self._file.write(text.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Refusal(
                f"{self.path}: can't be written any more: {error.strerror}. What was put in is done all the same; "
                "apply the plan again when there is room"
            ) from None

    def _read(self) -> Iterator[Line]:
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise Refusal(f"{self.path}: can't be read: {error.strerror}") from None
        for each in text.splitlines():
            raw = _object(each)
            if all(raw.get(name) == value for name, value in self._about.items()) and (line := _line(raw)):
                yield line


class Outcomes:
    """What all operators of a plan have in its journal. It reads on from where the file ended: a page looks often."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self._inode, self._place, self._rest = 0, 0, b""
        self._lines: dict[str, dict[str, Line]] = {}

    def read(self) -> Mapping[str, Line]:
        """Key → what became of it: done by one operator, whatever another was told; else what was said last.

        Raises `Refusal`.
        """
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_ino, 0) != (self._inode, max(0, self._place - found.st_size)):
                    self._inode, self._place, self._rest, self._lines = found.st_ino, 0, b"", {}
                file.seek(self._place)
                while part := file.read(_READ_AT_ONCE):
                    self._place += len(part)
                    *whole, self._rest = (self._rest + part).split(b"\n")
                    self._add(whole)
        except FileNotFoundError:
            self._inode, self._lines = 0, {}
        except OSError as error:
            raise Refusal(f"{self._path}: can't be read: {error.strerror}") from None
        return {key: _last(by) for key, by in self._lines.items()}

    def _add(self, whole: Iterable[bytes]) -> None:
        for each in whole:
            raw = _object(each.decode(errors="replace"))
            if raw.get("plan") == self._digest and (line := _line(raw)):
                by = self._lines.setdefault(line.key, {})
                by.pop(line.by, None)
                by[line.by] = line


def _last(by: Mapping[str, Line]) -> Line:
    lines = list(by.values())
    done = (line for line in lines if line.became in {Became.DONE, Became.OTHERWISE})
    return next(done, lines[-1])


def _line(raw: Mapping[str, Any]) -> Line | None:
    became = next((became for became in Became if became == raw.get("became")), None)
    if became is None or not isinstance(raw.get("key"), str):
        return None
    says, state, by = (str(raw.get(name)) for name in ("says", "state", "by"))
    return Line(key=raw["key"], became=became, says=says, state=state, by=by)


def _object(text: str) -> dict[str, Any]:
    """Empty for what is none: a line that its process died in."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}
