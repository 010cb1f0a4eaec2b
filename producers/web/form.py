"""What a client's browser brings back from the bank's page: a form, urlencoded, few fields, each once. Pure.

In such a form `+` is a blank and `%2B` a plus. But not every bank's page encodes what it posts, and a PaRes is full of
plusses and may be broken into lines: so it is read with care.
"""

import re
from urllib.parse import unquote_plus

TYPE = "application/x-www-form-urlencoded"

_MOST_FIELDS = 20
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == TYPE


def parse(body: bytes) -> dict[str, str] | None:
    """The fields, by name; None for what is no such form, or holds a name twice."""
    try:
        text = body.decode("ascii")
        pairs = [pair.partition("=") for pair in text.split("&") if pair]
        if len(pairs) > _MOST_FIELDS:
            return None
        named = [(unquote_plus(name, errors="strict"), raw) for name, _, raw in pairs]
        fields = {name: pa_res(raw) if name == "PaRes" else unquote_plus(raw, errors="strict") for name, raw in named}
    except UnicodeDecodeError:
        return None
    return fields if len(fields) == len(named) else None


def pa_res(raw: str) -> str:
    """As the bank made it: without the line breaks and blanks that a form put in, and with every plus.

    A raw `+` is a blank where plusses are encoded elsewhere in it. Where none is, 1600 characters of base64 without a
    single plus are less likely than a page that does not encode: then it is a plus, if that makes base64 of it.
    """
    value = unquote_plus(raw, errors="strict")
    as_blanks = "".join(value.split())
    if "+" not in raw or "%2b" in raw.lower():
        return as_blanks
    as_plusses = re.sub(r"[\r\n\t]", "", value).replace(" ", "+")
    return as_plusses if _is_base64(as_plusses) else as_blanks


def _is_base64(text: str) -> bool:
    return len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None
