"""Texts with card numbers in every dress, and honest texts full of digits: a corpus that a seed makes anew, endless.

It knows nothing of the detector: its networks are written a second time, and the sandbox's check digit is another one.
`make detector` counts over a million of these, a test over some thousands.
"""

import hashlib
import itertools
import random
import re
import string
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from epay_transfers.sandbox.cards import luhn

#: Prefix, and length. Visa and Mastercard are most cards, so they stand here most often.
NETWORKS = (
    *(("4405", 16), ("4", 16), ("4", 16), ("4", 16), ("4", 13), ("4", 19)),
    *((f"5{second}", 16) for second in range(1, 6)),
    *((prefix, 16) for prefix in ("2221", "223", "24", "25", "26", "2720")),
    *(("34", 15), ("37", 15), ("300", 14), ("36", 14), ("36", 16), ("38", 14), ("3528", 16), ("3589", 19)),
    *(("62", length) for length in range(16, 20)),
    *(("6304", length) for length in range(13, 20)),
    *((prefix, 16) for prefix in ("5018", "5893", "6759", "6011", "644", "65", "60", "8171")),
    *((prefix, 16) for prefix in ("2200", "2204", "8600", "5614", "9860", "9417", "9112", "9792")),
)

#: What a Mastercard or a Diners Club card may read as: a moment of 2025 to 2027, or of the 30th or 31st.
_MOMENTS = re.compile(
    r"2[5-7](0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d"
    r"|3[01](0[1-9]|1[0-2])(20)?[23]\d([01]\d|2[0-3])[0-5]\d"
)

#: Between two groups.
PARTS = {
    "a blank": " ",
    "two blanks": "  ",
    "a dash": "-",
    "a dot": ".",
    "an underscore": "_",
    "a slash": "/",
    "a comma": ",",
    "a comma and a blank": ", ",
    "a plus": "+",
    "a star": "*",
    "a colon": ":",
    "a bar": " | ",
    "a tab": "\t",
    "a no-break space": "\u00a0",
    "a thin space": "\u2009",
    "an ideographic space": "\u3000",
    "an en dash": "\u2013",
    "a no-break dash": "\u2011",
    "a minus": "\u2212",
    "a middle dot": "\u00b7",
    "a zero-width space": "\u200b",
    "a word joiner": "\u2060",
    "a soft hyphen": "\u00ad",
    "%20": "%20",
    "%2D": "%2D",
    "%C2%A0": "%C2%A0",
    "%2520": "%2520",
    "\\xa0": "\\xa0",
    "\\u00a0": "\\u00a0",
    "&nbsp;": "&nbsp;",
}

#: Drawn as nothing: the number is unbroken.
_INVISIBLE_PARTS = {"a zero-width space", "a word joiner", "a soft hyphen"}

#: Kinds whose numbers stand in the groups of a card: nothing in those groups reads as a moment.
GROUPED = {f"parted by {name}" for name in PARTS if name not in _INVISIBLE_PARTS} | {"parted by several"}

#: The zero of each other script.
SCRIPTS = {
    "full-width": "\uff10",
    "Arabic": "\u0660",
    "Persian": "\u06f0",
    "Devanagari": "\u0966",
    "bold": "\U0001d7ce",
    "monospace": "\U0001d7f6",
}

#: Before a number without a blank, and after one.
LEADS = ("VISA", "Card", "card", "PAN", "MASTERCARD", "MC", "cc", "no", "\u043a\u0430\u0440\u0442\u0430", "\u2116", "x")
TAILS = ("", "", "KZT", "exp", "CVC", "\u0442\u0433", "z", "D2901")


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    text: str
    holds: bool
    """Whether there is a card number in it."""
    pan: str = ""


def pan(rng: random.Random, *, may_be_a_moment: bool = True) -> str:
    while True:
        prefix, length = rng.choice(NETWORKS)
        body = prefix + _digits(rng, length - len(prefix) - 1)
        made = next(body + check for check in string.digits if luhn(body + check))
        if may_be_a_moment or not _MOMENTS.match(made):
            return made


def as_on_a_card(digits: str) -> list[str]:
    if len(digits) in {14, 15} and digits.startswith(("30", "34", "36", "37", "38")):
        return [digits[:4], digits[4:10], digits[10:]]
    return in_groups(digits, 4)


def in_groups(digits: str, size: int) -> list[str]:
    return [digits[at : at + size] for at in range(0, len(digits), size)]


def in_script(digits: str, script: str) -> str:
    return "".join(chr(ord(SCRIPTS[script]) + int(char)) if char.isdigit() else char for char in digits)


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


# Card numbers, dressed.


def _plain(rng: random.Random, number: str) -> str:
    return rng.choice(
        ["{}", "card {}", "payout-{}", "pan={};", "({})", "{}/01/29", "n:{}:x", "\u043d\u0430 {}."]
    ).format(number)


def _glued(rng: random.Random, number: str) -> str:
    return rng.choice(LEADS) + number + rng.choice(TAILS)


