"""What a person typed into a form or an address: a wrong value is a sentence with the field's name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from epay_transfers.ops.exit_status import Refusal

_LARGEST_PAGE = 1_000_000


@contextmanager
def as_refusals() -> Iterator[None]:
    """What a command refuses as wrong usage is a refusal here."""
    try:
        yield
    except typer.BadParameter as error:
        raise Refusal(error.message) from None


def whole_number(name: str, text: str, *, least: int, most: int) -> int:
    """Raises `Refusal`."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise Refusal(f"{name}: give a number from {least} to {most}")
    return int(text)


def page_of(given: Mapping[str, str]) -> int:
    """The page's number, from 1 on. Raises `Refusal`."""
    return whole_number("page", given.get("page", "") or "1", least=1, most=_LARGEST_PAGE)
