"""A command's standard files. What can't be written is an exit status and a sentence: no traceback, and no silent 0.

A program that writes for a machine must not end with 0 while half of its output is lost. A reader that has gone away
(`| head -1`) is no news: the command ends quietly, with the status that a shell gives to a process that SIGPIPE ended.

The numbers 0, 1 and 2 are never free. Where the caller closed one (`>&-`), the next file or connection would get it,
and what is printed would go there: a server executes what it reads.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: `EX_IOERR`: not all could be written.
EX_IOERR = 74

#: 128 and SIGPIPE, which Python ignores.
READER_GONE = 141


class OutputError(Exception):
    """Standard output can't be written. It is no `OSError`: those are caught where a file or a server is meant."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number

    @property
    def is_reader_gone(self) -> bool:
        return self.number == errno.EPIPE


class _Raw(io.FileIO):
    """A file descriptor that says once that it can't be written, and swallows what comes after that.

    `may_fail`: standard error only swallows. Nothing is left to say it on, and a line of the log that is lost must not
    break off an enqueue in the middle.
    """

    def __init__(self, descriptor: int, *, may_fail: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._may_fail = may_fail
        self.failed: OutputError | None = None

    def write(self, data: Any, /) -> int:
        if self.failed is not None:
            return memoryview(data).nbytes
        try:
            written = super().write(data)
        except OSError as error:
            failed = OutputError(error.errno or errno.EIO)
        else:
            if written is not None:
                return written
            failed = OutputError(errno.EAGAIN)
        if self._may_fail:
            self.failed = failed
            raise failed
        return memoryview(data).nbytes


def occupy() -> None:
    """Open what the caller closed of 0, 1 and 2, so that nothing can be read or written there. For the very start.

    The descriptors are bare, since a file object closes its own when it is collected; and a process that this one turns
    into has them, too.
    """
    for descriptor, wrong_way in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, wrong_way)  # the lowest free number: those below are taken
            os.set_inheritable(opened, True)  # noqa: FBT003 - it takes no name


@contextmanager
def guarded() -> Iterator[None]:
    """Around a whole command: what its output's encoding lacks is escaped, and what can't be written ends it."""
    occupy()
    out = _guard("stdout", may_fail=True)
    _guard("stderr", may_fail=False)
    ended: SystemExit | None = None
    try:
        yield
    except OutputError:
        pass
    except SystemExit as error:
        ended = error
    with suppress(OutputError):
        if sys.stdout is not None:
            sys.stdout.flush()
    if out is not None and out.failed is not None and (ended is None or not ended.code):
        raise SystemExit(_tell(out.failed))
    if ended is not None:
        raise ended


def _guard(name: str, *, may_fail: bool) -> _Raw | None:
    """Put our stream in the place of Python's own; None where a test has put one there."""
    stream = getattr(sys, name)
    encoding, is_by_line, is_at_once = "utf-8", False, not may_fail
    if isinstance(stream, io.TextIOWrapper):
        stream.flush()
        encoding, is_by_line, is_at_once = stream.encoding, stream.line_buffering, stream.write_through
        descriptor = stream.fileno()
    elif stream is None:  # closed by the caller
        descriptor = {"stdout": 1, "stderr": 2}[name]
    else:
        return None
    raw = _Raw(descriptor, may_fail=may_fail)
    made = io.TextIOWrapper(
        raw if is_at_once else io.BufferedWriter(raw),  # as Python itself does it
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_by_line,
        write_through=is_at_once,
    )
    setattr(sys, name, made)
    return raw


def _tell(failed: OutputError) -> int:
    if failed.is_reader_gone:
        return READER_GONE
    sys.stderr.write(
        f"Standard output can't be written: {failed}. Not all is printed, and what the command was to do may be done.\n"
    )
    return EX_IOERR
