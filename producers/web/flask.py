"""For Flask: `app.register_blueprint(blueprint(web), url_prefix="/transfers")`."""

from collections.abc import Callable

from flask import Blueprint, Response
from flask import request as incoming

from epay_transfers.producers.web.exchange import BODY_BYTES, Request
from epay_transfers.producers.web.tier import ROUTES, Route, Web

#: Flask wants the methods named; which of them a route takes is decided in the core.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def blueprint(web: Web) -> Blueprint:
    """The routes, for `app.register_blueprint`."""
    made = Blueprint("transfers", __name__)
    for route, place in ROUTES.items():
        made.add_url_rule(
            f"/{place}<name>", str(route), _view(web, route), methods=_METHODS, provide_automatic_options=False
        )
    return made


def _view(web: Web, route: Route) -> Callable[[str], Response]:
    def view(name: str) -> Response:
        request = Request(
            incoming.method,
            incoming.headers.get("content-type", ""),
            incoming.headers.get("accept-language", ""),
            _body(),
        )
        reply = web.answer(route, name, request)
        return Response(reply.body, reply.status, dict(reply.headers))

    return view


def _body() -> bytes | None:
    body = incoming.stream.read(BODY_BYTES + 1)
    return body if len(body) <= BODY_BYTES else None
