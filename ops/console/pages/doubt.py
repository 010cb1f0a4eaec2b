"""In doubt and in review: money of which it is not known whether it moved. Those that wait for a person come first."""

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.states import State
from epay_transfers.ops import decisions, descriptions, listing, screen
from epay_transfers.ops.console.acts import new_request_id
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.listing import Wanted

ROWS = 50

_PARTS = (
    (State.NEEDS_REVIEW, "In review: a person says how each ended", "review"),
    (State.IN_DOUBT, "In doubt: the bank is asked by itself", "doubt"),
)


def doubt(visit: Visit) -> Response:
    ledger = visit.context.ledger
    totals = ledger.totals()
    parts = []
    for state, words, name in _PARTS:
        found = listing.find(ledger, Wanted(states=[state]), after=None, limit=ROWS)
        parts.append({
            "name": name, "state": state, "words": words, "found": found, "sums": screen.sums(totals, state),
            "count": totals.of(state).count,
            "standing": {record.key: decisions.standing(record) for record in found.records},
            "last_words": [*listing.last_words(found, is_typed=False)] if found.moved or found.cursor else [],
        })  # fmt: skip
    return visit.page(
        "doubt.html",
        "In doubt and review",
        parts=parts,
        unbelieved=descriptions.unbelieved,
        new_request_id=new_request_id,
    )


ROUTES = [Route("/doubt", page(doubt))]
