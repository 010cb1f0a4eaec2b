"""Settings that give a process the vault's private keys: by a file, a secrets directory (systemd's credentials),
`.env`, or the environment. Production refuses the environment: child processes inherit it, and `/proc` shows it.
"""

import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.keyring import KeyRing, split
from epay_transfers.runtime.settings import ServerSettings

_NAME = "vault_private_keys"


class KeySource(ServerSettings):
    epay_environment: Literal["test", "production"] = Field(default="test", description="give test or production")
    allow_env_keys: bool = Field(default=False, description="give 1 to take the keys from the environment all the same")
    vault_private_keys_file: Path | None = Field(
        default=None, description="give a file that only its owner and its group may read, like mode 0400"
    )
    vault_private_keys: Annotated[list[Secret], NoDecode] = Field(
        default_factory=list,
        description="give what `transfers keygen` printed, newest first, or name a file in VAULT_PRIVATE_KEYS_FILE",
        validate_default=True,
    )

    @field_validator("vault_private_keys_file")
    @classmethod
    def _others_may_not_read(cls, value: Path | None) -> Path | None:
        try:
            mode = value.stat().st_mode if value else 0
        except OSError:
            raise ValueError("can't be read") from None
        if mode & stat.S_IRWXO:
            raise ValueError("can be read by every user of this machine")
        return value

    @field_validator(_NAME, mode="before")
    @classmethod
    def _found(cls, value: Any, info: ValidationInfo) -> Any:
        """Take the keys from the file, or as given."""
        given = split(value) if isinstance(value, str) else value
        if "vault_private_keys_file" not in info.data:
            return []  # the file's own error says what is wrong
        file = info.data["vault_private_keys_file"]
        if file and given:
            raise ValueError("is given twice: here, and by VAULT_PRIVATE_KEYS_FILE")
        if file:
            return _read(file)
        if not given:
            raise ValueError("is not set")
        if _in_environment() and not _env_is_fine(info.data):
            raise ValueError(
                "is in the environment, which every child of the process inherits; in production name a file in "
                "VAULT_PRIVATE_KEYS_FILE, or set ALLOW_ENV_KEYS=1"
            )
        return given

    @field_validator(_NAME)
    @classmethod
    def _opens(cls, value: list[Secret], info: ValidationInfo) -> list[Secret]:
        if "vault_private_keys_file" in info.data:
            KeyRing(value)
        return value


def _read(file: Path) -> list[Secret]:
    try:
        return split(file.read_text())
    except (OSError, ValueError):
        raise ValueError("is not set: the file that VAULT_PRIVATE_KEYS_FILE names can't be read") from None


def _in_environment() -> bool:
    return any(name.lower() == _NAME for name in os.environ)


def _env_is_fine(data: dict[str, Any]) -> bool:
    return data.get("epay_environment") == "test" or data.get("allow_env_keys") is True
