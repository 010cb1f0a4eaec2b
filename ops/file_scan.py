"""The search for card numbers in files and folders: backups, append-only files, dumps, logs; packed ones unpacked.

A file is read as a stream. What can't be seen in it is told: what is encrypted, an archive, and strings that Redis
compressed in a dump.
"""

import bz2
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from epay_transfers.runtime.card_scan import Report, search, shown

#: How a file begins that holds another one, and what reads it.
_UNPACKED: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    b"\xfd7zXZ": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - the caller closes it
}

#: How a file begins in which nothing can be seen, and what it is.
_CLOSED = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive: unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it",
    b"\x04\x22\x4d\x18": "packed by lz4: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\xff\xfe": "a text in UTF-16: write it in UTF-8",
    b"\xfe\xff": "a text in UTF-16: write it in UTF-8",
    b"age-encryption": "encrypted",
    b"-----BEGIN PGP": "encrypted",
}

_DUMPS = (b"REDIS0", b"VALKEY")
_HALF_SEEN = (
    "a dump, read but for strings that the server compressed (`rdbcompression yes`) and numbers of sets and sorted sets"
)

FILES, BYTES = "files", "bytes of files"


def scan_files(paths: Iterable[Path], report: Report) -> None:
    report.looked[FILES] += 0
    for path in paths:
        for file in _files(path, report):
            _scan_file(file, report)


def _files(path: Path, report: Report) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=lambda error: _unread_folder(error, report)):
        folders.sort()
        for name in folders:
            if (Path(folder) / name).is_symlink():
                report.could_not_read(shown(str(Path(folder) / name)), "a link to a folder: give the folder")
        yield from (Path(folder) / name for name in sorted(names))


def _unread_folder(error: OSError, report: Report) -> None:
    report.could_not_read(shown(str(error.filename)), _why(error))


def _scan_file(path: Path, report: Report) -> None:
    where = shown(str(path))
    for _, card in search(os.fsencode(path.name)):
        report.found(where, "name", card)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            report.could_not_read(where, "no ordinary file")
            return
        with path.open("rb") as file:
            begin = file.read(16)
            file.seek(0)
            for sign, what in _CLOSED.items():
                if begin.startswith(sign):
                    report.could_not_read(where, what)
                    return
            if opener := next((opens for sign, opens in _UNPACKED.items() if begin.startswith(sign)), None):
                with opener(file) as unpacked:
                    _scan_stream(where, "unpacked byte", unpacked, report)
            else:
                _scan_stream(where, "byte", file, report)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        report.could_not_read(where, _why(error))
    else:
        report.looked[FILES] += 1


def _scan_stream(where: str, unit: str, stream: BinaryIO, report: Report) -> None:
    counted = _Counted(stream)
    try:
        is_dump = counted.peek().startswith(_DUMPS)
        if is_dump:
            report.could_not_read(where, _HALF_SEEN)
        for offset, card in search(counted, is_dump=is_dump):
            report.found(where, f"{unit} {offset}", card, offset)
    finally:
        report.looked[BYTES] += counted.size


class _Counted:
    """A stream that counts what was read of it, and shows its beginning."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin = b""
        self.size = 0

    def peek(self) -> bytes:
        self._begin = self._stream.read(16)
        return self._begin

    def read(self, size: int, /) -> bytes:
        piece, self._begin = self._begin or self._stream.read(size), b""
        self.size += len(piece)
        return piece


def _why(error: Exception) -> str:
    """Without the file's name, which stands beside it."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return "its packing is broken; what stands before that place was read"
