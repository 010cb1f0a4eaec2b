"""Lists of transfers by state and every filter that `transfers list` has, and the search box.

A number anywhere leads here, to exactly those that it counts.
"""

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from epay_transfers.ledger.states import State
from epay_transfers.ops import filters, listing, screen
from epay_transfers.ops.console import links
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import cursor_of

_ROWS = 50

_FILTERS = (
    ("terminal", "Terminal"),
    ("why", "Why"),
    ("code", "Bank's code"),
    ("older", "Older than"),
    ("younger", "Younger than"),
    ("amount", "Amount"),
    ("last_four", "Last four digits"),
)


def transfers(visit: Visit) -> Response:
    given = {name: visit.request.query_params.get(name, "").strip() for name, _ in _FILTERS}
    wanted = _wanted(visit, given)
    cursor = visit.request.query_params.get("cursor") or None
    found = listing.find(visit.context.ledger, wanted, after=cursor_of(cursor), limit=_ROWS)
    total = screen.sums(visit.context.ledger.totals().of(*wanted.states, terminal=wanted.terminal))
    following = links.transfers(wanted.states, **given, cursor=str(found.cursor)) if found.cursor else ""
    return visit.page(
        "transfers.html", "Transfers", asked=wanted, given=given, filters=_FILTERS, found=found, total=total,
        is_exact=wanted.is_exact and wanted.since_ms is None and wanted.until_ms is None,
        last_words=listing.last_words(found), next=following,
    )  # fmt: skip


def _wanted(visit: Visit, given: dict[str, str]) -> Wanted:
    states = [_state(text) for text in visit.request.query_params.getlist("state")]
    within = filters.times(given["older"] or None, given["younger"] or None, visit.now_ms)
    return Wanted(
        states=list(dict.fromkeys(states or State)),
        terminal=filters.known_terminal(visit.context, given["terminal"] or None),
        since_ms=within.since_ms,
        until_ms=within.until_ms,
        newest=not states,
        reason=given["why"] or None,
        code=given["code"] or None,
        amount=filters.minor_units(given["amount"] or None),
        last_four=filters.four_digits(given["last_four"] or None),
    )


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Refusal(f"state: give one of {', '.join(State)}") from None


def search(visit: Visit) -> Response:
    """One transfer by any of its names; else a list, by last four digits or amount."""
    record = visit.context.find(visit.request.query_params.get("q", "").strip())
    return RedirectResponse(links.transfer(record.key), 303)


ROUTES = [Route("/transfers", page(transfers)), Route("/search", page(search))]
