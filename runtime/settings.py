"""Settings: each part of the system has a class, read once from the environment, `.env` or a secrets directory.

This module has what all share, and the form of errors: all at once, a line `NAME: what is wrong; what to do`, never a
value. A part adds its own class and calls `load`. Settings are frozen. What test may do and production may not is
refused unless `EPAY_ENVIRONMENT=test` says that this is test: an environment that says nothing is no test.
"""

import re
import threading
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.sources import PydanticBaseSettingsSource

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.invoice import DEFAULT_SPACE, is_space
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.strict_json import read_json
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.runtime import server_addresses
from epay_transfers.runtime.setting_sources import ENV_FILE, Sources

#: The exit status of a process with wrong settings (`EX_CONFIG`): a supervisor need not try again.
EX_CONFIG = 78


#: A terminal's name: it stands in keys, metrics and commands.
_TERMINAL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")

#: What a complaint shows of a name that was given: a text of another form may be a secret in the wrong place.
_SHOWN = re.compile(r"[a-z][a-z0-9_-]{0,19}|[A-Z]{3}")


def _from_json(value: Any) -> Any:
    """Parse a setting that is given as JSON, with an error like that of any other setting."""
    return read_json(value) if isinstance(value, str) else value


#: Sixteen random hexadecimal digits have ten different ones, and hardly ever fewer than this.
_FEWEST_SIGNS = 6

_LONGEST_LINE = 256

#: The annotation of a setting that is given as JSON.
JSON = (NoDecode, BeforeValidator(_from_json))


#: What is said of a setting that is not given.
_MISSING = "is not set"

_NOT_READ = f'{ENV_FILE}: lies in the working directory, and a library call reads it only by env_file="{ENV_FILE}"'


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


def one_line(value: str) -> str:
    """What another party gave out is one line: it would refuse a blank at the end, as a wrong password."""
    if not 1 <= len(value) <= _LONGEST_LINE or not value.isprintable() or value != value.strip():
        raise ValueError(f"is not one line of 1 to {_LONGEST_LINE} characters without blanks around it")
    return value


def one_line_secret(value: Secret) -> Secret:
    one_line(value.reveal())
    return value


_BUILDING = threading.RLock()


def _build(settings: type[BaseSettings]) -> None:
    """Build what checks them, once: when a process makes its own, for each imports others that it never makes.

    Pydantic would do it by itself; but its older versions not where two threads make their first ones at once.
    """
    if not settings.__pydantic_complete__:
        with _BUILDING:
            settings.model_rebuild()


