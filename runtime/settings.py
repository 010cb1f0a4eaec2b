"""Settings: each part of the system has a class, read once from the environment, `.env` or a secrets directory.

This module has what all share, and the form of errors: all at once, a line `NAME: what is wrong; what to do`, never a
value. A part adds its own class and calls `load`. Settings are frozen. What test may do and production may not is
refused unless `EPAY_ENVIRONMENT=test` says that this is test: an environment that says nothing is no test.
"""

import ipaddress
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings.sources import PydanticBaseSettingsSource

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.invoice import DEFAULT_SPACE, is_space
from epay_transfers.ledger.safe_urls import LOOPBACK
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import AddressUnreadable, check_address
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.runtime import secret_files

#: The exit status of a process with wrong settings (`EX_CONFIG`): a supervisor need not try again.
EX_CONFIG = 78


def _from_json(value: Any) -> Any:
    """Parse a setting that is given as JSON, with an error like that of any other setting."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        raise ValueError("is not JSON") from None


#: Sixteen random hexadecimal digits have ten different ones, and hardly ever fewer than this.
_FEWEST_SIGNS = 6

#: The annotation of a setting that is given as JSON.
JSON = (NoDecode, BeforeValidator(_from_json))


class Durability(StrEnum):
    STRICT = "strict"
    ATTESTED = "attested"  #: a managed server hides its configuration; an operator vouches for it
    RELAXED = "relaxed"  #: development only


class SettingsWrong(TransfersError):
    """Settings are missing or wrong: one line for each, without its value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class TerminalPlan(BaseModel):
    """What every process knows of an extra terminal: its space."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    space: str = DEFAULT_SPACE

    @field_validator("space")
    @classmethod
    def _space(cls, value: str) -> str:
        if not is_space(value):
            raise ValueError("a space is up to 20 lower-case letters, digits and dashes, a letter first")
        return value


def of_chance(value: Secret | None) -> Secret | None:
    """Raises `ValueError` for few signs, or one piece over and over: a person made it up, and another can guess it."""
    text = value.reveal() if value is not None else ""
    repeats = any(text == (text[:n] * len(text))[: len(text)] for n in range(1, len(text) // 2 + 1))
    if text and (repeats or len(set(text)) < _FEWEST_SIGNS):
        raise ValueError("is no random text")
    return value


class _EnvFile(DotEnvSettingsSource):
    """`.env` as it is written: the library would replace `${...}` in a secret by another setting, or by nothing."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in secret_files.given_in(file_path).items()}


