"""The search for card numbers where none may be: what it found, what it looked at, and what it could not read.

The detector is `ledger.card_numbers`, in its strict reading. A number leaves this module only in its masked form. A
text of any length is read in windows that overlap, so that memory is bounded and no number is cut in two.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol

from epay_transfers.ledger.card_numbers import (
    CardNumber,
    find_card_numbers,
    holds_card_number,
    passes_luhn,
    star_card_numbers,
)

_WINDOW = 1 << 16

#: What is seen before and behind each place: more than a number in its longest dress, or a hash, takes.
_MARGIN = 1 << 10

#: A text of so many bytes is one window.
SHORT = _MARGIN

#: A shorter text holds no card number.
_SHORTEST = 13

#: So many finds are listed, and the others counted; so many kinds of what was not read are told apart.
LISTED = 1_000
_KINDS = 200
_LONGEST_NAME = 200

#: In a dump of Redis other digits may hang on to a number: a byte of a length that looks like one, the end of a key. So
#: each piece of a run of digits is looked at, and groups of four without what hangs on to them. The detector reads over
#: a control character, so none stands in that text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RUN = re.compile(r"[0-9]{14,}")
_LENGTHS = range(13, 20)
_BEFORE_FOUR = re.compile(r"[0-9]+(?=[0-9]{4}[ ._-][0-9]{4})")
_BEHIND_FOUR = re.compile(r"(?<=[0-9]{4}[ ._-][0-9]{4})[0-9]+")

#: In a dump, a number of more than 32 bits in a small hash, list or stream: a listpack's sign, eight bytes, its length.
_LISTPACK_NUMBER = re.compile(rb"(?=\xf4(.{8})\x09)", re.DOTALL)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Find:
    """Where a card number stands. `offset` is a byte of a file, or of what a packed file holds."""

    where: str
    place: str
    offset: int | None
    card: str
    """First six and last four digits."""


@dataclass
class Report:
    finds: dict[Find, None] = field(default_factory=dict)  # each once: a server's SCAN may tell a key twice
    more: int = 0  #: finds beyond those that are listed
    looked: Counter[str] = field(default_factory=Counter)
    """How many keys of a database, files, bytes."""
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many, by what was not read and why."""

    def found(self, where: str, place: str, card: str, offset: int | None = None) -> None:
        find = Find(where, place, offset, card)
        if len(self.finds) < LISTED:
            self.finds[find] = None
        elif find not in self.finds:
            self.more += 1

    def could_not_read(self, what: str, why: str) -> None:
        known = (what, why) in self.unread or len(self.unread) < _KINDS
        self.unread[what if known else "others", why] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "finds": [{"where": f.where, "place": f.place, "offset": f.offset, "card": f.card} for f in self.finds],
            "more_finds": self.more,
            "looked_at": dict(self.looked),
            "not_read": [{"what": what, "why": why, "count": n} for (what, why), n in sorted(self.unread.items())],
        }


def search(source: bytes | Readable, *, is_dump: bool = False) -> Iterator[tuple[int, str]]:
    """The byte at which each card number begins, and its masked form."""
    if isinstance(source, bytes) and len(source) <= SHORT:  # as most of what a server holds is
        if len(source) >= _SHORTEST:
            yield from _numbers(source, is_dump=is_dump)
        return
    stream: Readable = BytesIO(source) if isinstance(source, bytes) else source
    data, offset, done = b"", 0, 0
    while True:
        piece = stream.read(_WINDOW)
        data += piece
        until = offset + len(data) - (_MARGIN if piece else 0)
        if len(data) >= _SHORTEST:
            for at, card in _numbers(data, is_dump=is_dump):
                if done <= offset + at < until:
                    yield offset + at, card
        if not piece:
            return
        done = max(done, until)
        behind = max(0, done - _MARGIN - offset)
        data, offset = data[behind:], offset + behind


def shown(name: bytes | str) -> str:
    """A name for a person: printable, and without a card number."""
    text = name if isinstance(name, str) else name.decode(errors="surrogateescape")
    starred = star_card_numbers(text)[:_LONGEST_NAME]
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in starred)


def _numbers(data: bytes, *, is_dump: bool) -> list[tuple[int, str]]:
    """Of numbers that overlap one is told: two masks of the same digits would show too many of them."""
    text = data.decode(errors="surrogateescape")
    taken: list[CardNumber] = []
    for number in (*find_card_numbers(text), *(_in_dump(data, text) if is_dump else ())):
        if all(number.end <= other.start or other.end <= number.start for other in taken):
            taken.append(number)
    if text.isascii():
        return sorted((number.start, _masked(number.digits)) for number in taken)
    return sorted((_bytes_before(text, number.start), _masked(number.digits)) for number in taken)


def _in_dump(data: bytes, text: str) -> Iterator[CardNumber]:
    parted = _CONTROL.sub("x", text)
    yield from find_card_numbers(parted)
    yield from find_card_numbers(_BEHIND_FOUR.sub(_blotted, _BEFORE_FOUR.sub(_blotted, parted)))
    for run in _RUN.finditer(parted):
        yield from _in_run(text, *run.span())
    for packed in _LISTPACK_NUMBER.finditer(data):
        digits = str(int.from_bytes(packed[1], "little", signed=True))
        if len(digits) in _LENGTHS and holds_card_number(digits):
            start = len(data[: packed.start()].decode(errors="surrogateescape"))
            yield CardNumber(start, start + 1, digits)


def _in_run(text: str, start: int, end: int) -> list[CardNumber]:
    """At any place of a run of digits; first those that end with it, then those that begin with it."""
    pieces = [(first, first + length) for first in range(start, end) for length in _LENGTHS if first + length <= end]
    numbers = [
        CardNumber(first, last, text[first:last])
        for first, last in pieces
        if passes_luhn(text[first:last]) and holds_card_number(text[first:last])
    ]
    return sorted(numbers, key=lambda number: (number.end < end, number.start > start))


def _blotted(digits: re.Match[str]) -> str:
    return "x" * len(digits[0])


def _bytes_before(text: str, place: int) -> int:
    return len(text[:place].encode(errors="surrogateescape"))


def _masked(digits: str) -> str:
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"
