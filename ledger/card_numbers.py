"""Card numbers in a text: finding them, and replacing their digits with stars. Pure; only this module knows Luhn.

A card number is a network's prefix, one of that network's lengths, and a right check digit, in whatever characters and
groups it is written. `holds_card_number` checks a text that a caller gives us to keep: it finds a number as people and
programs write one, and refuses few honest references. `star_card_numbers` works on a text that leaves (a log, a report,
the bank's message): whatever the first finds it stars, and more besides.
"""

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from epay_transfers.ledger.readings import Reading, Stars, readings, reads_as_it_stands

#: First and last prefix of four digits, and the lengths that are issued under them: of the world's networks, and of the
#: neighbours'. Maestro's 12 digits are left out: a Kazakh's personal number has 12, and begins with the year of birth.
_NETWORKS = (
    ("4000", "4999", (13, 16, 19)),  # Visa
    ("5100", "5599", (16,)),  # Mastercard
    ("2221", "2720", (16,)),  # Mastercard
    ("3400", "3499", (15,)),  # American Express
    ("3700", "3799", (15,)),  # American Express
    ("6200", "6299", (16, 17, 18, 19)),  # UnionPay
    ("8100", "8171", (16, 17, 18, 19)),  # UnionPay
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("5000", "5099", (13, 14, 15, 16, 17, 18, 19)),  # Maestro; Korti Milli
    ("5600", "5899", (13, 14, 15, 16, 17, 18, 19)),  # Maestro; UzCard
    ("6300", "6399", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("6700", "6799", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("3000", "3059", (14, 16, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 19)),  # Diners Club
    ("3600", "3699", (14, 16, 19)),  # Diners Club
    ("3800", "3999", (14, 16, 19)),  # Diners Club
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("1800", "1800", (15,)),  # JCB
    ("2131", "2131", (15,)),  # JCB
    ("6011", "6011", (16, 19)),  # Discover
    ("6440", "6599", (16, 19)),  # Discover; RuPay, Troy
    ("6000", "6099", (16,)),  # RuPay
    ("8200", "8299", (16,)),  # RuPay
    ("8600", "8600", (16,)),  # UzCard
    ("9860", "9860", (16,)),  # Humo
    ("9417", "9417", (16,)),  # Elkart
    ("9112", "9112", (16,)),  # Belkart
    ("9051", "9051", (16,)),  # ArCa
    ("9792", "9792", (16,)),  # Troy
)

#: What is starred besides: networks come, and an intent takes a card of any prefix. Times mostly begin with 1 or 2.
_UNKNOWN_NETWORKS = (("3000", "6999", (16,)), ("8000", "9999", (16,)))


def _with(
    found: Mapping[str, tuple[int, ...]], networks: Sequence[tuple[str, str, tuple[int, ...]]]
) -> dict[str, tuple[int, ...]]:
    """The lengths of each prefix of four digits: those that were found already, and those of these networks."""
    result = dict(found)
    for first, last, lengths in networks:
        for prefix in map("{:04}".format, range(int(first), int(last) + 1)):
            known = result.get(prefix, ())
            result[prefix] = lengths if known in ((), lengths) else tuple(sorted({*known, *lengths}))
    return result


@cache
def _issued() -> Mapping[str, tuple[int, ...]]:
    """Made with the first text that has so many digits: it is as long as a hundred texts without them."""
    return _with({}, _NETWORKS)


@cache
def _starred() -> Mapping[str, tuple[int, ...]]:
    return _with(_issued(), _UNKNOWN_NETWORKS)


_SHORTEST, _LONGEST = 13, 19

#: Each second digit from the right counts twice; of two digits, their sum.
_DOUBLED = str.maketrans("0123456789", "0246813579")

#: Groups of digits that could be one number: one to four characters part two of them, neither letters nor digits.
#: A text without 13 digits that hang together so costs this search and no more. It never steps back (`+`).
_ROW = re.compile(rf"[0-9](?:[\W_]{{0,4}}+[0-9]){{{_SHORTEST - 1},}}+")
_GROUP = re.compile(r"[0-9]+")

#: In a text that leaves, groups of any sizes are read as one number where no more than this parts them.
_NARROW = re.compile(r"[\s._-]{1,3}")

#: A longer group is starred without a search: no log needs it.
_TOO_LONG = 100

#: Whole words that are no card number although one may stand in them. `_is_identifier` looks at what they hold.
_IDENTIFIER = re.compile(
    r"""(?<![^\W_])(?:
        (?P<uuid> [0-9A-Fa-f]{8} (?:-[0-9A-Fa-f]{4}){3} -[0-9A-Fa-f]{12})
      | (?P<iban> [Kk][Zz][0-9]{2} (?:[ ]?[0-9A-Za-z]{4}){4})
      | (?P<hex> [0-9A-Fa-f]{15,128})
    )(?![^\W_])""",
    re.VERBOSE,
)
_HASH_LENGTHS = frozenset({32, 40, 48, 56, 64, 96, 128})
_OBJECT_ID_LENGTH = 24

#: A moment of 2025 to 2027, or of the 30th or 31st of a month, written as digits: it begins as a Mastercard or a Diners
#: Club card does, and one in ten passes the check. Earlier and later ones begin as no card does.
_HOUR = r"(?:[01][0-9]|2[0-3])[0-5][0-9]"
_MONTH = r"(?:0[1-9]|1[0-2])"
_MOMENT = re.compile(rf"2[5-7]{_MONTH}(?:0[1-9]|[12][0-9]|3[01]){_HOUR}[0-5][0-9]|3[01]{_MONTH}(?:20)?[23][0-9]{_HOUR}")

#: Groups that people and programs write, beside those of a card. Pairs, halves, single digits; bank, account, check.
_USUAL_SIZES = frozenset({1, 2, 8})
_USUAL_GROUPS = frozenset({(6, 10), (6, 6, 4)})
_RARE_SIZES = frozenset(range(1, 10))
_RARE_GROUPS = _USUAL_GROUPS | {(4, 12), (12, 4), (4, 8, 4)}
_CARD_GROUPS = frozenset({(4, 6, 5), (4, 6, 4), (4, 4, 4, 5), (4, 4, 4, 6), (4, 4, 4, 7)})


def passes_luhn(digits: str) -> bool:
    return sum(map(int, digits[::-1][::2] + digits[::-1][1::2].translate(_DOUBLED))) % 10 == 0


def holds_card_number(text: str, *ours: str) -> bool:
    """Does the text hold a card number, at any place? `ours` are none, and neither is a UUID, a hash or an IBAN."""
    return not _has_none(text) and any(True for _ in find_card_numbers(text, *ours))


def _has_none(text: str) -> bool:
    """Most texts show at once that they have not so many digits that hang together."""
    return reads_as_it_stands(text) and not _ROW.search(text)


@dataclass(frozen=True, slots=True)
class CardNumber:
    """A card number, and from where to where it stands in a text."""

    start: int
    end: int
    digits: str = field(repr=False)


def find_card_numbers(text: str, *ours: str) -> Iterator[CardNumber]:
    """What `holds_card_number` sees; one that stands in two readings of the text comes twice."""
    for reading in _read(text):
        chars = _without_identifiers(reading.chars, ours, kept=True)
        for row in _rows(chars):
            for first, last, digits in _written_numbers(row):
                places = reading.stars(row.spans[first][0], row.spans[last][1])
                yield CardNumber(places[0][0], places[-1][1], digits)


def star_card_numbers(text: str, *ours: str) -> str:
    """The text with a star for each digit of what could be a card number. `ours`, UUIDs, hashes and IBANs stay."""
    if _has_none(text):
        return text
    places: list[Stars] = []
    for reading in _read(text):
        chars = _without_identifiers(reading.chars, ours, kept=False)
        for row in _rows(chars):
            for group in _suspicious(row):
                places += reading.stars(*row.spans[group])
    return _with_stars(text, places) if places else text


def _read(text: str) -> Iterator[Reading]:
    """The readings of a text in which there are enough digits for a card number."""
    return (reading for reading in readings(text) if _ROW.search(reading.chars))


def _with_stars(text: str, places: list[Stars]) -> str:
    """Places of two readings may overlap: `%34` is one digit, and two."""
    parts, at = [], 0
    for start, end, stars in sorted(places):
        if end > at:
            parts += [text[at:start], stars if start >= at else "*" * (end - at)]
            at = end
    return "".join([*parts, text[at:]])


def _without_identifiers(chars: str, ours: tuple[str, ...], *, kept: bool) -> str:
    """With letters in the place of each whole word that is no card number, so that every place stays the same."""
    for own in filter(None, ours):
        chars = re.sub(rf"(?<!\d){re.escape(own)}(?!\d)", "x" * len(own), chars)
    return _IDENTIFIER.sub(lambda word: "x" * len(word[0]) if _is_identifier(word, kept=kept) else word[0], chars)


def _is_identifier(word: re.Match[str], *, kept: bool) -> bool:
    if word["uuid"]:
        return True
    if word["iban"]:
        return _is_iban(word["iban"].replace(" ", ""))
    size = len(word["hex"])
    letters = size - sum(map(str.isdecimal, word["hex"]))
    if size in _HASH_LENGTHS:
        return letters * 8 >= size  # chance makes three of eight characters a letter; two card numbers have none
    if kept and size == _OBJECT_ID_LENGTH:
        return letters * 4 >= size  # a card number with its track behind it has fewer
    return kept and word["hex"][0].isalpha() and word["hex"][-1].isalpha()


def _is_iban(text: str) -> bool:
    """A Kazakh account: 20 characters, and 1 when divided by 97 (ISO 13616)."""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


@dataclass(frozen=True, slots=True)
class _Row:
    """Groups of digits that could be one number, by what parts them."""

    spans: list[tuple[int, int]]
    gaps: list[str]
    """Before each group but the first."""
    digits: str
    starts: list[int]
    """Where each group begins among `digits`; and the end, last."""

    def sizes(self, first: int, last: int) -> tuple[int, ...]:
        return tuple(end - start for start, end in self.spans[first : last + 1])

    def size(self, group: int) -> int:
        return self.starts[group + 1] - self.starts[group]


def _rows(chars: str) -> Iterator[_Row]:
    for row in _ROW.finditer(chars):
        spans = [group.span() for group in _GROUP.finditer(chars, *row.span())]
        gaps = [chars[before[1] : after[0]] for before, after in itertools.pairwise(spans)]
        starts = [0, *itertools.accumulate(end - start for start, end in spans)]
        yield _Row(spans, gaps, "".join(_GROUP.findall(row[0])), starts)


# A text that is given to be kept.


def _written_numbers(row: _Row) -> Iterator[tuple[int, int, str]]:
    """Card numbers of whole groups that are grouped as people and programs do."""
    for first, last, digits in _whole_groups(row, _issued()):
        if passes_luhn(digits) and _is_usual(row, first, last) and not _is_moment(row, first, last):
            yield first, last, digits


def _whole_groups(row: _Row, issued: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[int, int, str]]:
    """Groups, from one to another, that together have a network's prefix and one of its lengths."""
    for first, start in enumerate(row.starts[:-1]):
        lengths = issued.get(row.digits[start : start + 4], ())
        if not lengths:
            continue
        for last in range(first, min(first + _LONGEST, len(row.spans))):
            size = row.starts[last + 1] - start
            if size in lengths:
                yield first, last, row.digits[start : start + size]
            if size >= lengths[-1]:
                break


def _is_usual(row: _Row, first: int, last: int) -> bool:
    sizes = row.sizes(first, last)
    if len(sizes) == 1 or _is_on_a_card(sizes):
        return True
    return len(set(row.gaps[first:last])) == 1 and (
        sizes in _USUAL_GROUPS or (sizes[0] in _USUAL_SIZES and _is_even(sizes, sizes[0]))
    )


def _is_on_a_card(sizes: tuple[int, ...]) -> bool:
    return sizes in _CARD_GROUPS or _is_even(sizes, 4)


def _is_even(sizes: tuple[int, ...], size: int) -> bool:
    """Groups of one size; the last has the rest."""
    return all(each == size for each in sizes[:-1]) and sizes[-1] <= size


def _is_moment(row: _Row, first: int, last: int) -> bool:
    """In a reference, a moment and a counter. A card's own groups are no moment."""
    if first != last and _is_on_a_card(row.sizes(first, last)):
        return False
    return _MOMENT.match(row.digits, row.starts[first]) is not None


# A text that leaves.


def _suspicious(row: _Row) -> set[int]:
    """The groups in which digits of what could be a card number stand."""
    found = {group for group in range(len(row.spans)) if row.size(group) > _TOO_LONG}
    for first, last in _narrow(row):
        found |= _anywhere(row, first, last)
    for first, last, digits in _whole_groups(row, _starred()):
        if first != last and passes_luhn(digits) and _is_rare(row.sizes(first, last)):
            found.update(range(first, last + 1))
    for first in range(len(row.spans) - 1):
        found |= _glued(row, first)
    return found


def _narrow(row: _Row) -> Iterator[tuple[int, int]]:
    """Pieces of a row, from one group to another, in which blanks, dots, dashes and underscores part the groups."""
    first = 0
    for group in range(len(row.spans)):
        at_end = group + 1 == len(row.spans) or not _NARROW.fullmatch(row.gaps[group])
        if at_end or max(row.size(group), row.size(group + 1)) > _TOO_LONG:
            yield first, group
            first = group + 1


def _anywhere(row: _Row, first: int, last: int) -> set[int]:
    """The groups of each card number that stands at any place among the digits of these."""
    start, end = row.starts[first], row.starts[last + 1]
    if end - start < _SHORTEST or row.size(first) > _TOO_LONG:
        return set()
    starred = _starred()
    pieces = [
        (at, at + size)
        for at in range(start, end - _SHORTEST + 1)
        for size in starred.get(row.digits[at : at + 4], ())
        if at + size <= end
    ]
    if not pieces:
        return set()
    sums = _LuhnSums(row.digits[start:end])
    found: set[int] = set()
    for first_digit, after in pieces:
        if sums.passes(first_digit - start, after - start):
            found.update(range(bisect_right(row.starts, first_digit) - 1, bisect_right(row.starts, after - 1)))
    return found


def _glued(row: _Row, first: int) -> set[int]:
    """The groups of a number that is grouped as on a card, where other digits hang on to its first or last group."""
    if row.size(first) < 4:
        return set()
    start = row.starts[first + 1] - 4
    for size in _starred().get(row.digits[start : start + 4], ()):
        digits = row.digits[start : start + size]
        last = bisect_right(row.starts, start + size - 1) - 1
        if len(digits) < size or last >= len(row.spans) or not passes_luhn(digits):
            continue
        sizes = (4, *(row.size(group) for group in range(first + 1, last)), start + size - row.starts[last])
        if _is_on_a_card(sizes):
            return set(range(first, last + 1))
    return set()


def _is_rare(sizes: tuple[int, ...]) -> bool:
    return sizes in _RARE_GROUPS or _is_on_a_card(sizes) or (sizes[0] in _RARE_SIZES and _is_even(sizes, sizes[0]))


class _LuhnSums:
    """Checks any piece of a row of digits at once, however long the row is."""

    def __init__(self, digits: str) -> None:
        even, odd = list(map(int, digits)), list(map(int, digits))
        doubled = list(map(int, digits.translate(_DOUBLED)))
        even[::2], odd[1::2] = doubled[::2], doubled[1::2]
        self._with_doubled = ([0, *itertools.accumulate(even)], [0, *itertools.accumulate(odd)])

    def passes(self, start: int, end: int) -> bool:
        """The last digit stands as it is, the one before it is doubled, and so on."""
        sums = self._with_doubled[end % 2]
        return (sums[end] - sums[start]) % 10 == 0
