"""JSON that a person or a program of theirs wrote: a name that is given twice in one object is refused.

A parser takes the last of the two, and a person who looks at the text may believe the first.
"""

import json
import re
from typing import Any, NoReturn

_SHOWN = re.compile(r"[A-Za-z_]{1,40}")


class _NameTwice(ValueError):
    """The sentence of a refusal; the name is in it if it is a plain one."""


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises `ValueError`, with a sentence without a piece of the text."""
    try:
        return json.loads(text, object_pairs_hook=_no_name_twice, parse_constant=_refuse)
    except _NameTwice:
        raise
    except (ValueError, RecursionError):  # too many digits, levels or bytes are no `JSONDecodeError`
        raise ValueError("is not JSON") from None


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _NameTwice(f"gives {name if _SHOWN.fullmatch(name) else 'a name'} twice in one object")
        found[name] = value
    return found


def _refuse(_word: str) -> NoReturn:
    """NaN and Infinity, which Python would take."""
    raise ValueError
