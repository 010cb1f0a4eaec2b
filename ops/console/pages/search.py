"""The search box: a text is sent in a form's body, and never stands in an address.

A browser keeps addresses in its history, and a proxy in its log: so whatever is typed, a pasted card number too, is in
neither. One hit leads on to the page of its transfer, whose address holds the key alone; several, none, or a text that
may be several things are shown at once. By an address alone nothing is searched.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from epay_transfers.ledger.states import State
from epay_transfers.ops import search
from epay_transfers.ops.console import links
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.exit_status import Refusal


async def asked(request: Request) -> Response:
    """Of a form. It reads only, so it needs no token of a page; the guard has refused what another site sends.

    A refusal is a page as any other: a browser takes another status for a broken address.
    """
    text = (await request.form()).get("q", "")
    return await run_in_threadpool(page(lambda visit: _found(visit, text if isinstance(text, str) else "")), request)


def _found(visit: Visit, text: str) -> Response:
    try:
        searched = search.search(visit.context.ledger, text)
    except Refusal as error:
        return visit.page("search.html", "Search", searched="", result=None, sentence=f"{error}")
    if (only := searched.only) is not None:
        return RedirectResponse(links.transfer(only.key), 303)
    shown = {look.what: links.transfers((), **look.filters) for look in searched.looks if look.filters}
    return visit.page(
        "search.html", "Search", searched=searched.text, result=searched, sentence="", lists=shown, states=list(State)
    )


def empty(visit: Visit) -> Response:
    return visit.page("search.html", "Search", searched="", result=None, sentence="")


ROUTES = [
    Route("/search", asked, methods=["POST"]),
    Route("/search", page(empty), methods=["GET"]),
]
