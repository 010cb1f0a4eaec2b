"""For Flask: `app.register_blueprint(blueprint(web), url_prefix="/transfers")`, and `answer_rejections(app)`."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, jsonify
from flask import request as incoming
from werkzeug.exceptions import HTTPException

from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.web.exchange import BODY_BYTES, Request, form_again
from epay_transfers.producers.web.rejections import rejection
from epay_transfers.producers.web.tier import ROUTES, Route, Web

#: Flask wants the methods named; which of them a route takes is decided in the core.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def blueprint(web: Web) -> Blueprint:
    """The routes, for `app.register_blueprint`. Doubled slashes are 404: the redirect would follow the Host header."""
    made = Blueprint("transfers", __name__)
    for route, place in ROUTES.items():
        made.add_url_rule(
            f"/{place}<name>",
            str(route),
            _view(web, route),
            methods=_METHODS,
            provide_automatic_options=False,
            merge_slashes=False,
        )
    return made


def answer_rejections(app: Flask) -> None:
    """Let the app answer a rejected intent with 422, its field and the reason. The values of the intent stay out."""

    @app.errorhandler(IntentRejected)
    def answer(error: IntentRejected) -> tuple[Response, int]:
        status, body = rejection(error)
        return jsonify(body), status


def _view(web: Web, route: Route) -> Callable[[str], Response]:
    @clear_frames_on_error
    def view(name: str) -> Response:
        request = Request(
            incoming.method,
            incoming.headers.get("content-type", ""),
            incoming.headers.get("accept-language", ""),
            _body(),
            incoming.headers.get("content-length", ""),
        )
        reply = web.answer(route, name, request)
        return Response(reply.body, reply.status, dict(reply.headers))

    return view


def _body() -> bytes | None:
    """Where the application has read it before us (`before_request`), what Flask keeps: the bytes, or the form."""
    try:
        body = incoming.stream.read(BODY_BYTES + 1)
        body = body or incoming.get_data() or form_again(incoming.form.items(multi=True))
    except HTTPException:  # the client has gone, or the app allows less
        return None
    return body if len(body) <= BODY_BYTES else None
