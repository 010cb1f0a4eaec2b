"""Reading a JSON object strictly: each field once, of its type, and no unknown field.

Errors are a `FieldError` that names the field by its path and never shows its value.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

#: Codes of the bank's catalogue (contract, section 7) for a request that is wrong.
BAD_REQUEST = 477
BAD_AMOUNT = 470


class FieldError(ValueError):
    """A request that the bank refuses, with the field at fault."""

    def __init__(self, field: str, why: str, code: int = BAD_REQUEST) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
        self.code = code


class Fields:
    """One JSON object. Each reader removes its field, so `done` finds the fields that no reader wanted."""

    def __init__(self, data: object, path: str = "") -> None:
        if isinstance(data, FieldError):
            raise data
        if not isinstance(data, dict):
            raise FieldError(path or "body", "must be a JSON object")
        self._left: dict[str, Any] = dict(data)
        self._path = path

    def text(self, name: str, *, optional: bool = False) -> str:
        if optional and name not in self._left:
            return ""
        value = self._take(name)
        if not isinstance(value, str):
            self.refuse(name, "must be a string")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.refuse(name, "holds half of a letter, which is no text")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value

    def number(self, name: str) -> Decimal:
        value = self._take(name)
        if not isinstance(value, Decimal):
            self.refuse(name, "must be a JSON number", BAD_AMOUNT)
        return value

    def part(self, name: str, *, optional: bool = False) -> "Fields":
        if optional and name not in self._left:
            return Fields({}, self._name(name))
        return Fields(self._take(name), self._name(name))

    def refuse(self, name: str, why: str, code: int = BAD_REQUEST) -> NoReturn:
        raise FieldError(self._name(name), why, code)

    def done(self) -> None:
        if self._left:
            self.refuse(min(self._left), "no such field")

    def _take(self, name: str) -> Any:
        if name not in self._left:
            self.refuse(name, "is missing")
        return self._left.pop(name)

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def parse(body: bytes) -> object:
    """A JSON body; its numbers are `Decimal`. Raises `FieldError`."""
    try:
        return json.loads(
            body.decode(),
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_once_each,
        )
    except FieldError:
        raise
    except (ValueError, ArithmeticError, RecursionError):
        raise FieldError("body", "must be valid JSON in UTF-8") from None


def _refuse_constant(_word: str) -> NoReturn:
    raise FieldError("body", "must be valid JSON: NaN and Infinity are not")


def _once_each(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise FieldError(name, "stands there twice")
        found[name] = value
    return found
