"""People: each that may open the console, with a role, and the server user under which a request of theirs is written.

The file is TOML, a table for each person, by the name that the proof gives:

    [people."aigul@example.kz"]
    role = "operator"
    redis_url_file = "ops-aigul"  # rediss://ops-aigul:...@ledger:6379/0; seen from the folder of this file

The ledger itself refuses what a server user may not do. A person without one looks, whatever the role says. The file is
read when the console starts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.short_texts import short_text
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Misconfigured
from epay_transfers.runtime import secret_files, server_addresses


class Role(IntEnum):
    """Each may do what those before it may."""

    VIEWER = 1  #: looks
    OPERATOR = 2  #: asks the bank, requeues, discards, cancels, pauses, ends a pause, makes plans
    APPROVER = 3  #: decides how a transfer ended, and applies plans

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Person:
    """`context`: the person's own server user; None where the console has none, and the person looks only."""

    name: str
    role: Role
    context: Context | None = None

    def may(self, role: Role) -> bool:
        return role is Role.VIEWER or (self.context is not None and self.role >= role)

    @property
    def operator(self) -> str:
        """The name that the ledger's events have; empty for one that only looks."""
        return "" if self.context is None else self.context.operator


#: Where nothing proves a person.
ANYONE = Person("", Role.VIEWER)


def _role(value: object) -> Role:
    names = {role.word: role for role in Role}
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"give one of {', '.join(names)}")
    return names[value]


def _name(value: str) -> str:
    """It stands in the events of what the person asks for."""
    if not value or value != value.strip() or short_text(value) != value:
        raise ValueError("a name has no blanks around it")
    return value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Annotated[Role, BeforeValidator(_role)]
    redis_url_file: Path | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    people: dict[Annotated[str, AfterValidator(_name)], _Entry]


@dataclass(frozen=True, slots=True)
class People:
    by_name: Mapping[str, Person]

    @classmethod
    def of(cls, settings: ConsoleSettings) -> Self:
        """Raises `Misconfigured`."""
        if settings.console_people is None:
            return cls({})
        path = settings.console_people
        try:
            file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise Misconfigured(f"CONSOLE_PEOPLE: {path} can't be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeError):
            raise Misconfigured(f"CONSOLE_PEOPLE: {path} is no TOML file") from None
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)[0]
            place = star_card_numbers(".".join(map(str, found["loc"])))
            raise Misconfigured(f"CONSOLE_PEOPLE: {path}: {place}: {found['msg']}") from None
        people = {
            name: Person(name, entry.role, _context(settings, path, name, entry)) for name, entry in file.people.items()
        }
        users = [person.operator for person in people.values() if person.context is not None]
        if len(users) != len(set(users)):
            raise Misconfigured("CONSOLE_PEOPLE: two people have one server user; give each their own")
        return cls(people)


def _context(settings: ConsoleSettings, people: Path, name: str, entry: _Entry) -> Context | None:
    """With the person's own address of the ledger, and none of the vault: that is the console's to ask."""
    if entry.redis_url_file is None:
        return None
    file = people.parent / entry.redis_url_file
    try:
        url = Secret(secret_files.read(file).strip())
    except ValueError as error:
        raise Misconfigured(f"CONSOLE_PEOPLE: {name}: {file} {error}") from None
    if complaint := _complaint_of(settings, url, file):
        raise Misconfigured(f"CONSOLE_PEOPLE: {name}: the address in {file} {complaint}")
    own = settings.model_copy(update={"redis_url": url, "operator": name, "vault_url": None})
    return Context(own, SystemClock(), connect(url.reveal(), "CONSOLE_PEOPLE"))


def _complaint_of(settings: ConsoleSettings, url: Secret, file: Path) -> str:
    """What the settings would say of it; and of a user that is no person's. Empty where all is well."""
    is_test = settings.epay_environment == "test"
    if complaint := server_addresses.complaint_of(url):
        return complaint
    if server_addresses.place_of(url) != server_addresses.place_of(settings.redis_url):
        return "is of another ledger than REDIS_URL"
    if (complaint := server_addresses.complaint_of_clear_text(url)) and not is_test:
        return complaint
    if secret_files.open_to_others(file) and not is_test:
        return "is one that every user of this machine may read: chmod 400"
    has_users = any(urlsplit(each.reveal()).username for each in (url, settings.redis_url))
    if has_users and not server_addresses.operator_of(url):
        return "is of no operator's user (ops-NAME)"
    return ""
