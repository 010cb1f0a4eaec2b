"""Lists of transfers for operators: which ones are wanted, a page of them, and what is not on the page. It only reads.

By state, terminal and age a list is exact. What else is asked for is looked up in the records of such a list, and what
an operator did in their events; so many of them at the most. The answer says how many were looked at, and a cursor goes
on from there. A list is never called empty because a look was bounded, or because a transfer moved meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from epay_transfers.ledger import decisions
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import Events, History
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Cursor, Listed
from epay_transfers.ledger.store.totals import Totals, counted_reason, reason_of
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import descriptions, screen

#: So many records are looked at for a filter before the answer says that there may be more.
MOST_LOOKS = 20_000

#: And so many where their events are read as well: that costs some ten times as much.
MOST_HISTORIES = 2_000

_PAGE = 500

#: By state, the field that says until when a transfer waits by itself.
_ENDS: Mapping[str, str] = {State.QUEUED: "deadline_at", State.PARKED: "parked_until"}

#: The fields by which a transfer is counted, as `counted_reason` takes them.
_COUNTED = ("state", "reason", "code", "message")

#: The actor of an event is `operator NAME` for what an operator asked.
_OPERATOR = "operator "


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """From `reason` on, each is looked up in the records; `operator` and `verb` in their events.

    `reason` is any word that a list shows for it, `counted` the one by which it is counted (`Totals`), `amount` is in
    minor units, `last_four` of either card, `ends_by_ms` the time until which it waits, as queued or parked, `operator`
    one that asked for a move or decided.
    """

    states: Sequence[State]
    terminal: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    newest: bool = False
    reason: str | None = None
    code: str | None = None
    amount: int | None = None
    last_four: str | None = None
    counted: str | None = None
    ends_by_ms: int | None = None
    operator: str | None = None
    verb: str | None = None

    @property
    def is_exact(self) -> bool:
        """Do the ledger's lists tell it without a look at each record?"""
        looked_up = (self.reason, self.code, self.amount, self.last_four, self.counted, self.ends_by_ms)
        return not self.needs_events and looked_up == (None,) * len(looked_up)

    @property
    def needs_events(self) -> bool:
        return (self.operator, self.verb) != (None, None)

    @property
    def most(self) -> int:
        return MOST_HISTORIES if self.needs_events else MOST_LOOKS

    def is_where(self, record: Record) -> bool:
        """Is it still in the lists that were read? It may have moved since its name was."""
        return (
            record.state in self.states
            and self.terminal in {None, record.terminal}
            and (self.since_ms is None or record.state_since >= self.since_ms)
            and (self.until_ms is None or record.state_since < self.until_ms)
        )

    def is_met_by(self, record: Record) -> bool:
        cards = (record.sender_card, record.receiver_card)
        return (
            (self.reason is None or self.reason in whys_of(record))
            and self.code in {None, record.code}
            and self.amount in {None, record.amount}
            and (self.last_four is None or any(card.endswith(self.last_four) for card in cards))
            and self.counted in {None, reason_of(record)}
            and (self.ends_by_ms is None or 0 < ends_at(record) < self.ends_by_ms)
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a record that `may_be_met_by` looks at. Its amount shows whether it is a record at all."""
        asked = {
            ("reason", "message", "code"): self.reason,
            ("code",): self.code,
            ("amount",): self.amount,
            ("sender_card", "receiver_card"): self.last_four,
            ("state", "reason", "code", "message"): self.counted,
            ("state", "deadline_at", "parked_until"): self.ends_by_ms,
        }
        names = [names for names, value in asked.items() if value is not None]
        return tuple(dict.fromkeys(chain(*names, ("amount",)))) if names else ()

    def may_be_met_by(self, fields: Mapping[str, str | None] | None) -> bool:
        """By these of its fields: it is read whole then, as is one that looks broken, which is said, not skipped."""
        if fields is None or not (amount := fields["amount"] or "").isdecimal():
            return True
        code = fields.get("code") or ""
        cards = (fields.get("sender_card") or "", fields.get("receiver_card") or "")
        return (
            self.reason in {None, fields.get("reason") or "", fields.get("message") or "", f"code_{code}"}
            and self.code in {None, code}
            and self.amount in {None, int(amount)}
            and (self.last_four is None or any(card.endswith(self.last_four) for card in cards))
            and (self.counted is None or self.counted == counted_reason(*(fields.get(name) or "" for name in _COUNTED)))
            and (self.ends_by_ms is None or _may_end_by(fields, self.ends_by_ms))
        )

    def is_told_by(self, record: Record, history: History) -> bool:
        """By one and the same event, where both an operator and a verb are asked for."""
        asked = any(
            self.verb in {None, event.fields.get("verb")}
            and (self.operator is None or event.fields.get("actor") == f"{_OPERATOR}{self.operator}")
            for event in history.events
        )
        decided = any(each.by == self.operator for each in decisions.read(record.decisions))
        return asked or (decided and self.verb is None)


@dataclass(slots=True)
class Found:
    """`cursor`: the next page begins there; None: there is nothing more."""

    records: list[Record] = field(default_factory=list)
    unreadable: list[RecordUnreadable] = field(default_factory=list)
    looked_at: int = 0
    of: int = 0  #: so many are in those states and terminals, and came into them in that time
    before: int = 0  #: so many of them stand before the cursor that was given
    moved: int = 0  #: left these lists while they were looked at
    forgotten: int = 0  #: of so many the log has not every event any more
    is_exact: bool = True
    cursor: Cursor | None = None

    @property
    def left(self) -> int:
        """So many come after this page. Those that moved meanwhile make it inexact."""
        return 0 if self.cursor is None else max(0, self.of - self.before - self.looked_at)


def find(ledger: Ledger, wanted: Wanted, *, after: Cursor | None, limit: int, most: int | None = None) -> Found:
    """A page of what is wanted. A place in the list, and no record, says where the next page begins: records move.

    `most`: so many are looked at, where that is less than what `Wanted.most` allows.
    """
    most = min(wanted.most, most or wanted.most)
    found = Found(of=_count(ledger, wanted), is_exact=wanted.is_exact)
    found.before = 0 if after is None else found.of - _count(ledger, wanted, after)
    events = Events(ledger.client, ledger.test_clock)
    for listed, cursor in _pages(ledger, wanted, after, _sizes(wanted, limit, most)):
        read = ledger.get_many(_candidates(ledger, wanted, listed), found.unreadable.append)
        records = {record.key: record for record in read}
        told = _told(events, wanted, read, found) if wanted.needs_events else set(records)
        last: Cursor | None = None
        for each in listed:
            record = records.get(each.at.key)
            if record is not None and not wanted.is_where(record):
                found.moved += 1
            elif record is not None and record.key in told and wanted.is_met_by(record):
                if len(found.records) == limit:
                    found.cursor = last
                    return found
                found.records.append(record)
            found.looked_at += 1
            last = each.at
        found.cursor = cursor
        if len(found.records) == limit or found.looked_at >= most:
            break
    return found


def _candidates(ledger: Ledger, wanted: Wanted, listed: Sequence[Listed]) -> list[str]:
    """Which of these are worth a look at the whole record."""
    keys = [each.at.key for each in listed]
    if not (names := wanted.fields):
        return keys
    sound = [key for key in keys if is_key(key)]
    seen = zip(sound, ledger.fields(sound, names), strict=True)
    fields = {key: dict(zip(names, values, strict=True)) for key, values in seen if values is not None}
    return [key for key in keys if wanted.may_be_met_by(fields.get(key))]


def _told(events: Events, wanted: Wanted, records: Sequence[Record], found: Found) -> set[str]:
    """The keys of those whose events, or the decisions in their record, tell what is asked for."""
    met = [record for record in records if wanted.is_where(record) and wanted.is_met_by(record)]
    histories = events.of_many(met)
    found.forgotten += sum(history.trimmed + history.unlisted > 0 for history in histories)
    return {record.key for record, history in zip(met, histories, strict=True) if wanted.is_told_by(record, history)}


def _count(ledger: Ledger, wanted: Wanted, after: Cursor | None = None) -> int:
    """How many are in these lists, or come after this place in them; none of them is looked at."""
    return sum(
        ledger.lists.count(
            state,
            terminal,
            since_ms=wanted.since_ms,
            until_ms=wanted.until_ms,
            after=after,
            newest=wanted.newest,
        )
        for state in wanted.states
        for terminal in ([wanted.terminal] if wanted.terminal else ledger.lists.terminals(state))
    )


def _sizes(wanted: Wanted, limit: int, most: int) -> Iterator[int]:
    """How many are read at a time: few first, since a page may be full soon, and never more than may be looked at."""
    size, left = (limit, 0) if wanted.is_exact else (min(2 * limit, _PAGE), most)
    while wanted.is_exact:
        yield size
    while left > 0:
        yield min(size, left)
        left, size = left - size, min(2 * size, _PAGE)


def _pages(
    ledger: Ledger, wanted: Wanted, after: Cursor | None, sizes: Iterator[int]
) -> Iterator[tuple[Sequence[Listed], Cursor | None]]:
    for size in sizes:
        page = ledger.lists.page(
            wanted.states,
            terminal=wanted.terminal,
            since_ms=wanted.since_ms,
            until_ms=wanted.until_ms,
            after=after,
            limit=size,
            newest=wanted.newest,
        )
        yield page.listed, page.next
        if page.next is None:
            return
        after = page.next


def ends_at(record: Record) -> int:
    """Until when (ms) it waits by itself: a queued one to be sent, a parked one for its client; 0 for any other."""
    return int(getattr(record, _ENDS[record.state])) if record.state in _ENDS else 0


def _may_end_by(fields: Mapping[str, str | None], by_ms: int) -> bool:
    """By the text of its fields; also where one looks broken."""
    name = _ENDS.get(fields.get("state") or "", "")
    text = fields.get(name) or "0"
    return not text.isdecimal() or 0 < int(text) < by_ms


def whys_of(record: Record) -> set[str]:
    """Every word that a list shows for why it is in its state: each finds it again."""
    return {reason_of(record), record.reason, f"code_{record.code}" if record.code else ""} - {""}


def why_text(record: Record) -> str:
    """The bank's code, our reason, and what is behind a reason that says little: `attempts_used_up: token_401`."""
    behind = reason_of(record)
    reason = record.reason if behind in {record.reason, "", f"code_{record.code}"} else f"{record.reason}: {behind}"
    return "; ".join(filter(None, (descriptions.code(record.code), reason, descriptions.archived(record))))


def as_dict(found: Found, totals: Totals) -> dict[str, Any]:
    """For a machine. `total` is of all in those states and terminals, not of this page."""
    return {
        "transfers": [Transfer.of(record).to_json() for record in found.records],
        "unreadable": screen.unreadable_json(found.unreadable),
        "total": [line.to_json() for line in screen.sums(totals)],
        "by_reason": [
            {"reason": word, "total": [line.to_json() for line in screen.sums(those)]}
            for word, those in totals.by_reason()
            if word
        ],
        "looked_at": found.looked_at,
        "of": found.of,
        "before": found.before,
        "left": found.left,
        "moved_meanwhile": found.moved,
        "without_all_events": found.forgotten,
        "cursor": None if found.cursor is None else str(found.cursor),
    }


def last_words(found: Found, *, is_typed: bool = True) -> list[str]:
    """What is not on the page, and how to see it: a sentence each. Only a look at all says that none is there.

    `is_typed`: with the option that goes on; a page has a link for it.
    """
    said = []
    if found.cursor is None and not found.records and not found.unreadable:
        said.append(_none(found))
    if found.moved:
        said.append(f"{found.moved} moved to another list while this one was read: look again to see where.")
    if found.forgotten:
        said.append(f"Of {number(found.forgotten)} looked at, the log does not keep every event any more.")
    if found.cursor is not None:
        so_far = number(found.before + found.looked_at)
        more = "More follow" if found.is_exact else "There may be more"
        go_on = f" Go on with --cursor {found.cursor}" if is_typed else ""
        said.append(f"{more}: looked at {so_far} of {number(found.of)}.{go_on}")
    return said


def _none(found: Found) -> str:
    if found.before:
        return f"No more from this cursor on, where {number(found.looked_at)} were looked at; before it may be some."
    if found.looked_at < found.of:
        return f"None was found among {number(found.looked_at)}; others moved meanwhile: look again."
    return "No transfer is like that: all of them were looked at."


def number(count: int) -> str:
    """`88,000`."""
    return f"{count:,}"