class _Settings(BaseSettings):
    """What all settings have in common. The constructor takes arguments alone; `load` reads the environment as well."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    _given_as: dict[str, str] = PrivateAttr(default_factory=dict)  # name → the name that it has where it was read

    @clear_frames_on_error
    def __init__(self, /, **given: Any) -> None:
        """Check what is given; None stands for "not set". Raises `SettingsWrong`: pydantic's error keeps the values."""
        _build(type(self))
        fields = type(self).model_fields
        lines = {
            f"{shown(name.lower()).upper()}: is no setting here; correct the name" for name in given.keys() - fields
        }
        try:
            super().__init__(**{name: its for name, its in given.items() if its is not None and name in fields})
        except ValidationError as error:
            details = error.errors(include_input=False, include_context=False, include_url=False)
            lines |= {_line(type(self), each) for each in details}
        if lines:
            raise SettingsWrong(sorted(lines))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments alone: `load` finds the others in `Sources`, which knows under which name each was given."""
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, value: Any, info: ValidationInfo) -> Any:
        text = value.reveal() if isinstance(value, Secret) else value
        if isinstance(text, str):
            may_have_lines = NoDecode in cls.model_fields[str(info.field_name)].metadata
            _check_text(text, may_have_lines=may_have_lines)
        return value

    @classmethod
    @clear_frames_on_error
    def load(cls, *, env_file: Path | str | None = None, **given: Any) -> Self:
        """From arguments, the environment, the `.env` that `env_file` names, and the secrets directory.

        What is given as an argument is not looked for elsewhere; None as an argument says that it is not set. Raises
        `SettingsWrong` with a line for everything that is missing or wrong.
        """
        sources = Sources(env_file=Path(env_file) if env_file else None)
        if sources.lines:  # what they give is not known: each setting of them would be called missing
            raise SettingsWrong(sorted(sources.lines))
        found = {name: its for name in cls.model_fields if name not in given and (its := sources.find(name.upper()))}
        values = {name: its.value for name, its in found.items() if its.value} | given
        lines = sources.lines | (set() if values.get("epay_environment") == "test" else set(sources.open_to_others()))
        given_as = {name.upper(): its.name for name, its in found.items()}
        try:
            settings = cls(**values)
        except SettingsWrong as error:
            lines |= {
                cls._with_close_name(_renamed(line, given_as), sources)
                for line in error.lines
                if _name_of(line) not in sources.unread
            }
            if env_file is None and any(_is_missing(line) for line in lines) and ENV_FILE.is_file():
                lines.add(_NOT_READ)
            elif env_file and env_file is not ENV_FILE and not Path(env_file).exists():  # our commands name that
                lines.add(f"{env_file}: was named as env_file, and is not there, seen from {Path.cwd()}")
        if lines:
            raise SettingsWrong(sorted(lines))
        settings._given_as = given_as
        return settings

    @classmethod
    def _with_close_name(cls, line: str, sources: Sources) -> str:
        """Where a setting is missing, and a name that nearly spells it is given: which one that is."""
        close = sources.close_to(_name_of(line), {name.upper() for name in cls.model_fields})
        if not _is_missing(line) or not close:
            return line
        name, _, rest = line.partition(f": {_MISSING}")
        return f"{name}: {_MISSING}; is {close} meant for it? {rest.removeprefix('; ')}".rstrip()

    def name_of(self, setting: str) -> str:
        """The name under which a setting was given: with the prefix, if it had one there. For sentences."""
        return self._given_as.get(setting, setting)


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
        if value is not None and (complaint := server_addresses.complaint_of(value)):
            raise ValueError(complaint)
        if value is not None and info.data.get("epay_environment") != "test":
            complaint = server_addresses.complaint_of_clear_text(value)
            if complaint:
                raise ValueError(f"{complaint}, or EPAY_ENVIRONMENT=test if this is test")
        return value

    @field_validator("vault_url")
    @classmethod
    def _vault_is_one(cls, value: Secret | None) -> Secret | None:
        if value is not None and server_addresses.names_sentinels(value):
            raise ValueError("names Sentinels, and a vault has no replica: give the address of its one server")
        return value

    @field_validator("broker_url")
    @classmethod
    def _broker_apart(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        ledger, place_of = info.data.get("redis_url"), server_addresses.place_of
        if value is not None and ledger is not None and place_of(value) == place_of(ledger):
            raise ValueError("names the ledger's database: the queue's maintenance runs KEYS there")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("is not a level")
        return value.upper()

    @field_validator("sentry_dsn")
    @classmethod
    def _reported_to(cls, value: Secret | None) -> Secret | None:
        if value is not None:
            from epay_transfers.runtime.sentry import check_dsn  # noqa: PLC0415 - 100 ms, for processes that report

            check_dsn(value)
        return value

    @field_validator("epay_terminals")
    @classmethod
    def _names(cls, value: dict[str, TerminalPlan]) -> dict[str, TerminalPlan]:
        if not all(is_terminal_name(name) for name in value):
            raise ValueError("has a name that is not 1 to 20 letters, digits, dashes and underscores, a letter first")
        return value

    @property
    def queue_url(self) -> str:
        """`BROKER_URL`, or the ledger's server with the database + 1."""
        if self.broker_url is not None:
            return self.broker_url.reveal()
        return server_addresses.next_database(self.redis_url)

    @property
    def queue_setting(self) -> str:
        """The name of the setting that `queue_url` is from."""
        return self.name_of("REDIS_URL" if self.broker_url is None else "BROKER_URL")

    def space_of(self, terminal: str) -> str | None:
        """The space of a terminal's invoice ids; None for an unknown terminal."""
        if terminal in self.epay_terminals:
            return self.epay_terminals[terminal].space
        return DEFAULT_SPACE if terminal == "main" else None


def is_terminal_name(text: str) -> bool:
    return _TERMINAL.fullmatch(text) is not None


def shown(name: object) -> str:
    """A name in a value, as a complaint may show it. An argument may have a number in a name's place."""
    return name if isinstance(name, str) and _SHOWN.fullmatch(name) else "(a name)"


def _check_text(text: str, *, may_have_lines: bool) -> None:
    """Raises `ValueError`. The environment may hold any bytes, which no server and no bank can be told."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    allowed = "\t\r\n" if may_have_lines else ""
    if any(not sign.isprintable() and sign not in allowed and sign.isascii() for sign in text):
        raise ValueError("has a line break or a control character in it")
    if not may_have_lines and text != text.strip():
        raise ValueError("begins or ends with a blank")


def _is_missing(line: str) -> bool:
    return line.partition(": ")[2].startswith(_MISSING)


def _name_of(line: str) -> str:
    return line.partition(":")[0]


def _renamed(line: str, names: Mapping[str, str]) -> str:
    """The line under the name by which the setting was given."""
    name, colon, rest = line.partition(":")
    return f"{names.get(name, name)}{colon}{rest}"


def _line(cls: type[BaseSettings], details: Any) -> str:
    name, *inner = details["loc"] or ("",)
    field = cls.model_fields.get(name)
    cure = field.description if field else None
    complaint = re.sub(r"^Input should", "should", str(details["msg"]).removeprefix("Value error, "))
    if details["type"] == "missing":
        complaint = _MISSING
    if details["type"] == "extra_forbidden":
        complaint, inner = "has a name that is not known here", inner[:-1]
    steps = [f"item {step}" if isinstance(step, int) else shown(step) for step in inner]
    where = f"{'.'.join(steps)}: " if steps else ""
    complaint = where + complaint[0].lower() + complaint[1:]
    return f"{name.upper()}: {complaint}; {cure}" if cure else f"{name.upper()}: {complaint}"