class _Settings(BaseSettings):
    """Where all settings come from."""

    model_config = SettingsConfigDict(
        env_file=secret_files.ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As the library's, but that `.env` is taken as it is written."""
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            dotenv_settings = _EnvFile(settings_cls, env_file=dotenv_settings.env_file)
        return init_settings, env_settings, dotenv_settings, file_secret_settings


class ServerSettings(_Settings):
    """The settings that every process needs. A field's description says how to correct it."""

    epay_environment: Literal["test", "production"] | None = Field(
        default=None, description="give test or production, the same to every process"
    )
    redis_url: Secret = Field(description="give the ledger's server, like redis://127.0.0.1:6379/0")
    broker_url: Secret | None = Field(default=None, description="give the queue's server, or leave it out")
    vault_url: Secret | None = Field(default=None, description="give a second server without persistence")
    durability: Durability = Field(default=Durability.STRICT, description="give strict, attested or relaxed")
    log_level: str = Field(default="INFO", description="give DEBUG, INFO, WARNING or ERROR")
    sentry_dsn: Secret | None = Field(default=None, description="give the project's DSN, or leave it out")
    epay_terminals: Annotated[dict[str, TerminalPlan], *JSON] = Field(
        default_factory=dict, description='give JSON like {"kiosk": {"space": "kiosk"}}'
    )

    @field_validator("redis_url", "broker_url", "vault_url")
    @classmethod
    def _address(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        if value is not None and (complaint := _complaint_of(value)):
            raise ValueError(complaint)
        if value is not None and _crosses_the_network_in_clear(value) and info.data.get("epay_environment") != "test":
            raise ValueError(
                "leads over the network without TLS: give a rediss:// address, or EPAY_ENVIRONMENT=test if this is test"
            )
        return value

    @field_validator("broker_url")
    @classmethod
    def _broker_apart(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        ledger = info.data.get("redis_url")
        if value is not None and ledger is not None and _place(value) == _place(ledger):
            raise ValueError("names the ledger's database: the queue's maintenance runs KEYS there")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("is not a level")
        return value.upper()

    @property
    def queue_url(self) -> str:
        """`BROKER_URL`, or the ledger's server with the database + 1."""
        if self.broker_url is not None:
            return self.broker_url.reveal()
        url, database = self.redis_url.reveal(), (_database(self.redis_url) or 0) + 1
        address, _, query = url.partition("?")
        if address.startswith("unix://"):
            return f"{address}?db={database}"
        others = "&".join(part for part in query.split("&") if part and not part.startswith("db="))
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{database}" + (f"?{others}" if others else "")

    def space_of(self, terminal: str) -> str | None:
        """The space of a terminal's invoice ids; None for an unknown terminal."""
        if terminal in self.epay_terminals:
            return self.epay_terminals[terminal].space
        return DEFAULT_SPACE if terminal == "main" else None

    @classmethod
    @clear_frames_on_error
    def load(cls, **overrides: Any) -> Self:
        """Read the environment. Raises `SettingsWrong` with a line for everything that is missing or wrong."""
        folder = secret_files.secrets_folder()
        lines, is_read = set[str](), True
        try:
            settings = cls(_secrets_dir=folder, **overrides)
        except ValidationError as error:
            lines = {_line(cls, details) for details in error.errors(include_input=False, include_context=False)}
        except UnicodeDecodeError:  # it keeps the whole file
            lines, is_read = {".env: is not UTF-8; write it, or the secrets directory's files, in UTF-8"}, False
        if is_read and not _Test.is_said(folder, overrides):
            lines |= set(secret_files.complaints())
        if lines:
            raise SettingsWrong(sorted(lines))
        return settings


class _Test(_Settings):
    """Whether the environment says that it is test, whatever is wrong with the other settings."""

    epay_environment: str = ""

    @classmethod
    def is_said(cls, folder: Path | None, overrides: Mapping[str, Any]) -> bool:
        given = {name: value for name, value in overrides.items() if name == "epay_environment" and value}
        return cls(_secrets_dir=folder, **given).epay_environment == "test"


def _line(cls: type[BaseSettings], details: Any) -> str:
    name = str(details["loc"][0]) if details["loc"] else ""
    field = cls.model_fields.get(name)
    cure = field.description if field else None
    complaint = "is not set" if details["type"] == "missing" else str(details["msg"]).removeprefix("Value error, ")
    complaint = complaint[0].lower() + complaint[1:]
    return f"{name.upper()}: {complaint}; {cure}" if cure else f"{name.upper()}: {complaint}"


def _complaint_of(url: Secret) -> str:
    """What is wrong with a server's address; never the words of a library, which repeat a part of its password."""
    if url.reveal().partition("://")[0] not in {"redis", "rediss", "unix"}:
        return "is not a redis://, rediss:// or unix:// address"
    try:
        if _database(url) is None:
            return "names a database that is no number"
        if _skips_certificate_check(url):
            return "turns off the check of the server's certificate: name its authority with ssl_ca_certs"
        check_address(url.reveal())
    except (AddressUnreadable, ValueError):
        return "can't be read: each of @ : / ? # % in a user or a password must be percent-encoded (@ as %40)"
    return ""


def _database(url: Secret) -> int | None:
    """The database in an address, as the client reads it: `?db=` comes before the path. None: not a number."""
    parts = urlsplit(url.reveal())
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    text = parse_qs(parts.query).get("db", [path or "0"])[-1]
    return int(text) if text.isascii() and text.isdigit() else None


def _skips_certificate_check(url: Secret) -> bool:
    asked = parse_qs(urlsplit(url.reveal()).query.lower())
    wanted = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    return any(given != [wanted[name]] for name, given in asked.items() if name in wanted)


def _crosses_the_network_in_clear(url: Secret) -> bool:
    parts = urlsplit(url.reveal())
    return parts.scheme == "redis" and not _is_this_machine(parts.hostname or "localhost")


def _is_this_machine(host: str) -> bool:
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(url: Secret) -> tuple[str | None, int | None, int | None]:
    parts = urlsplit(url.reveal())
    if parts.scheme == "unix":
        return parts.path, None, _database(url)
    return parts.hostname, parts.port or 6379, _database(url)
