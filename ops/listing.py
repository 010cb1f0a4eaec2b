"""Lists of transfers for operators: which ones are wanted, a page of them, and what is not on the page.

By state, terminal and age a list is exact. What else is asked for is looked up in the records of such a list, so many
of them at the most; the answer says how many were looked at, and a cursor goes on from there. A list is never called
empty because a look was bounded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Cursor
from epay_transfers.ledger.store.totals import Totals, reason_of
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import screen

#: So many records are looked at for a filter before the answer says that there may be more.
MOST_LOOKS = 20_000

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`reason`, `amount` (minor units) and `last_four` (of either card) are looked up in the records."""

    states: Sequence[State]
    terminal: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    newest: bool = False
    reason: str | None = None
    amount: int | None = None
    last_four: str | None = None

    @property
    def is_exact(self) -> bool:
        """Do the ledger's lists tell it without a look at each record?"""
        return (self.reason, self.amount, self.last_four) == (None, None, None)

    def is_met_by(self, record: Record) -> bool:
        cards = (record.sender_card, record.receiver_card)
        return (
            self.reason in {None, reason_of(record)}
            and self.amount in {None, record.amount}
            and (self.last_four is None or any(card.endswith(self.last_four) for card in cards))
        )


@dataclass(slots=True)
class Found:
    """`cursor`: the next page begins there; None: there is nothing more."""

    records: list[Record] = field(default_factory=list)
    unreadable: list[RecordUnreadable] = field(default_factory=list)
    looked_at: int = 0
    of: int = 0  #: so many are in those states and terminals
    cursor: Cursor | None = None


def find(ledger: Ledger, wanted: Wanted, *, after: Cursor | None, limit: int) -> Found:
    """A page of what is wanted."""
    found = Found(of=ledger.totals().of(*wanted.states, terminal=wanted.terminal).count)
    for keys, cursor in _pages(ledger, wanted, after, limit if wanted.is_exact else _PAGE):
        places = {key: at for at, key in enumerate(keys)}
        for record in ledger.get_many(keys, found.unreadable.append):
            if wanted.is_met_by(record):
                if len(found.records) == limit:
                    found.cursor = Cursor(found.records[-1].state_since, found.records[-1].key)
                    return found
                found.records.append(record)
            found.looked_at += places.pop(record.key, None) is not None
        found.looked_at += len(places)
        found.cursor = cursor
        if len(found.records) == limit or found.looked_at >= MOST_LOOKS:
            break
    return found


def _pages(
    ledger: Ledger, wanted: Wanted, after: Cursor | None, size: int
) -> Iterator[tuple[list[str], Cursor | None]]:
    while True:
        page = ledger.lists.page(
            wanted.states,
            terminal=wanted.terminal,
            since_ms=wanted.since_ms,
            until_ms=wanted.until_ms,
            after=after,
            limit=size,
            newest=wanted.newest,
        )
        yield page.keys, page.next
        if page.next is None:
            return
        after = page.next


def as_dict(found: Found, totals: Totals) -> dict[str, Any]:
    """For a machine. `total` is of all in those states and terminals, not of this page."""
    return {
        "transfers": [Transfer.of(record).to_json() for record in found.records],
        "unreadable": screen.unreadable_json(found.unreadable),
        "total": [line.to_json() for line in screen.sums(totals)],
        "looked_at": found.looked_at,
        "of": found.of,
        "cursor": None if found.cursor is None else str(found.cursor),
    }


def last_words(found: Found) -> str:
    """What is not on the page, and how to see it."""
    if found.cursor is None:
        return "" if found.records else "No transfer is like that: all of them were looked at."
    return f"There may be more: looked at {found.looked_at} of {found.of}. Go on with --cursor {found.cursor}"
