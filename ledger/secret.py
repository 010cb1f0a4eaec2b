"""`Secret`: a string that is never printed, logged or pickled.

Card numbers, CVCs, PaRes, tokens and keys travel in a `Secret`: it prints as stars, refuses to be pickled or copied,
and compares in constant time. Code that needs the value calls `reveal()`, which is easy to search for.
"""

import hmac
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

MASK = "***"


class Secret:
    """A string that masks itself in `repr`, `str`, `format`, JSON and pydantic's errors.

    >>> Secret("4405639704015096")
    Secret(***)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK if self._value else ''})"

    def __str__(self) -> str:
        return MASK if self._value else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (secret.reveal().encode(errors="surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        raise TypeError("a secret is not hashed: a card number's hash is reversed in a tenth of a second")

    def __reduce__(self, _memo: object = None) -> NoReturn:
        raise TypeError("a secret is not pickled and not copied: pass the object itself")

    __copy__ = __deepcopy__ = __getstate__ = __reduce__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def take(value: Any) -> "Secret":
            if isinstance(value, cls):
                return value
            if isinstance(value, str):
                return cls(value)
            raise ValueError("must be a string")

        return core_schema.no_info_plain_validator_function(
            take,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always"),
        )
