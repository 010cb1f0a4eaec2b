"""Settings that give a process a list of keys, newest first: by a file, a secrets directory (systemd's credentials),
`.env`, or the environment. Production refuses the environment for the vault's private keys: child processes inherit it,
and `/proc` shows it. `place_of` says where a list is, for the command that adds a key to it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.key_text import split
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.keyring import KeyRing
from epay_transfers.runtime import secret_files, setting_sources
from epay_transfers.runtime.setting_sources import ENV_FILE, Sources
from epay_transfers.runtime.settings import ServerSettings

_PRIVATE, _FINGERPRINT = "vault_private_keys", "fingerprint_keys"
_A_FILE = "give a file that only its owner and its group may read, like mode 0400"


class KeySource(ServerSettings):
    """The vault's private keys."""

    allow_env_keys: bool = Field(default=False, description="give 1 to take the keys from the environment all the same")
    vault_private_keys_file: Path | None = Field(default=None, description=_A_FILE)
    vault_private_keys: Annotated[list[Secret], NoDecode] = Field(
        default_factory=list,
        description="give what `transfers keygen` printed, newest first, or name a file in VAULT_PRIVATE_KEYS_FILE",
        validate_default=True,
    )

    @field_validator("vault_private_keys_file")
    @classmethod
    def _closed_file(cls, value: Path | None) -> Path | None:
        return _not_open_to_others(value)

    @field_validator(_PRIVATE, mode="before")
    @classmethod
    def _found_keys(cls, value: Any, info: ValidationInfo) -> Any:
        """Take the keys from the file, or as given."""
        given, is_in_environment = _found(value, info, _PRIVATE), setting_sources.in_environment(_PRIVATE.upper())
        if given and not info.data.get("vault_private_keys_file") and is_in_environment and not _env_is_fine(info.data):
            raise ValueError(
                "is in the environment, which every child of the process inherits; in production name a file in "
                "VAULT_PRIVATE_KEYS_FILE, or set ALLOW_ENV_KEYS=1"
            )
        return given

    @field_validator(_PRIVATE)
    @classmethod
    def _opens(cls, value: list[Secret], info: ValidationInfo) -> list[Secret]:
        if "vault_private_keys_file" in info.data:
            KeyRing(value)
        return value


class FingerprintKeySource(ServerSettings):
    """The keys by which a producer compares a replay with what it sent before."""

    fingerprint_keys_file: Path | None = Field(default=None, description=_A_FILE)
    fingerprint_keys: Annotated[list[Secret], NoDecode] = Field(
        default_factory=list,
        description="give what `transfers keygen` printed, newest first, or name a file in FINGERPRINT_KEYS_FILE",
        validate_default=True,
    )

    @field_validator("fingerprint_keys_file")
    @classmethod
    def _closed_fingerprint_file(cls, value: Path | None) -> Path | None:
        return _not_open_to_others(value)

    @field_validator(_FINGERPRINT, mode="before")
    @classmethod
    def _found_fingerprint_keys(cls, value: Any, info: ValidationInfo) -> Any:
        return _found(value, info, _FINGERPRINT)

    @field_validator(_FINGERPRINT)
    @classmethod
    def _prints(cls, value: list[Secret], info: ValidationInfo) -> list[Secret]:
        if "fingerprint_keys_file" in info.data:
            FingerprintKeys(value)
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of keys is: a file of its own, or a line of `.env`. `name`: as it stands there."""

    path: Path
    name: str
    is_env_file: bool = False
    is_copy: bool = False  #: a systemd credential, which is made anew at each start


def place_of(name: str, file: Path | None) -> Place | None:
    """Of the setting with this name, whose file is `file` if one is named. None: it is in the environment."""
    if file is not None:
        return Place(file, name)
    given = Sources(env_file=ENV_FILE).find(name)
    if given is None or given.file is None:
        return None
    is_copy = not given.is_env_file and setting_sources.folder_is_of_systemd()
    return Place(given.file, given.name, is_env_file=given.is_env_file, is_copy=is_copy)


def _not_open_to_others(value: Path | None) -> Path | None:
    try:
        if value is not None and not value.is_file():
            raise ValueError("can't be read")
    except OSError:
        raise ValueError("can't be read") from None
    if value is not None and secret_files.open_to_others(value):
        raise ValueError("can be read by every user of this machine")
    return value


def _found(value: Any, info: ValidationInfo, name: str) -> Any:
    """The keys from the file, or as given."""
    given = split(value) if isinstance(value, str) else value
    if f"{name}_file" not in info.data:
        return []  # the file's own error says what is wrong
    file = info.data[f"{name}_file"]
    if file and given:
        raise ValueError(f"is given twice: here, and by {name.upper()}_FILE")
    if file:
        return _read(file, name)
    if not given:
        raise ValueError("is not set")
    return given


def _read(file: Path, name: str) -> list[Secret]:
    try:
        return split(secret_files.read(file))
    except ValueError:
        raise ValueError(f"is not set: the file that {name.upper()}_FILE names can't be read") from None


def _env_is_fine(data: dict[str, Any]) -> bool:
    return data.get("epay_environment") == "test" or data.get("allow_env_keys") is True
