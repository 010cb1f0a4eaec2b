"""Lists of transfers by state and every filter that `transfers list` has. A number anywhere leads here, to exactly
those that it counts.

A page is 50 rows at the most, and looks at a bounded number of records: it says how many, and goes on from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.totals import COUNTED_BY_REASON, Totals
from epay_transfers.ops import filters, listing, screen, search
from epay_transfers.ops.console import links
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import cursor_of, span_ms

ROWS = 50

#: So many records are looked at for a page, and so many where their events are read: that takes some 30 ms.
MOST_LOOKS = 700
MOST_HISTORIES = 200


#: Counted without a reason, as an address has it.
UNCOUNTED = "none"


@dataclass(frozen=True, slots=True)
class Filter:
    """A field of the form. `longest`: no browser sends a longer text, so that no card number fits where it may be."""

    name: str
    words: str
    longest: int


FILTERS = (
    Filter("terminal", "Terminal", 40),
    Filter("counted", "Counted as", 60),
    Filter("why", "Why, in any word", 60),
    Filter("code", "Bank's code", 8),
    Filter("older", "Older than, like 5min", 8),
    Filter("younger", "Younger than, like 2h, or today", 8),
    Filter("ends", "Ends within, like 5min", 8),
    Filter("amount", "Amount", 15),
    Filter("last_four", "Last four digits", 4),
    Filter("operator", "Operator", 32),
    Filter("verb", "Move, like cancel", 32),
)


@dataclass(frozen=True, slots=True)
class ReasonSum:
    """Of the transfers of these states, those that are counted by this word; `link` leads to exactly these."""

    word: str
    sentence: str
    sums: Sequence[screen.Sum]
    count: int
    link: str


def transfers(visit: Visit) -> Response:
    query = visit.request.query_params
    given = {each.name: query.get(each.name, "").strip() for each in FILTERS}
    if query.get("refused") == "card":  # the guard leads here from any address with a card number in it
        raise Refusal(search.A_CARD)
    states = list(dict.fromkeys(_state(text) for text in query.getlist("state")))
    try:
        wanted = _wanted(visit, states, given)
    except typer.BadParameter as error:
        raise Refusal(error.message) from None
    found = listing.find(
        visit.context.ledger,
        wanted,
        after=cursor_of(query.get("cursor") or None),
        limit=ROWS,
        most=MOST_HISTORIES if wanted.needs_events else MOST_LOOKS,
    )
    totals = visit.context.ledger.totals().of(*wanted.states, terminal=wanted.terminal)
    following = links.transfers(states, **given, cursor=str(found.cursor)) if found.cursor else ""
    return visit.page(
        "transfers.html",
        "Transfers",
        asked=wanted,
        chosen=states,
        given=given,
        filters=FILTERS,
        found=found,
        exact=_exact(wanted, totals),
        by_reason=_by_reason(states, wanted, totals) if states else [],
        last_words=listing.last_words(found, is_typed=False),
        most_typed=listing.number(wanted.most),
        next=following,
    )


def _exact(wanted: Wanted, totals: Totals) -> Totals | None:
    """Those that are meant, counted by the ledger itself; None where it does not count them so."""
    looked_up = (wanted.reason, wanted.code, wanted.amount, wanted.last_four, wanted.ends_by_ms)
    if wanted.needs_events or (*looked_up, wanted.since_ms, wanted.until_ms) != (None,) * 7:
        return None
    return totals if wanted.counted is None else totals.of(reason=wanted.counted)


def _by_reason(states: Sequence[State], wanted: Wanted, totals: Totals) -> list[ReasonSum]:
    return [
        ReasonSum(
            word,
            sentence_of(word) or "no reason is recorded",
            screen.sums(those),
            those.count,
            links.transfers(states, terminal=wanted.terminal, counted=word or UNCOUNTED),
        )
        for word, those in totals.by_reason()
        if word or COUNTED_BY_REASON.issuperset(states)
    ]


def _wanted(visit: Visit, states: Sequence[State], given: Mapping[str, str]) -> Wanted:
    now_ms = visit.now_ms
    within = filters.times(given["older"] or None, given["younger"] or None, now_ms)
    return Wanted(
        states=states or list(State),
        terminal=filters.known_terminal(visit.context, given["terminal"] or None),
        since_ms=within.since_ms,
        until_ms=within.until_ms,
        newest=not states,
        reason=given["why"] or None,
        code=given["code"] or None,
        amount=filters.minor_units(given["amount"] or None),
        last_four=filters.four_digits(given["last_four"] or None),
        counted="" if given["counted"] == UNCOUNTED else given["counted"] or None,
        ends_by_ms=now_ms + span_ms("ends", given["ends"]) if given["ends"] else None,
        operator=given["operator"] or None,
        verb=_verb(given["verb"]),
    )


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Refusal(f"state: give one of {', '.join(State)}") from None


def _verb(text: str) -> Verb | None:
    if not text:
        return None
    found = next((verb for verb in Verb if verb == text), None)
    if found is None:
        raise Refusal(f"verb: give one of {', '.join(Verb)}")
    return found


ROUTES = [Route("/transfers", page(transfers))]
