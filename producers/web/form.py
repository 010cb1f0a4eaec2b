"""What a client's browser, or the bank, posts as a form: the fields that we read, each once, and no others. Pure.

The pages of the banks post more than we read, in any encoding: a submit button with a Cyrillic name, a field twice,
raw bytes. What is not read is not decoded either, so none of it matters.
"""

from collections.abc import Collection, Mapping
from urllib.parse import unquote_to_bytes

TYPE = "application/x-www-form-urlencoded"


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == TYPE


def read(body: bytes, names: Collection[str], *, any_case: Collection[str] = ()) -> Mapping[str, str]:
    """The fields of these names; one that comes twice is none. `any_case`: in other letters too, where it is missing.

    A `+` in a value comes out as a blank, as in any form.
    """
    pairs = [(_unquoted(name), value) for name, _, value in (pair.partition(b"=") for pair in body.split(b"&"))]
    found = {}
    for wanted in names:
        name = wanted.encode()
        values = [value for given, value in pairs if given == name]
        if not values and wanted in any_case:
            values = [value for given, value in pairs if given.lower() == name.lower()]
        if len(values) == 1:
            found[wanted] = decoded(_unquoted(values[0]))
    return found


def decoded(raw: bytes) -> str:
    """UTF-8, else windows-1251, which the banks' pages here are written in."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1251", errors="replace")


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.strip().replace(b"+", b" "))
