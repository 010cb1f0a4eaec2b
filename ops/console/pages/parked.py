"""Parked: what waits for a client's answer to 3-D Secure, until when, and how many end soon."""

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.states import State
from epay_transfers.ops import listing, screen
from epay_transfers.ops.console import links
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.options import cursor_of

ROWS = 50

#: As the overview's facts look for it (`facts.STALE_MS`).
_SOON = "5min"


def parked(visit: Visit) -> Response:
    facts = visit.look.facts
    cursor = visit.request.query_params.get("cursor") or None
    found = listing.find(visit.context.ledger, Wanted(states=[State.PARKED]), after=cursor_of(cursor), limit=ROWS)
    totals = visit.context.ledger.totals().of(State.PARKED)
    return visit.page(
        "parked.html",
        "Parked",
        found=found,
        count=totals.count,
        total=screen.sums(totals),
        is_known=facts.deadlines is not None,
        deadlines=(facts.deadlines or {}).get(State.PARKED),
        soon=links.transfers([State.PARKED], ends=_SOON),
        last_words=listing.last_words(found, is_typed=False) if found.cursor or found.moved else [],
        next=f"/parked?cursor={found.cursor}" if found.cursor else "",
    )


ROUTES = [Route("/parked", page(parked))]
