"""The outcomes of a group that were set aside: its backend's handler failed at each delivery. They are kept."""

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ops.aside_rows import why_aside
from epay_transfers.ops.console import links
from epay_transfers.ops.console.typed_values import page_of
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.producers.validators import is_reference

_ROWS = 50


def outcomes(visit: Visit) -> Response:
    group, number = visit.request.path_params["group"], page_of(visit.request.query_params)
    if not is_reference(group):
        raise HTTPException(404)
    start = (number - 1) * _ROWS
    rows, of = visit.context.outcomes_aside.of_group(group, start=start, limit=_ROWS)
    return visit.page(
        "outcomes.html", f"Outcomes that were set aside: {group}",
        rows=rows, of=of, first=start + 1, why_aside=why_aside, group=group,
        replays=visit.context.outcomes_aside.replays(),
        earlier=links.outcomes(group, page=number - 1) if number > 1 else "",
        later=links.outcomes(group, page=number + 1) if number * _ROWS < of else "",
    )  # fmt: skip


ROUTES = [Route("/outcomes/{group}", page(outcomes))]
