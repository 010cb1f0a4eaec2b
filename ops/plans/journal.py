"""`PLAN.done`: what became of each transfer of a plan, a JSON line each, on the disk before the next is waited for.

It lets `transfers apply` go on where it was, and stays as the report. The operators of a plan may share it.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from epay_transfers.ops.exit_status import Refusal


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


class Journal:
    """Of one plan and one operator. Other lines of the file are another's, and stay."""

    def __init__(self, path: Path, digest: str, operator: str) -> None:
        """Raises `Refusal` where the file can't be written."""
        self.path = path
        self._about = {"plan": digest, "by": operator}
        self.lines: dict[str, Line] = {line.key: line for line in self._read()}
        try:
            self._file = path.open("ab")
            if self._file.tell() and not path.read_bytes().endswith(b"\n"):
                self._file.write(b"\n")  # a line that its process died in
        except OSError as error:
            raise Refusal(f"{path}: what became of each transfer can't be written there: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        except FileNotFoundError:
            return
        except OSError as error:
            raise Refusal(f"{self.path}: can't be read: {error.strerror}") from None
        for each in text.splitlines():
            raw = _object(each)
            if all(raw.get(name) == value for name, value in self._about.items()):
                became = next((became for became in Became if became == raw.get("became")), None)
                if became and isinstance(raw.get("key"), str):
                    yield Line(key=raw["key"], became=became, says=str(raw.get("says")), state=str(raw.get("state")))


def _object(text: str) -> dict[str, Any]:
    """Empty for what is none: a line that its process died in."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}
