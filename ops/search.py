"""One text, and the transfers that it may mean: by each name of a transfer, by a card's last four digits, by an amount.

A text that may be several things is looked up as each, and none of them is taken silently. What is found only by a look
at records is bounded: the answer says how many were looked at. A whole card number is looked up nowhere.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.card_numbers import holds_card_number, star_card_numbers
from epay_transfers.ledger.errors import RecordUnreadable, ServerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.money import EXPONENTS, to_minor
from epay_transfers.ledger.pasted_text import cleaned
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops import listing, screen
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.listing import Found, Wanted, number

_LONGEST = 200

#: From so many digits on, a text may be a card number with a wrong digit: it is not shown again.
_FEWEST_OF_A_CARD = 13

_LAST_FOUR = re.compile(r"(?:(?:[0-9]{6})?[*•xX.]+)?([0-9]{4})", re.ASCII)
_AMOUNT = re.compile(rf"([1-9][0-9]{{0,11}}|0)(?:[.,]([0-9]{{1,2}}))?(?:{'|'.join(EXPONENTS)})?", re.ASCII)

#: So many of the newest transfers are looked at, for digits and an amount together; and so many found are shown.
MOST_LOOKS = 1_000
MOST_SHOWN = 20

A_CARD = (
    "this looks like a whole card number: it was looked up nowhere, and is kept nowhere. Search by its last four digits"
)


@dataclass(frozen=True, slots=True)
class Looked:
    """`what`: as what the text was taken. `unknown`: why that could not be looked up; empty where it could.

    `filters`: of the list with the same transfers; none for a name, which the ledger's indexes tell.
    """

    what: str
    records: Sequence[Record] = ()
    unknown: str = ""
    found: Found | None = None
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Was all looked at that may be it?"""
        return not self.unknown and (self.found is None or (self.found.cursor is None and not self.found.unreadable))

    @property
    def says(self) -> str:
        """What came of it, and how far the look went."""
        if self.unknown:
            return f"? ({self.unknown})"
        count = f"{len(self.records)} found" if self.records else "none"
        if self.found is None:
            return f"{count}; every transfer has its place in this index"
        if self.found.cursor is None:
            return f"{count}; all {number(self.found.looked_at)} were looked at"
        return f"{count} so far: the newest {number(self.found.looked_at)} of {number(self.found.of)} were looked at"


@dataclass(frozen=True, slots=True)
class Searched:
    text: str  #: empty where it may be a card's
    looks: Sequence[Looked]

    @property
    def only(self) -> Record | None:
        """The one that is found, and where no look was bounded: there can be no other."""
        found = {record.key: record for look in self.looks for record in look.records}
        is_whole = all(look.is_whole for look in self.looks)
        return next(iter(found.values())) if len(found) == 1 and is_whole else None

    @property
    def is_found(self) -> bool:
        return any(look.records for look in self.looks)


def search(ledger: Ledger, text: str) -> Searched:
    """Raises `Refusal` for what can't be a transfer's, without the text; a server that is away is in the looks."""
    text = cleaned(text).strip()
    if not text:
        raise Refusal("give a key, a reference, the bank's id or reference, a card's last four digits, or an amount")
    if holds_card_number(text):
        raise Refusal(A_CARD)
    if len(text) > _LONGEST or not text.isprintable():
        raise Refusal(f"a transfer has no such name: give one line of at most {_LONGEST} characters")
    looks = [
        _by_name("a key", lambda: _some(ledger.get(text)) if is_key(text) else None),
        _by_name("a reference", lambda: _some(ledger.by_reference(text))),
        _by_name("the bank's id", lambda: _some(ledger.by_bank_id(text))),
        _by_name("the bank's reference", lambda: ledger.by_bank_reference(text)),
    ]
    wanted: list[tuple[str, Wanted, Mapping[str, str]]] = []
    if (last_four := _LAST_FOUR.fullmatch(text)) is not None:
        digits = last_four[1]
        by_digits = Wanted(states=list(State), newest=True, last_four=digits)
        wanted.append((f"the last four digits {digits} of a card", by_digits, {"last_four": digits}))
    if (minor := _minor(text)) is not None:
        by_amount = Wanted(states=list(State), newest=True, amount=minor)
        what = f"an amount of {screen.amount(minor, 'KZT').removesuffix(' KZT')}"
        wanted.append((what, by_amount, {"amount": _as_filter(minor)}))
    looks += [_by_a_look(ledger, *each, most=MOST_LOOKS // len(wanted)) for each in wanted]
    return Searched("" if _may_be_a_card(text) else text, [look for look in looks if look is not None])


def _by_name(what: str, look: Callable[[], Sequence[Record] | None]) -> Looked | None:
    """None: the text can't be such a name."""
    try:
        records = look()
    except RecordUnreadable as error:
        return Looked(what, unknown=f"{error}")
    except ServerUnavailable as error:
        return Looked(what, unknown=f"{error.why}")
    return None if records is None else Looked(what, records)


def _by_a_look(ledger: Ledger, what: str, wanted: Wanted, filters: Mapping[str, str], *, most: int) -> Looked:
    try:
        found = listing.find(ledger, wanted, after=None, limit=MOST_SHOWN, most=most)
    except ServerUnavailable as error:
        return Looked(what, unknown=f"{error.why}", filters=filters)
    return Looked(what, found.records, found=found, filters=filters)


def _some(record: Record | None) -> list[Record]:
    return [] if record is None else [record]


def _minor(text: str) -> int | None:
    """None: it can't be an amount."""
    match = _AMOUNT.fullmatch("".join(text.split()).upper())
    if match is None:
        return None
    try:
        return to_minor(f"{match[1]}.{match[2] or 0}", "KZT")
    except ValueError:
        return None


def _as_filter(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _may_be_a_card(text: str) -> bool:
    digits = sum(map(str.isdecimal, text))
    return digits >= _FEWEST_OF_A_CARD or star_card_numbers(text) != text
