"""The dict `TRANSFERS` of Django's settings: what may stand in it, and what it means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.utils.module_loading import import_string

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.producers.outcomes import Outcome
from epay_transfers.producers.settings import ProducerAndWebSettings, ProducerSettings
from epay_transfers.producers.web.look import Look

Handler = Callable[[Outcome], None]

#: The name of the dict in Django's settings.
NAME = "TRANSFERS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Its names are those of the dict, in small letters."""

    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: by name, before those of the environment
    env_file: str | Path | None = None  #: a `.env` to read, too
    has_web: bool = True  #: this process has the web tier's routes
    home: str = "/"  #: as for `Web`
    acs_hosts: tuple[str, ...] = ()  #: as for `Web`
    look_of: Mapping[str, Any] = field(default_factory=dict)  #: as for `Look`
    outcomes_handler: str = ""  #: the dotted path of a function that takes an `Outcome`
    outcomes_group: str = "django"

    @classmethod
    def read(cls) -> Self:
        """From Django's settings. Raises `WrongCall`."""
        given = getattr(settings, NAME, {})
        if not isinstance(given, Mapping):
            raise WrongCall(f"{NAME}: must be a dict")
        unknown = sorted(str(name) for name in given if name not in _NAMES)
        if unknown:
            raise WrongCall(f"{NAME}: {unknown[0]!r} is none of {', '.join(_NAMES)}")
        for name, value in given.items():
            if not isinstance(value, _KINDS[name]):
                raise WrongCall(f"{NAME}[{name!r}]: must be {_SAID[name]}")
        values = {_NAMES[name]: value for name, value in given.items()}
        if "acs_hosts" in values:
            values["acs_hosts"] = tuple(values["acs_hosts"])
        return cls(**values)

    def load(self) -> ProducerSettings:
        """Raises `SettingsWrong`."""
        return ProducerSettings.load(env_file=self.env_file, **self._given())

    def load_with_web(self) -> ProducerAndWebSettings:
        """Raises `SettingsWrong`."""
        return ProducerAndWebSettings.load(env_file=self.env_file, **self._given())

    def look(self) -> Look:
        """Raises `WrongCall`."""
        try:
            return Look(**self.look_of)
        except TypeError as error:
            if isinstance(error, WrongCall):
                raise WrongCall(f"{NAME}['LOOK']: {error}") from None
            raise WrongCall(f"{NAME}['LOOK']: takes name, logo, colour and templates") from None

    def handler(self) -> Handler:
        """Raises `WrongCall`."""
        if not self.outcomes_handler:
            raise WrongCall(f"{NAME}: name the function that takes an outcome in 'OUTCOMES_HANDLER'")
        try:
            handler = import_string(self.outcomes_handler)
        except ImportError as error:
            raise WrongCall(f"{NAME}['OUTCOMES_HANDLER']: {error}") from None
        if not callable(handler):
            raise WrongCall(f"{NAME}['OUTCOMES_HANDLER']: {self.outcomes_handler} is no function")
        found: Handler = handler
        return found

    def _given(self) -> dict[str, Any]:
        return {name.lower(): value for name, value in self.settings.items()}


#: What stands in the dict → the field, the type, and how that is said.
_ROWS: tuple[tuple[str, str, type | tuple[type, ...], str], ...] = (
    ("SETTINGS", "settings", Mapping, "a dict of settings, like {'REDIS_URL': ...}"),
    ("ENV_FILE", "env_file", (str, Path), "the path of a .env"),
    ("WEB", "has_web", bool, "True or False"),
    ("HOME", "home", str, "an address or a path"),
    ("ACS_HOSTS", "acs_hosts", (list, tuple), "a list of host names"),
    ("LOOK", "look_of", Mapping, "a dict with name, logo, colour, templates"),
    ("OUTCOMES_HANDLER", "outcomes_handler", str, "the dotted path of a function"),
    ("OUTCOMES_GROUP", "outcomes_group", str, "a name"),
)
_NAMES = {name: attribute for name, attribute, _, _ in _ROWS}
_KINDS = {name: kind for name, _, kind, _ in _ROWS}
_SAID = {name: said for name, _, _, said in _ROWS}
