"""The files that settings with secrets come from: reading one, and whether other users may read it.

Outside test, a file with a secret in it is its owner's and its group's, or it is refused. The file counts, not the
process: a process that needs no secret refuses its `.env`, too, if every user of the machine can read secrets there.
"""

import stat
from pathlib import Path

#: Settings that are secrets, or may hold a password. A test compares them with the settings classes of all processes.
SECRET_SETTINGS = frozenset({
    "BROKER_URL",
    "EPAY_CLIENT_SECRET",
    "EPAY_CLIENT_SECRET_NEXT",
    "EPAY_CREDENTIALS",
    "EPAY_SECRET_HASH_KEY",
    "FINGERPRINT_KEYS",
    "NOTIFY_SECRET",
    "REDIS_URL",
    "SENTRY_DSN",
    "VAULT_PRIVATE_KEYS",
    "VAULT_URL",
})  # fmt: skip

#: Bytes: all settings together are a thousandth of it.
_LARGEST = 1024 * 1024


def read(path: Path) -> str:
    """The text of a file. Raises `ValueError`, a sentence without a word of it, for what can't be read."""
    try:
        if not path.is_file():
            raise ValueError("is no file that can be read; give a file of text")
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        text = raw.decode("utf-8-sig")  # some editors write that mark, and the first name would begin with it
    except UnicodeDecodeError:  # it keeps the whole file
        raise ValueError("is not UTF-8; write it in UTF-8") from None
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror}); let this process read it") from None
    if len(raw) > _LARGEST or "\0" in text:
        raise ValueError("is no text, or too long; write it in UTF-8")
    return text


def open_to_others(path: Path) -> bool:
    """May users other than its owner and its group do anything with the file?"""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & stat.S_IRWXO)
