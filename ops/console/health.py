"""`/live` and `/ready`, for a supervisor and `transfers probe`: 200 is yes, 503 is no. No transfer is spoken of."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from epay_transfers.ops.console.visit import console_of


def live(_request: Request) -> PlainTextResponse:
    """It answers, and asks no server for it."""
    return PlainTextResponse("ok\n")


def ready(request: Request) -> PlainTextResponse:
    ledger = console_of(request).looks.now().facts.ledger
    if ledger.is_away:
        return PlainTextResponse(f"the ledger can't be asked ({ledger.setting})\n", 503)
    return PlainTextResponse("ok\n")


ROUTES = [Route("/live", live), Route("/ready", ready)]
