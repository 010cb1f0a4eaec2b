"""A backup's files: which there are, and a private copy of them that a server may be started on.

The given files are only read. Files that a process has open, or that change while they are copied, are a server's own:
they are refused, since a server may not be looked at this way.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from epay_transfers.ops.exit_status import Refusal

_RDB = (b"REDIS0", b"VALKEY")
_COMMAND = b"*"

#: A line of a manifest of the append-only file, as servers from 7.0 on write it.
_PART = re.compile(r'^file (?:"([^"\\/]+)"|([^ "/]+)) seq [0-9]+ type [bhi]', re.MULTILINE)
_MANIFEST = ".manifest"

COPY_DB, COPY_AOF, COPY_FOLDER = "backup.rdb", "backup.aof", "appendonlydir"


@dataclass(frozen=True, slots=True)
class Backup:
    """`files`: from where to what name in the copy. `options`: what a server needs to read them."""

    files: dict[Path, str]
    options: dict[str, str]

    def copy(self, home: Path) -> None:
        """Raises `Refusal`: a file changes meanwhile, is open, or can't be read."""
        if by := _open_by(self.files):
            raise Refusal(
                f"{_few(self.files)}: the process {by} has it open: it is a server's own; give a copy of its files, "
                "made while it is stopped, or by your backup"
            )
        before = {path: _seen(path) for path in self.files}
        for path, name in self.files.items():
            target = home / name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                raise Refusal(f"{path}: can't be copied to a folder of this machine: {error.strerror}") from None
        if before != {path: _seen(path) for path in self.files}:
            raise Refusal(f"{_few(self.files)}: changed while it was read: give a copy that no process writes to")


def find(path: Path) -> Backup:
    """What kind of backup this is. Raises `Refusal` for what is none."""
    if not path.exists():
        raise Refusal(f"{path}: is not there")
    if path.is_dir():
        return _in_folder(path)
    if path.name.endswith(_MANIFEST):
        return _of_manifest(path)
    begins = _head(path)
    if begins.startswith(_RDB) and not path.name.endswith(".aof"):
        return Backup({path: COPY_DB}, {"appendonly": "no", "dbfilename": COPY_DB})
    if begins.startswith((*_RDB, _COMMAND)):
        return Backup(
            {path: f"{COPY_FOLDER}/{COPY_AOF}.1.incr.aof"},
            {"appendonly": "yes", "appendfilename": COPY_AOF, "appenddirname": COPY_FOLDER},
        )
    raise Refusal(
        f"{path}: is neither a dump nor an append-only file of a server: it begins otherwise. Is it packed or "
        "encrypted? Unpack it first"
    )


def _in_folder(folder: Path) -> Backup:
    try:
        manifests = sorted({*folder.glob(f"*{_MANIFEST}"), *folder.glob(f"*/*{_MANIFEST}")})
        dumps = sorted(folder.glob("*.rdb"))
        appended = sorted(folder.glob("*.aof"))
    except OSError as error:
        raise Refusal(f"{folder}: can't be read: {error.strerror}") from None
    if len(manifests) == 1:
        return _of_manifest(manifests[0])
    if len(manifests) > 1:
        raise Refusal(f"{folder}: holds the files of several servers: give one of {_few(manifests)}")
    if len(dumps) == 1 and not appended:
        return find(dumps[0])
    if len(appended) == 1 and not dumps:
        return find(appended[0])
    if dumps or appended:
        raise Refusal(f"{folder}: holds several backups: give one of {_few([*dumps, *appended])}")
    raise Refusal(f"{folder}: holds no dump (*.rdb) and no append-only file (*.aof, *{_MANIFEST})")


def _of_manifest(manifest: Path) -> Backup:
    try:
        parts = [quoted or plain for quoted, plain in _PART.findall(manifest.read_text(encoding="utf-8"))]
    except (OSError, UnicodeError) as error:
        raise Refusal(f"{manifest}: can't be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if not parts:
        raise Refusal(f"{manifest}: names no file of an append-only file: it is cut off, or none")
    missing = [part for part in parts if not (manifest.parent / part).is_file()]
    if missing:
        raise Refusal(f"{manifest}: names {', '.join(missing[:3])}, which is not beside it: the backup is not whole")
    files = {manifest.parent / part: f"{COPY_FOLDER}/{part}" for part in parts}
    name = manifest.name.removesuffix(_MANIFEST)
    return Backup(
        files | {manifest: f"{COPY_FOLDER}/{manifest.name}"},
        {"appendonly": "yes", "appendfilename": name, "appenddirname": COPY_FOLDER},
    )


def write_manifest(backup: Backup, home: Path) -> None:
    """An append-only file of its own has none, and no server reads it without."""
    folder = home / COPY_FOLDER
    if folder.is_dir() and not list(folder.glob(f"*{_MANIFEST}")):
        (name,) = backup.files.values()
        line = f"file {Path(name).name} seq 1 type i\n"
        (folder / f"{COPY_AOF}{_MANIFEST}").write_text(line, encoding="utf-8")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise Refusal(f"{path}: can't be read: {error.strerror}") from None


def _seen(path: Path) -> tuple[int, int]:
    try:
        now = path.stat()
    except OSError as error:
        raise Refusal(f"{path}: can't be read: {error.strerror}") from None
    return now.st_size, now.st_mtime_ns


def _open_by(files: dict[Path, str]) -> str:
    """A process of this machine that has one of them open, as far as this user may see; or ""."""
    wanted = {str(path.resolve()) for path in files}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = {str(each.readlink()) for each in (process / "fd").iterdir()}
        except OSError:
            continue
        if wanted & held and process.name != str(os.getpid()):
            return process.name
    return ""


def _few(paths: "dict[Path, str] | list[Path]") -> str:
    return ", ".join(map(str, list(paths)[:3]))
