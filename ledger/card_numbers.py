"""Card numbers in a text: finding them, and replacing their digits with stars. Pure; only this module knows Luhn.

`holds_card_number` checks a text that a caller gives us to keep, so it must not refuse honest references.
`star_card_numbers` works on a text that leaves (a log, a report, the bank's message), so it stars rather too much.
"""

import re

#: A run of digits as long as a card number's, unbroken or grouped as on a card. A hexadecimal digit beside it means
#: that it is a piece of an identifier: one in some thousand UUIDs and hashes would be refused otherwise.
_CARD_LIKE = re.compile(
    r"""(?<![0-9A-Fa-f])
    (?=(?P<digits>
        [0-9]{13,19}
      | [0-9]{4} (?P<four> [\s._:\u2010-\u2015-]) [0-9]{4} (?P=four) [0-9]{4} (?P=four) [0-9]{1,7}
      | [0-9]{4} (?P<six> [\s._:\u2010-\u2015-]) [0-9]{6} (?P=six) [0-9]{4,5}
    ) (?![0-9A-Fa-f]))""",
    re.VERBOSE,
)

#: Card numbers begin so. Times in milliseconds, dates and counted ids mostly do not, and one in ten passes Luhn.
_ISSUED = re.compile(r"[345689]|2[2-7]")

#: What is starred: any row of digits, however a person or a program has broken it up.
_LONG_NUMBER = re.compile(r"\d(?:[ .-]{0,3}\d){12,}")
_UUID = r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"

#: A longer row of digits is starred without a search: no log needs it, and to look at each of its places takes long.
_TOO_LONG = 100


def passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def holds_card_number(text: str) -> bool:
    """Does the text hold what looks like a card number, at any place?"""
    found = (re.sub(r"[^0-9]", "", match["digits"]) for match in _CARD_LIKE.finditer(text))
    return any(_is_card_number(digits) for digits in found)


def star_card_numbers(text: str, *ours: str) -> str:
    """The text with a star for each digit of what could be a card number. `ours` stay as they are, and so do UUIDs."""
    kept = re.compile("|".join([_UUID, *(rf"(?<!\d){re.escape(own)}(?!\d)" for own in ours if own)]))
    parts, at = [], 0
    for found in kept.finditer(text):
        parts += [_LONG_NUMBER.sub(_starred, text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _LONG_NUMBER.sub(_starred, text[at:])])


def _starred(found: re.Match[str]) -> str:
    digits = "".join(str(int(char)) for char in found[0] if char.isdecimal())
    return re.sub(r"\d", "*", found[0]) if _any_window(digits) else found[0]


def _any_window(digits: str) -> bool:
    """Does a card number stand in this row of digits, at any place?"""
    if len(digits) > _TOO_LONG:
        return True
    return any(
        _is_card_number(digits[start : start + size])
        for size in range(13, 20)
        for start in range(len(digits) - size + 1)
    )


def _is_card_number(digits: str) -> bool:
    return _ISSUED.match(digits) is not None and passes_luhn(digits)
