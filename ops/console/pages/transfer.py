"""One transfer: what its record says, why it is there, what it waits for, and what may be done."""

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.explaining import explain


def transfer(visit: Visit) -> Response:
    record = visit.context.find(visit.request.path_params["key"])
    told = explain(record, visit.context.events.of(record), None, visit.look.facts)
    return visit.page("transfer.html", record.key, record=record, told=told)


ROUTES = [Route("/transfer/{key}", page(transfer))]
