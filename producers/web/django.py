"""For Django: `path("transfers/", include(urls(web)))`. Where others post (return, notification) CSRF is not asked."""

from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.http.request import UnreadablePostError
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.producers.web.exchange import BODY_BYTES, Request
from epay_transfers.producers.web.tier import ROUTES, Route, Web

#: The bank's page posts to the one and the bank to the other: neither can know a token of ours.
_POSTED_BY_OTHERS = frozenset({Route.RETURN, Route.NOTIFY})


def urls(web: Web | Callable[[], Web]) -> list[URLPattern]:
    """The routes, for Django's `include`. A function that gives the web tier is called at each request."""
    ask = web if callable(web) else lambda: web
    return [path(f"{place}<str:name>", _view(ask, route), name=f"transfers-{route}") for route, place in ROUTES.items()]


def _view(web: Callable[[], Web], route: Route) -> Callable[..., HttpResponse]:
    @clear_frames_on_error
    def view(incoming: HttpRequest, name: str) -> HttpResponse:
        request = Request(
            str(incoming.method),
            incoming.headers.get("content-type", ""),
            incoming.headers.get("accept-language", ""),
            _body(incoming),
            incoming.headers.get("content-length", ""),
            incoming.path_info,
        )
        reply = web().answer(route, name, request)
        return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))

    exempt: Callable[..., HttpResponse] = csrf_exempt(view)
    return exempt if route in _POSTED_BY_OTHERS else view


def _body(incoming: HttpRequest) -> bytes | None:
    """Where a middleware has asked for `body` or `POST` before us, Django keeps the bytes."""
    try:
        body: bytes = incoming.read(BODY_BYTES + 1)
        with suppress(RawPostDataException):  # none are kept: we are the first
            body = incoming.body
    except UnreadablePostError:
        return None
    return body if len(body) <= BODY_BYTES else None
