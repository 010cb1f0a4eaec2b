"""Where settings are read from: the environment, a `.env` that the caller names, a folder of secrets.

`TRANSFERS_NAME` goes before `NAME`, wherever either of them is: a name like `REDIS_URL` may be another program's. After
that the environment goes before `.env`, and `.env` before the folder. An empty value counts as not given. What can't be
read becomes a line for the operator: no exception of a library leaves this module, and no value is in a line.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream  # pydantic-settings brings it, and reads `.env` by it

from epay_transfers.runtime import secret_files

#: What may stand before the name of each setting, and of `SECRETS_DIR`.
PREFIX = "TRANSFERS_"

#: The `.env` that our own processes read: the one in the working directory.
ENV_FILE = Path(".env")

#: Only what has the form of a setting's name is shown: a line of `.env` may begin with a part of a secret.
_NAME = re.compile(r"[A-Z][A-Z_]{2,40}")

#: How alike two names are that a person may have meant to be one: `VAULT_ULR`, `REDIS_URI`.
_CLOSE = 0.85

_FOLDERS = (f"{PREFIX}SECRETS_DIR", "SECRETS_DIR", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as it is given. `name`: in capitals, with its prefix if it has one. `file`: None: the environment."""

    name: str
    value: str
    file: Path | None = None
    is_env_file: bool = False


class Sources:
    """What is given, by name. `lines`: what could not be read so far, a line each; `unread`: these settings."""

    def __init__(self, *, env_file: Path | None) -> None:
        self.lines: set[str] = set()
        self.unread: set[str] = set()
        self._environment: dict[str, str] = {}
        self._in_environment_twice: set[str] = set()
        for name, value in os.environ.items():
            if value and self._environment.setdefault(name.upper(), value) != value:
                self._in_environment_twice.add(name.upper())
        self._env_file = env_file
        self._in_env_file: dict[str, str] = {}
        self._in_env_file_twice: set[str] = set()
        if env_file is not None:
            self._read_env_file(env_file)
        self._folder: dict[str, list[Path]] = {}
        self._list_folder()

    def find(self, name: str) -> Given | None:
        """The setting with this name, in capitals and without the prefix; None if it is not given."""
        for spelling in (f"{PREFIX}{name}", name):
            if value := self._environment.get(spelling):
                if spelling in self._in_environment_twice:
                    self.lines.add(f"{spelling}: is in the environment twice, in capitals and not; leave one of them")
                return Given(spelling, value)
            if value := self._in_env_file.get(spelling):
                if spelling in self._in_env_file_twice:
                    self.lines.add(f"{spelling}: is set more than once in {self._env_name}; leave one line of them")
                return Given(spelling, value, self._env_file, is_env_file=True)
            if given := self._from_folder(spelling):
                return given
        return None

    def close_to(self, name: str, known: Collection[str]) -> str:
        """A name that is given, is no setting in `known` and nearly spells this one; empty if there is none."""
        given = {each for each in (*self._environment, *self._in_env_file, *self._folder) if _NAME.fullmatch(each)}
        others = {each: each.removeprefix(PREFIX) for each in given}
        close = difflib.get_close_matches(name, sorted(set(others.values()) - set(known)), n=1, cutoff=_CLOSE)
        return next((each for each, bare in sorted(others.items()) if close and bare == close[0]), "")

    def open_to_others(self) -> Iterator[str]:
        """A line for each file with a secret in it that every user of this machine may read."""
        secrets = _spellings(secret_files.SECRET_SETTINGS)
        in_env_file = sorted(secrets & self._in_env_file.keys())
        if self._env_file is not None and in_env_file and secret_files.open_to_others(self._env_file):
            name = self._env_name
            yield f"{in_env_file[0]}: is in {name}, which every user of this machine may read; chmod 600 {name}"
        for name in sorted(secrets & self._folder.keys()):
            for path in self._folder[name]:
                if secret_files.open_to_others(path):
                    yield (
                        f"{name}: is in a file of the secrets' folder that every user of this machine may read; "
                        f"chmod 400 {path.name} there"
                    )

    @property
    def _env_name(self) -> str:
        return self._env_file.name if self._env_file is not None else ""

    def _read_env_file(self, path: Path) -> None:
        """As it is written: `${...}` in a secret is no reference to another setting."""
        try:
            text = secret_files.read(path) if os.path.lexists(path) else ""
        except ValueError as error:
            self.lines.add(f"{path.name}: {error}")
            return
        for binding in parse_stream(StringIO(text)):
            if binding.error:
                self.lines.add(f"{path.name}: its line {binding.original.line} is no setting; write NAME=value there")
            name = (binding.key or "").upper()
            if name in self._in_env_file:
                self._in_env_file_twice.add(name)
            if name and binding.value:
                self._in_env_file[name] = binding.value

    def _list_folder(self) -> None:
        name = next((name for name in _FOLDERS if os.environ.get(name)), None)
        if name is None:
            return
        try:
            paths = sorted(Path(os.environ[name]).iterdir())
        except (OSError, ValueError):
            self.lines.add(f"{name}: names no folder that this process can read; correct it, or leave it out")
            return
        for path in paths:
            self._folder.setdefault(path.name.upper(), []).append(path)

    def _from_folder(self, name: str) -> Given | None:
        paths = self._folder.get(name, [])
        if len(paths) > 1:
            self.lines.add(f"{name}: has more than one file in the secrets' folder; leave one of them")
        try:
            value = secret_files.read(paths[0]).strip() if paths else ""
        except ValueError as error:
            self.lines.add(f"{name}: its file in the secrets' folder {error}")
            self.unread.add(name.removeprefix(PREFIX))
            return Given(name, "", paths[0])
        return Given(name, value, paths[0]) if value else None


def folder_is_of_systemd() -> bool:
    """Is the folder of secrets systemd's copy?"""
    return not any(os.environ.get(name) for name in _FOLDERS[:-1])


def in_environment(name: str) -> bool:
    """Is the setting in the environment, by either name?"""
    return any(given.upper() in _spellings([name]) for given, value in os.environ.items() if value)


def _spellings(names: Iterable[str]) -> set[str]:
    return {spelling for name in names for spelling in (name, f"{PREFIX}{name}")}
