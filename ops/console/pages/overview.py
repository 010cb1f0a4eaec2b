"""The first page: what is wrong, the money by state, the bank, workers, pauses and servers."""

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.money_rows import money_rows


def overview(visit: Visit) -> Response:
    return visit.page("overview.html", "Overview", money=money_rows(visit.look.facts))


ROUTES = [Route("/", page(overview))]
