"""The look of the pages: the merchant's name, logo and colour, and templates of its own."""

import base64
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epay_transfers.extras import needed
from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.log_lines import log_line

with needed("web", "epay_transfers.producers.web"):
    from jinja2 import (
        BaseLoader,
        ChoiceLoader,
        Environment,
        FileSystemLoader,
        PackageLoader,
        PrefixLoader,
        StrictUndefined,
        TemplateError,
        TemplateSyntaxError,
    )

_LOG = logging.getLogger(__name__)

#: The pages' templates, each of which a merchant may replace.
TEMPLATES = ("base.html", "page.html", "challenge.html")

#: How a merchant's template names ours: `{% extends "transfers/base.html" %}`.
_OURS = "transfers"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST_NAME = 60

#: A logo is a part of each page, so it is small. By the end of the file's name: the kind of picture.
_LOGO_BYTES = 64 * 1024
_KINDS = {".svg": "svg+xml", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}

#: What WCAG asks for between a text and what is behind it, and the brightness of white.
_CONTRAST, _WHITE = 4.5, 1.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a client sees on each page. Raises `WrongCall`, at once, for what can't be shown.

    No page loads anything from another address: a logo is a part of the page.
    """

    name: str = ""  #: the merchant's, as its clients know it
    logo: str | Path | None = None  #: a file: SVG, PNG, JPEG or WebP, at most 64 KiB
    colour: str = ""  #: of buttons, `#rrggbb`: dark enough for white words on it
    templates: str | Path | None = None  #: a folder: what is there of `TEMPLATES` is taken in place of ours
    logo_data: str = field(init=False, repr=False, default="")  #: the logo as a `data:` address

    def __post_init__(self) -> None:
        if len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise WrongCall(f"name: must be one line of at most {_LONGEST_NAME} characters")
        if self.colour:
            _check_colour(self.colour)
        object.__setattr__(self, "logo_data", _data_of(Path(self.logo)) if self.logo else "")
        object.__setattr__(self, "_environment", _environment(Path(self.templates)) if self.templates else _PLAIN)

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The page. One that a merchant's template can't make is ours: a client has to see how its payment stands."""
        values = {**values, "look": self}
        environment: Environment = self._environment  # type: ignore[attr-defined]  # set above; it is no field
        try:
            return environment.get_template(template).render(values)
        except Exception as error:
            if environment is _PLAIN:
                raise
            log_line(
                _LOG.error,
                "web.template_broke",
                "The template %(template)s of the folder `templates` broke (%(why)s), and our own was shown",
                template=template,
                why=type(error).__name__,
            )
            return _PLAIN.get_template(template).render(values)


def _environment(folder: Path | None = None) -> Environment:
    ours = PackageLoader("epay_transfers.producers.web", "pages")
    loaders: list[BaseLoader] = [FileSystemLoader(folder)] if folder else []
    environment = Environment(
        loader=ChoiceLoader([*loaders, PrefixLoader({_OURS: ours}), ours]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    if folder is None:
        return environment
    if not folder.is_dir():
        raise WrongCall("templates: must be a folder")
    if not any((folder / name).is_file() for name in TEMPLATES):
        raise WrongCall(f"templates: the folder has none of {', '.join(TEMPLATES)}")
    for name in TEMPLATES:
        try:
            environment.get_template(name)
        except TemplateSyntaxError as error:
            raise WrongCall(f"templates: {name}, line {error.lineno}: {error.message}") from None
        except (TemplateError, UnicodeError, OSError) as error:
            raise WrongCall(f"templates: {name} can't be read ({type(error).__name__})") from None
    return environment


_PLAIN = _environment()


def _data_of(logo: Path) -> str:
    kind = _KINDS.get(logo.suffix.lower())
    if kind is None:
        raise WrongCall(f"logo: must be a file whose name ends with {', '.join(_KINDS)}")
    try:
        with logo.open("rb") as file:
            content = file.read(_LOGO_BYTES + 1)
    except OSError as error:
        raise WrongCall(f"logo: the file can't be read ({error.strerror})") from None
    if not 0 < len(content) <= _LOGO_BYTES:
        raise WrongCall(f"logo: the file must have 1 to {_LOGO_BYTES} bytes, for it is a part of each page")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _check_colour(colour: str) -> None:
    if not _COLOUR.fullmatch(colour):
        raise WrongCall("colour: must be like #08703f")
    contrast = (_WHITE + 0.05) / (_brightness(colour) + 0.05)
    if contrast < _CONTRAST:
        raise WrongCall(
            f"colour: white words on {colour} are hard to read (their contrast is {contrast:.1f}, and must be "
            f"{_CONTRAST} or more): take a darker one"
        )


def _brightness(colour: str) -> float:
    """As WCAG has it, from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


#: Ours.
PLAIN_LOOK = Look()
