"""The files of an archive: a JSON line a transfer, each with its checksum, and a last line that closes the file.

A file has three names, one after the other, and each step between them is on the disk before the next:
`NAME.part` while it is written, which nothing is reduced by; `NAME.exported` once it is whole; `NAME` once every
transfer in it is archived. What if we die here? A `.part` is written anew, an `.exported` file is verified and gone
through again.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epay_transfers.ops.exit_status import Refusal

_PART, _EXPORTED = ".part", ".exported"
_LOCK = ".lock"

#: They have names, addresses and masks of cards in them.
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Exported:
    """A transfer, as it stands in a file: its record as the ledger had it, and the events that were left of it."""

    record: Mapping[str, str]
    events: Sequence[Mapping[str, str]] = ()

    @property
    def key(self) -> str:
        return self.record["key"]


class Folder:
    """Where the files are. Raises `Refusal` for what can't be read or written there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def used(self) -> Iterator[None]:
        """By this process alone. It is made if it is not there."""
        with _as_refusal(self.path):
            self.path.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _sync_folder(self.path.parent)
            lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, _FILE_MODE)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refusal(f"{self.path}: another `transfers archive` is at work there; wait for its end") from None
            yield
        finally:
            os.close(lock)

    def exported(self) -> list[str]:
        """The names of the files that are whole, and of which transfers may still be as they were."""
        with _as_refusal(self.path):
            return sorted(each.name.removesuffix(_EXPORTED) for each in self.path.glob(f"*{_EXPORTED}"))

    def remove_parts(self) -> None:
        """What a process died in: nothing was reduced by it."""
        with _as_refusal(self.path):
            for each in self.path.glob(f"*{_PART}"):
                each.unlink()

    def fresh_name(self, stamp: str) -> str:
        with _as_refusal(self.path):
            taken = {each.name.removesuffix(_EXPORTED) for each in self.path.glob(f"transfers-{stamp}-*")}
        number = 1
        while (name := f"transfers-{stamp}-{number:04d}.jsonl") in taken:
            number += 1
        return name

    def write(self, name: str, transfers: Sequence[Exported]) -> None:
        """All of them or none: the file is on the disk, under its second name, when this returns."""
        part = self.path / f"{name}{_PART}"
        whole = hashlib.sha256()
        with _as_refusal(part):
            file = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE)
            try:
                for each in transfers:
                    line = _line({"record": dict(each.record), "events": [dict(event) for event in each.events]})
                    whole.update(line)
                    _write(file, line)
                _write(file, _as_json({"transfers": len(transfers), "sha256": whole.hexdigest()}) + b"\n")
                _sync(file)
            finally:
                os.close(file)
            _rename(self.path, f"{name}{_PART}", f"{name}{_EXPORTED}")

    def read_exported(self, name: str) -> list[Exported]:
        """Every transfer of the file. Raises `Refusal`, with the line, for a file that is not whole."""
        return read(self.path / f"{name}{_EXPORTED}")

    def finish(self, name: str) -> None:
        with _as_refusal(self.path / name):
            _rename(self.path, f"{name}{_EXPORTED}", name)


def read(path: Path) -> list[Exported]:
    """Every transfer of the file, each line compared with its checksum, and all with that of the file."""
    found: list[Exported] = []
    whole = hashlib.sha256()
    with _as_refusal(path), path.open("rb") as file:
        _forget_cached(file.fileno())
        for number, line in enumerate(file, 1):
            said = _object(line)
            if "record" not in said:
                if said != {"transfers": len(found), "sha256": whole.hexdigest()} or file.read(1):
                    raise _damaged(path, number)
                return found
            told = said.pop("sha256", None)
            if told != _checksum(said) or not _is_record(said["record"]):
                raise _damaged(path, number)
            whole.update(line)
            found.append(Exported(said["record"], said.get("events", [])))
    raise _damaged(path, len(found) + 1)


def _line(said: dict[str, Any]) -> bytes:
    return _as_json(said | {"sha256": _checksum(said)}) + b"\n"


def _checksum(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(_as_json(said)).hexdigest()


def _as_json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_record(said: Any) -> bool:
    is_text = isinstance(said, dict) and all(isinstance(text, str) for text in said.values())
    return is_text and {"key", "reference", "state", "state_since"} <= said.keys()


def _damaged(path: Path, line: int) -> Refusal:
    return Refusal(
        f"{path}: line {line} is not as it was written, or the file does not end as it did: nothing was archived by it "
        "just now. Put the file back as it was. If that can't be, move it away: what the ledger still has whole is "
        "exported anew, and of what an earlier run archived by this file the details are in its whole lines alone"
    )


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _rename(folder: Path, before: str, after: str) -> None:
    (folder / before).rename(folder / after)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Its names are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        _sync(opened)
    finally:
        os.close(opened)


def _sync(file: int) -> None:
    os.fsync(file)


def _forget_cached(file: int) -> None:
    """What is verified is to come from the disk."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _as_refusal(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or type(error).__name__}; nothing was archived by this step") from None
