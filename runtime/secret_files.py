"""The files that settings with secrets come from: `.env`, and a folder of secrets.

Outside test, a file with a secret in it is its owner's and its group's, or it is refused. The file counts, not the
process: a producer does not start beside a `.env` in which every user of the machine can read the worker's keys.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values  # pydantic-settings brings it, and reads `.env` by it

#: Settings that are secrets, or may hold a password. A test compares them with the settings classes of all processes.
SECRET_SETTINGS = frozenset({
    "BROKER_URL",
    "EPAY_CLIENT_SECRET",
    "EPAY_CREDENTIALS",
    "EPAY_SECRET_HASH_KEY",
    "FINGERPRINT_KEYS",
    "NOTIFY_SECRET",
    "REDIS_URL",
    "SENTRY_DSN",
    "VAULT_PRIVATE_KEYS",
    "VAULT_URL",
})  # fmt: skip

ENV_FILE = Path(".env")


def secrets_folder() -> Path | None:
    """`SECRETS_DIR`, or systemd's `CREDENTIALS_DIRECTORY`; None where neither is a folder."""
    folder = os.environ.get("SECRETS_DIR") or os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder and Path(folder).is_dir() else None


def is_of_systemd() -> bool:
    """Is the folder of secrets systemd's copy?"""
    return not os.environ.get("SECRETS_DIR")


def given_in(file: Path) -> dict[str, str]:
    """What a `.env` sets, by upper-case name, as it is written: `${...}` is no reference to another setting."""
    if not file.is_file():
        return {}
    return {name.upper(): value for name, value in dotenv_values(file, interpolate=False).items() if value}


def open_to_others(path: Path) -> bool:
    """May users other than its owner and its group do anything with the file?"""
    try:
        return bool(path.stat().st_mode & stat.S_IRWXO)
    except OSError:
        return False


def complaints() -> Iterator[str]:
    """A line for each file with a secret in it that every user of this machine may read."""
    given = sorted(SECRET_SETTINGS & given_in(ENV_FILE).keys())
    if given and open_to_others(ENV_FILE):
        yield f"{given[0]}: is in .env, which every user of this machine may read; chmod 600 .env"
    folder = secrets_folder()
    for path in sorted(folder.iterdir()) if folder else ():
        name = path.name.upper()
        if name in SECRET_SETTINGS and open_to_others(path):
            yield (
                f"{name}: is in a file of the secrets' folder that every user of this machine may read; "
                f"chmod 400 {path.name} there"
            )
