"""The client's 3-D Secure answer, read from a form: one reader for all that take one. Pure.

In a form `+` is a blank and `%2B` a plus. But not every bank's page encodes what it posts, and a PaRes is full of
plusses and may be broken into lines. So a framework may hand over blanks where the bank wrote plusses: the bank would
decline such an answer, and the right one afterwards would be another answer.
"""

import re

PA_RES_BYTES = 64 * 1024

_WHOLE = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LINE_BREAK = re.compile(r" *[\r\n\t]+ *")
_SIGN_OF_A_BREAK = re.compile(r"[\r\n\t]")


def read_pa_res(text: str) -> str:
    """As the bank made it: without line breaks and blanks, with every plus. Raises `ValueError` without it."""
    if len(text) <= 2 * PA_RES_BYTES:
        readings = _readings(text)
        for may_be in (_is_padded, _is_base64):  # one that is padded is likelier than one that lacks its padding
            for reading in readings:
                if len(reading) <= PA_RES_BYTES and may_be(reading):
                    return reading
    raise ValueError("must be base64, at most 64 KiB; pass on what the bank's form posted, `+` as `+`")


def is_same_md(kept: str, brought: str) -> bool:
    """The MD of a challenge, as a browser brings it back: a page may add blanks around it, and make some of plusses."""
    return _comparable(kept) == _comparable(brought)


def _comparable(md: str) -> str:
    return md.strip().replace(" ", "+")


def _readings(text: str) -> list[str]:
    """What the bank may have made, the likelier first.

    No blank is a plus where the page has encoded a plus. Else 1600 characters of base64 without a single plus are less
    likely than a page that does not encode. Where every line break has blanks beside it, the lines are indented.
    """
    as_blanks = "".join(text.split())
    if "+" in text:
        return [as_blanks]
    breaks = _LINE_BREAK.findall(text)
    readings = [_SIGN_OF_A_BREAK.sub("", text).replace(" ", "+"), as_blanks]
    if breaks and all(" " in each for each in breaks):
        readings.insert(0, _LINE_BREAK.sub("", text).replace(" ", "+"))
    return readings


def _is_padded(text: str) -> bool:
    return len(text) % 4 == 0 and _is_base64(text)


def _is_base64(text: str) -> bool:
    """Also without its padding, which some pages leave out: the bank is given it as it came."""
    digits = text.rstrip("=")
    is_length = len(digits) % 4 != 1 and (digits == text or len(text) % 4 == 0)
    return is_length and _WHOLE.fullmatch(text) is not None