def _parted(name: str) -> Callable[[random.Random, str], str]:
    return lambda rng, number: _among(rng, PARTS[name].join(as_on_a_card(number)))


def _sized(size: int) -> Callable[[random.Random, str], str]:
    return lambda rng, number: _among(rng, rng.choice([" ", "-", ".", "/", ",", "  "]).join(in_groups(number, size)))


def _mixed(rng: random.Random, number: str) -> str:
    groups = as_on_a_card(number)
    return _among(rng, groups[0] + "".join(rng.choice([" ", "-", ".", "  ", "/"]) + group for group in groups[1:]))


def _scripted(name: str) -> Callable[[random.Random, str], str]:
    def dress(rng: random.Random, number: str) -> str:
        return _among(rng, in_script(rng.choice(["", " ", "\u3000"]).join(as_on_a_card(number)), name))

    return dress


def _among(rng: random.Random, dressed: str) -> str:
    return rng.choice(
        ["{}", "card {} refused", "pay 7 to {}", "{} 01/29", "VISA{}", "[{}]", "\u043a\u0430\u0440\u0442\u0430: {}"]
    ).format(dressed)


DRESSES: dict[str, Callable[[random.Random, str], str]] = {
    "unbroken": _plain,
    "letters before and after": _glued,
    **{f"parted by {name}": _parted(name) for name in PARTS},
    "parted by several": _mixed,
    "in pairs": _sized(2),
    "in halves": _sized(8),
    "single digits": _sized(1),
    "bank and account": lambda rng, number: _among(rng, f"{number[:6]} {number[6:]}" if len(number) == 16 else number),
    **{f"{name} digits": _scripted(name) for name in SCRIPTS},
    "percent-encoded": lambda _rng, number: "".join(f"%{ord(char):02X}" for char in number),
    "zero-width between digits": lambda rng, number: _among(
        rng, rng.choice(["\u200b", "\u2060", "\ufeff"]).join(number)
    ),
    "keycaps": lambda _rng, number: "".join(f"{char}\ufe0f\u20e3" for char in number),
    "after another number": lambda rng, number: f"{_digits(rng, 4)} {' '.join(as_on_a_card(number))}",
    "track 2": lambda rng, number: f";{number}={rng.randint(25, 35)}12201{_digits(rng, 10)}?",
    "in a query": lambda _rng, number: (
        "https://shop.example/pay?to=" + urllib.parse.quote(" ".join(as_on_a_card(number)))
    ),
    "a list's text": lambda _rng, number: str(as_on_a_card(number)),
}

# Honest texts.


def _moment(rng: random.Random) -> datetime:
    return datetime(2025, 1, 1) + timedelta(seconds=rng.randrange(86_400 * 1_200))  # noqa: DTZ001 - only digits


def _iban(rng: random.Random) -> str:
    account = _digits(rng, 3) + rng.choice([_digits(rng, 13), "".join(rng.choices(string.digits + "ABCTKZ", k=13))])
    number = int("".join(str(int(char, 36)) for char in account + "KZ00"))
    return f"KZ{98 - number % 97:02}{account}"


def _phone(rng: random.Random) -> str:
    code, rest = rng.choice(["701", "702", "705", "707", "747", "771", "775", "777", "727"]), _digits(rng, 7)
    parted = (code, rest[:3], rest[3:5], rest[5:])
    return rng.choice(
        ["+7 {} {} {} {}", "8 {} {} {} {}", "+7({}){}-{}-{}", "8-{}-{}-{}-{}", "+7{}{}{}{}", "8{}{}{}{}"]
    ).format(*parted)


def _price(rng: random.Random) -> str:
    return f"{rng.randrange(1, 10_000_000):,}".replace(",", rng.choice([" ", ",", ""])) + rng.choice(["", ".00", ".50"])


def _address(rng: random.Random) -> str:
    return ".".join(str(rng.randrange(256)) for _ in range(4))


