"""For Flask: `app.register_blueprint(blueprint(web), url_prefix="/transfers")`, and `answer_rejections(app)`."""

import io
from collections.abc import Callable

from flask import Blueprint, Flask, Response, jsonify
from flask import request as incoming
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException

from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.web.exchange import BODY_BYTES, Request
from epay_transfers.producers.web.rejections import rejection
from epay_transfers.producers.web.tier import ROUTES, Route, Web

#: Flask wants the methods named; which of them a route takes is decided in the core.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

#: Where the body is kept for our view, in the request's environment.
_KEPT = "epay_transfers.kept_body"


def blueprint(web: Web) -> Blueprint:
    """The routes, for `app.register_blueprint`. Doubled slashes are 404: the redirect would follow the Host header."""
    made = Blueprint("transfers", __name__)
    made.record(_read_first)
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
            incoming.environ[_KEPT],
            incoming.headers.get("content-length", ""),
            incoming.path,
        )
        reply = web.answer(route, name, request)
        return Response(reply.body, reply.status, dict(reply.headers))

    return view


def _read_first(state: BlueprintSetupState) -> None:
    """Before each function that the application gives to `before_request`, those of earlier lines too.

    Werkzeug keeps no bytes of a form that it parses, and drops what is not UTF-8.
    """
    name = f"{state.name_prefix}.{state.name}".lstrip(".")

    def keep_body() -> None:
        if incoming.blueprint == name:
            incoming.environ[_KEPT] = _body()

    state.app.before_request_funcs.setdefault(None, []).insert(0, keep_body)


def _body() -> bytes | None:
    """The application can read it once more, by whatever way. Of one that is too long it gets the beginning."""
    try:
        body = incoming.stream.read(BODY_BYTES + 1)
    except HTTPException:  # the client has gone, or the app allows less
        return None
    incoming.stream = io.BytesIO(body)
    return body if len(body) <= BODY_BYTES else None
