"""The console's own style and script, under addresses that change with their text: a browser may keep them for ever."""

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_KINDS = {"console.css": "text/css", "console.js": "text/javascript"}
_FOLDER = resources.files("epay_transfers.ops.console") / "static"
_TEXTS = {name: (_FOLDER / name).read_bytes() for name in _KINDS}
_DIGESTS = {name: hashlib.sha256(text).hexdigest()[:12] for name, text in _TEXTS.items()}


def address_of(name: str) -> str:
    return f"/static/{_DIGESTS[name]}/{name}"


def serve(request: Request) -> Response:
    name, digest = request.path_params["name"], request.path_params["digest"]
    if _DIGESTS.get(name) != digest:
        return PlainTextResponse("There is no such file.\n", 404)
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(_TEXTS[name], media_type=_KINDS[name], headers=headers)