HONEST: dict[str, Callable[[random.Random], str]] = {
    "reference YYMMDDhhmmss + 3": lambda rng: f"payout-{_moment(rng):%y%m%d%H%M%S}{_digits(rng, 3)}",
    "reference YYMMDDhhmmss + 4": lambda rng: f"payout-{_moment(rng):%y%m%d%H%M%S}{_digits(rng, 4)}",
    "reference YYMMDD-hhmmss-NNNN": lambda rng: f"{_moment(rng):%y%m%d-%H%M%S}-{_digits(rng, 4)}",
    "reference YYYYMMDDhhmmss": lambda rng: f"order-{_moment(rng):%Y%m%d%H%M%S}",
    "reference YYYYMMDDhhmmss + 2": lambda rng: f"order-{_moment(rng):%Y%m%d%H%M%S}{_digits(rng, 2)}",
    "reference DDMMYYYYhhmmss": lambda rng: f"p.{_moment(rng):%d%m%Y%H%M%S}",
    "reference DDMMYYhhmmss + 2": lambda rng: f"p.{_moment(rng):%d%m%y%H%M%S}{_digits(rng, 2)}",
    "our invoice id": lambda rng: f"{_moment(rng):%y%m%d}{_digits(rng, 6)}",
    "our key": lambda rng: f"kiosk:{_moment(rng):%y%m%d}{_digits(rng, 6)}",
    "milliseconds since 1970": lambda rng: f"payout-{int(_moment(rng).timestamp() * 1000)}",
    "microseconds since 1970": lambda rng: f"payout-{int(_moment(rng).timestamp() * 1e6)}",
    "nanoseconds since 1970": lambda rng: f"payout-{int(_moment(rng).timestamp() * 1e9)}",
    "date and time": lambda rng: f"payout of {_moment(rng):%Y-%m-%d %H:%M:%S}",
    "date and time, to microseconds": lambda rng: (
        f"{_moment(rng):%Y-%m-%d %H:%M:%S}.{_digits(rng, 6)} at {rng.randrange(99)}"
    ),
    "dates, Kazakh": lambda rng: f"{_moment(rng):%d.%m.%Y %H:%M} - {_moment(rng):%d.%m.%Y %H:%M}",
    "IBAN": lambda rng: rng.choice(["{}", "to {}", "IBAN: {}."]).format(_iban(rng)),
    "IBAN in fours": lambda rng: "to " + " ".join(in_groups(_iban(rng), 4)),
    "IBAN in a reference": lambda rng: f"salary-{_iban(rng)}-{rng.randrange(1000)}",
    "phone": _phone,
    "two phones": lambda rng: f"{_phone(rng)}{rng.choice([', ', ' ', '; '])}{_phone(rng)}",
    "personal number (IIN)": lambda rng: f"IIN {rng.randrange(50, 100)}{_moment(rng):%m%d}{_digits(rng, 6)}",
    "order of 8 to 12 digits": lambda rng: f"order {_digits(rng, rng.randrange(8, 13))}",
    "order with a year and a number": lambda rng: (
        f"order 2026/{_digits(rng, 6)}-{_digits(rng, 2)} of {_moment(rng):%d.%m.%Y}"
    ),
    "UUID": lambda rng: rng.choice(["{}", "payout-{}", "p_{}"]).format(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "UUID without dashes": lambda rng: f"payout-{rng.getrandbits(128):032x}",
    "SHA-1": lambda rng: hashlib.sha1(rng.randbytes(8), usedforsecurity=False).hexdigest(),
    "SHA-256": lambda rng: hashlib.sha256(rng.randbytes(8)).hexdigest(),
    "hash cut to 16": lambda rng: f"payout-{rng.getrandbits(64):016x}",
    "hash cut to 20": lambda rng: f"payout-{rng.getrandbits(80):020x}",
    "object id": lambda rng: f"{rng.getrandbits(96):024x}",
    "ULID": lambda rng: "01" + "".join(rng.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24)),
    "amounts": lambda rng: f"{_price(rng)} + {_price(rng)} = {_price(rng)} KZT",
    "address and port": lambda rng: f"{_address(rng)}:{rng.randrange(1024, 65_536)} {rng.randrange(100, 600)}",
    "IMEI": lambda rng: f"device 35{_digits(rng, 13)}",
    "snowflake": lambda rng: f"msg {rng.randrange(10**18, 2 * 10**18)}",
}

#: No rule tells these from card numbers: the figures are what that costs.
ALIKE: dict[str, Callable[[random.Random], str]] = {
    "order of 13 digits": lambda rng: f"order {_digits(rng, 13)}",
    "order of 14 digits": lambda rng: f"order {_digits(rng, 14)}",
    "order of 15 digits": lambda rng: f"order {_digits(rng, 15)}",
    "order of 16 digits": lambda rng: f"order {_digits(rng, 16)}",
    "order of 18 digits": lambda rng: f"order {_digits(rng, 18)}",
    "order of 20 digits": lambda rng: f"order {_digits(rng, 20)}",
    "bar code (EAN-13) of Kazakhstan": lambda rng: f"item 487{_digits(rng, 10)}",
    "reference YYMMDD + 10": lambda rng: f"payout-{_moment(rng):%y%m%d}{_digits(rng, 10)}",
}

#: The price of the references that are moments: a card whose number reads as one.
MOMENT = "a card that reads as a moment"


def _card_like_a_moment(rng: random.Random) -> str:
    while True:
        body = f"{_moment(rng):%y%m%d%H%M%S}{_digits(rng, 3)}"
        if body[0] == "2" and "2501" <= body[:4] <= "2720":
            return next(body + check for check in string.digits if luhn(body + check))


def cases(seed: int) -> Iterator[Case]:
    """Endless: a card number in each dress, and each honest text, in turns."""
    rng = random.Random(seed)  # noqa: S311 - a corpus, not a secret
    for _ in itertools.count():
        for kind, dress in DRESSES.items():
            number = pan(rng, may_be_a_moment=kind in GROUPED)
            yield Case(kind, dress(rng, number), holds=True, pan=number)
        number = _card_like_a_moment(rng)
        yield Case(MOMENT, f"payout-{number}", holds=True, pan=number)
        for kind, make in (HONEST | ALIKE).items():
            yield Case(kind, make(rng), holds=False)
