"""Lists of transfers for a producer, by state and terminal, a page at a time: from the same lists as operators have.

One page is one bounded look. Transfers move while it is read, so it may hold fewer than were asked for, or none, though
more follow: the cursor alone says that there is nothing more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from epay_transfers.ledger.errors import RecordUnreadable, WrongCall
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.lists import Cursor
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.producers.context import Context
from epay_transfers.producers.errors import IntentRejected

#: So many transfers may be asked for in one page.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """A page of `Transfers.list`. The list has ended where `cursor` is None, and only there: `items` may be empty."""

    items: tuple[Transfer, ...]  #: as of now, in the order of the list
    cursor: str | None  #: for the next call, which goes on behind this page; None: there is nothing more
    unreadable: tuple[str, ...] = ()  #: the keys of those on this page whose record this version can't read


def page(
    context: Context,
    states: Sequence[State | str],
    *,
    terminal: str | None,
    newest: bool,
    limit: int,
    cursor: str | None,
) -> Page:
    """As `Transfers.list` says."""
    wanted = _states(states)
    if type(limit) is not int or not 1 <= limit <= MOST:  # True is one as well
        raise WrongCall(f"limit: give a number from 1 to {MOST}")
    after = None if cursor is None else Cursor.from_text(cursor)
    settings = context.must_be_producer("lists no transfers")
    lists = context.ledger.lists
    if (
        terminal is not None
        and settings.space_of(terminal) is None  # it may have been taken out of the settings
        and not any(terminal in lists.terminals(state) for state in wanted)
    ):
        raise IntentRejected("terminal", "no settings and no such transfer know it")
    found = lists.page(wanted, terminal=terminal, after=after, limit=limit, newest=newest)
    unreadable: list[RecordUnreadable] = []
    records = context.ledger.get_many(list(dict.fromkeys(found.keys)), unreadable.append)
    records = [record for record in records if record.state in wanted]  # the others moved meanwhile
    contradicted = context.ledger.contradicted_among(records)
    return Page(
        items=tuple(Transfer.of(record, is_contradicted=record.key in contradicted) for record in records),
        cursor=None if found.next is None else str(found.next),
        unreadable=tuple(error.key for error in unreadable),
    )


def _states(given: Sequence[State | str]) -> Collection[State]:
    """Raises `TypeError`. None given: all."""
    try:
        return frozenset(map(State, given)) or frozenset(State)
    except ValueError:
        raise WrongCall("list takes states, each as an argument of its own: list(State.PARKED, State.DEAD)") from None
