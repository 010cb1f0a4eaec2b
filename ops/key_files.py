"""Adds a key to a list of keys in its file: at once, or not at all, and never readable by other users."""

import os
import re
from pathlib import Path

from epay_transfers.ledger.secret import Secret
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.key_source import Place


def put_in_front(place: Place, key: Secret) -> None:
    """The list of the setting begins with this key from now on. Raises `Refusal`, and has changed nothing then.

    What if we die here? Before the last step the old file stands, and the new one beside it, which the next run names.
    """
    path = place.path.resolve()
    fresh = path.with_name(f"{path.name}.rotating")
    try:
        before = path.read_text(encoding="utf-8-sig")
        owner = path.stat()
        text = _in_env_file(before, place.name, key) if place.is_env_file else f"{key.reveal()}\n{before}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refusal(
            f"{fresh} is there already: another rotation is at work, or one died; if none is at work, delete it"
        ) from None
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _not_written(path, error) from None
    _sync(path.parent)


def _in_env_file(text: str, name: str, key: Secret) -> str:
    line = re.compile(rf"^(\s*(?:export\s+)?{name}\s*=\s*['\"]?)", re.IGNORECASE | re.MULTILINE)
    if len(line.findall(text)) != 1:
        raise Refusal(f".env sets {name} more than once: leave one line of them")
    return line.sub(lambda found: f"{found[1]}{key.reveal()},", text)


def _not_written(path: Path, error: OSError) -> Refusal:
    return Refusal(f"{path} can't be written: {error.strerror}; run this as the file's owner, where the file is kept")


def _sync(folder: Path) -> None:
    """The new name of the file survives a loss of power, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
