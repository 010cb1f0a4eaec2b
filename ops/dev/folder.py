"""The folder of `transfers dev`: made, marked, locked, and emptied on demand.

Its marker says that this command made it: in another folder the command writes and deletes nothing. The marker is the
lock as well: the kernel lets go of it when the process ends, however it ends.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from epay_transfers.ops.exit_status import Refusal

MARKER = "made-by-transfers-dev"
BOOKS = "books.json"  #: the sandbox bank's

KEYS = "keys.env"
LEDGER = "ledger-server"

#: What a reset deletes; another file that a person put here stays.
_DATA = (LEDGER, "vault-server", BOOKS, ".env", KEYS)

#: Is there from before a reset deletes anything until it has deleted all: of a ledger no half may be run.
_RESETTING = "reset-unfinished"


@contextlib.contextmanager
def opened(path: Path, *, reset: bool) -> Iterator[Path]:
    """The folder, for this process alone; it is made if it is not there. Raises `Refusal`."""
    with contextlib.ExitStack() as ends:
        try:
            _make(path)
            lock = ends.enter_context((path / MARKER).open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / ".gitignore").write_text("*\n", encoding="utf-8")
            if reset or (path / _RESETTING).exists():
                _empty(path)
        except BlockingIOError:
            raise Refusal(f"this command runs in {path} already: end it, or give another --folder") from None
        except OSError as error:
            raise Refusal(f"--folder: can't use {path} ({error.strerror}); give another --folder") from None
        yield path.resolve()


def _make(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if not (path / MARKER).is_file() and any(path.iterdir()):
        raise Refusal(
            f"--folder: this command did not make {path}, and it is not empty: nothing was changed there; give another "
            "--folder"
        )
    path.chmod(0o700)


def _empty(path: Path) -> None:
    """Where it was interrupted, the next start does the rest."""
    (path / _RESETTING).touch()
    for name in _DATA:
        if (path / name).is_dir():
            shutil.rmtree(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    (path / _RESETTING).unlink()
