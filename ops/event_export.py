"""`transfers events --export FILE`: the event log in a file, each line chained to the one before it by a checksum.

It goes on where the file ends, after a kill too: a line that its process died in is written anew. What is trimmed is
what this file has, once all of it was read back from the disk: so the log may be longer than the ledger's memory.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self

from epay_transfers.ledger.store.events import Event, Events, place_of
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.trail import number_of

_PAGE = 1000
_MODE = 0o600

#: How each line begins.
_BEGINS = b'{"event":'


@dataclass(slots=True)
class Known:
    """What a file has, as it was read: how many events, the last one's place and number, the chain's last checksum."""

    events: int = 0
    place: str = "0-0"
    number: int = 0
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """`missing`: so many were removed from the log before they were exported. `trimmed`: so many are gone now."""

    added: int
    known: Known
    missing: int
    trimmed: int = 0


class EventFile:
    """Of one process at a time. Raises `Refusal` for what is no such file, or can't be written."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self.known = Known()

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Self]:
        with _as_refusal(path):
            number = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
        with os.fdopen(number, "r+b") as file:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refusal(f"{path}: another process exports into it; wait for its end") from None
            opened = cls(path, file)
            opened.verify()
            yield opened

    def verify(self) -> None:
        """Read it whole, from the disk. What follows its last whole line is cut off."""
        known = Known()
        with _as_refusal(self._path):
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._file.seek(0)
            whole = 0
            for at, line in enumerate(self._file, 1):
                if not line.endswith(b"\n") and line.startswith(_BEGINS[: len(line)]):
                    break  # its process died in it
                self._read(line, at, known)
                whole += len(line)
            self._file.seek(whole)
            self._file.truncate()
        self.known = known

    def add(self, events: list[Event]) -> None:
        """They are on the disk when this returns."""
        known = self.known
        lines = []
        for event in events:
            said = {"id": event.id} | event.fields
            known.checksum = _chained(known.checksum, said)
            known.events, known.place, known.number = known.events + 1, event.id, number_of(event) or known.number
            lines.append(_as_json({"event": said, "sha256": known.checksum}) + b"\n")
        with _as_refusal(self._path):
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self, line: bytes, at: int, known: Known) -> None:
        try:
            said = json.loads(line)
            event, checksum = said["event"], said["sha256"]
            is_right = checksum == _chained(known.checksum, event) and place_of(event["id"]) > place_of(known.place)
        except (ValueError, TypeError, KeyError, RecursionError):
            is_right = False
        if not is_right:
            raise Refusal(
                f"{self._path}: line {at} is not as it was written: nothing was added and nothing trimmed. Put the "
                "file back as it was, or keep it and name another one"
            )
        known.events += 1
        known.place, known.checksum = event["id"], checksum
        known.number = number_of(Event(event["id"], event)) or known.number


def export(events: Events, path: Path, *, trim_older_ms: int | None = None, actor: str = "") -> Exported:
    """All events that the file lacks; then, with `trim_older_ms`, what is older leaves the log, if the file has it.

    Nothing leaves it that a group of readers owes or that was set aside.
    """
    with EventFile.opened(path) as file:
        before, missing = file.known.events, 0
        newest = events.newest(1)
        following = events.all_until(newest[0].id, after=file.known.place) if newest else iter(())
        while page := list(islice(following, _PAGE)):
            missing += _missing(file.known, page)
            file.add(page)
        added = file.known.events - before
        trimmed = 0
        if trim_older_ms is not None:
            file.verify()
            if file.known.events != before + added:
                raise Refusal(f"{path}: it has lost what was just written: nothing was trimmed")
            trimmed = events.trim(trim_older_ms, actor, until=file.known.place) if file.known.events else 0
        return Exported(added, file.known, missing, trimmed)


def _missing(known: Known, page: list[Event]) -> int:
    """Numbers between what the file has and what follows, and within the page."""
    missing, last = 0, known.number
    for event in page:
        number = number_of(event)
        if number is not None:
            missing += max(0, number - last - 1) if last or not known.events else 0
            last = number
    return missing


def _chained(before: str, said: Mapping[str, Any]) -> str:
    return hashlib.sha256(before.encode() + _as_json(said)).hexdigest()


def _as_json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


@contextmanager
def _as_refusal(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or type(error).__name__}; nothing was trimmed") from None
