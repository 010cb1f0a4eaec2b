"""What operators did, by person and by verb, and the requests that wait in each inbox."""

from collections import Counter
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import descriptions, listing, screen
from epay_transfers.ops.console import links
from epay_transfers.ops.console.typed_values import page_of
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.operator_acts import MOST_ACTS, Acts, OperatorActs, operator_of

_ROWS = 50


def _acts_of(request: Request, visit: Visit) -> OperatorActs:
    """One for the console: it keeps what it has read."""
    state = request.app.state
    if not hasattr(state, "operator_acts"):
        state.operator_acts = OperatorActs(visit.context.events)
    return cast("OperatorActs", state.operator_acts)


def acts(visit: Visit) -> Response:
    known = _acts_of(visit.request, visit).now()
    asked = visit.request.query_params
    person, verb, number = asked.get("person", ""), asked.get("verb", ""), page_of(asked)
    found = known.of(person, verb)
    counts = known.counts()
    people, verbs = Counter[str](), Counter[str]()
    for (each, what), count in counts.items():
        people[each] += count
        verbs[what] += count
    rows = found[(number - 1) * _ROWS : number * _ROWS]
    return visit.page(
        "operator_acts.html", "Operators' acts",
        person=person, verb=verb, people=people, verbs=verbs, counts=counts,
        rows=rows, of=len(found), first=(number - 1) * _ROWS + 1, known=known, operator_of=operator_of,
        happened=descriptions.happened, how_far=_how_far(known), requests=visit.look.facts.requests,
        earlier=links.acts(person=person, verb=verb, page=number - 1) if number > 1 else "",
        later=links.acts(person=person, verb=verb, page=number + 1) if number * _ROWS < len(found) else "",
        label=_label,
    )  # fmt: skip


def _how_far(known: Acts) -> str:
    """What was looked at, and what was not: nothing that was not looked at is called empty."""
    looked = f"Looked at {listing.number(known.looked_at)} events"
    if known.oldest_ms:
        looked += f", back to {screen.when(known.oldest_ms)}"
    if known.is_behind:
        return f"{looked}; newer ones are being read now, and this page shows them then."
    if known.is_whole:
        return f"{looked}: all that the log keeps."
    if len(known.events) == MOST_ACTS:
        return f"{looked}: these are the newest {listing.number(MOST_ACTS)} acts, and there may be older ones."
    return f"{looked}; older ones are being read now, and there may be more."


def _label(event: Event) -> str:
    """The person's name, where that is another than the server user's."""
    return event.fields.get("label", "")


ROUTES = [Route("/acts", page(acts))]
