"""How a text reads: digits of every script as 0 to 9, without what is invisible, and once more with escapes undone.

Each character of a reading knows its place in the text, so that what is found can be replaced there. NFKC changes
lengths; it is done for each character by itself. Pure.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

#: A character, and from where to where it stands in the text.
_Piece = tuple[str, int, int]

#: From where to where in the text, and the stars that stand there.
Stars = tuple[int, int, str]

#: Characters that are read as they are. Most texts have no others.
_PLAIN = re.compile(r"[ -~\s]*", re.ASCII)

#: Drawn as nothing: format characters (zero-width ones, soft hyphens), marks on the character before, controls.
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Cc"})
_HANGUL_FILLERS = frozenset({"\u115f", "\u1160"})

#: One escaped character: of an address, twice-escaped ones too (`%20`, `%2520`), of Python's and JSON's texts (`\xa0`,
#: `\u200b`), of HTML (`&nbsp;`).
_ESCAPED = re.compile(
    r"""
      (?P<byte> %(?:25){0,2}[C-Fc-f][0-9A-Fa-f] (?:%(?:25){0,2}[89ABab][0-9A-Fa-f]){1,3}
              | \\{1,4}x[c-f][0-9a-f] (?:\\{1,4}x[89ab][0-9a-f]){1,3}
              | (?:%(?:25){0,2}|\\{1,4}x)[0-9A-Fa-f]{2} )
    | \\{1,4}(?:u(?P<short>[0-9A-Fa-f]{4})|U(?P<long>[0-9A-Fa-f]{8}))
    | (?P<blank> \\{1,4}[tnr])
    | (?P<entity> &(?:[A-Za-z]{2,31}|\#[0-9]{1,7}|\#[Xx][0-9A-Fa-f]{1,6});)
    """,
    re.VERBOSE,
)
_BYTE = re.compile(r"[%x](?:25)*?([0-9A-Fa-f]{2})(?![0-9A-Fa-f])")


class Reading:
    """What a text reads, and where in the text each character of that stands."""

    def __init__(self, pieces: Sequence[_Piece] | str) -> None:
        """`pieces`: a text as it stands, or characters with their places in it."""
        self._pieces = pieces
        if isinstance(pieces, str):
            self.chars = pieces if _is_plain(pieces) else "".join(map(_plain, pieces))
        else:
            self.chars = "".join(_plain(char) for char, _, _ in pieces)

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        pieces = _as_they_stand(self._pieces, 0) if isinstance(self._pieces, str) else self._pieces
        return [(start, end) for char, start, end in pieces for _ in _plain(char)]

    def stars(self, start: int, end: int) -> list[Stars]:
        """What replaces these characters in the text: a star for each."""
        if self.chars is self._pieces:
            return [(start, end, "*" * (end - start))]
        return [(*place, "*") for place in self._places[start:end]]


def readings(text: str) -> Iterator[Reading]:
    """The text as it stands, and, if there are escapes in it, with these undone."""
    yield Reading(text)
    if _may_be_escaped(text) and _ESCAPED.search(text):
        yield Reading(list(_unescaped(text)))


def reads_as_it_stands(text: str) -> bool:
    """Is the text its own one reading, as it is? Most are, and are searched at a third of the cost."""
    return _is_plain(text) and not _may_be_escaped(text)


def _may_be_escaped(text: str) -> bool:
    return "%" in text or "\\" in text or "&" in text


def _is_plain(text: str) -> bool:
    return text.isascii() and (text.isprintable() or _PLAIN.fullmatch(text) is not None)


def _as_they_stand(text: str, start: int) -> Iterator[_Piece]:
    return ((char, at, at + 1) for at, char in enumerate(text, start))


def _unescaped(text: str) -> Iterator[_Piece]:
    at = 0
    for found in _ESCAPED.finditer(text):
        yield from _as_they_stand(text[at : found.start()], at)
        yield from ((char, *found.span()) for char in _meant(found))
        at = found.end()
    yield from _as_they_stand(text[at:], at)


def _meant(escaped: re.Match[str]) -> str:
    if escaped["entity"]:
        return html.unescape(escaped["entity"])
    if escaped["blank"]:
        return " "
    if escaped["byte"]:
        return bytes.fromhex("".join(_BYTE.findall(escaped["byte"]))).decode(errors="replace")
    code = int(escaped["short"] or escaped["long"], 16)
    return chr(code) if code <= 0x10FFFF else ""


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    return "".join(map(_plain_part, unicodedata.normalize("NFKC", char)))


def _plain_part(char: str) -> str:
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    if char.isspace():
        return " "
    category = unicodedata.category(char)
    if category in _INVISIBLE or char in _HANGUL_FILLERS:
        return ""
    return "-" if category == "Pd" else char
