"""For Starlette and FastAPI: `app.mount("/transfers", router(web))`. The servers are asked in the thread pool."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from epay_transfers.ledger.tracebacks import clear_frames_on_async_error
from epay_transfers.producers.web.exchange import BODY_BYTES, Reply, Request
from epay_transfers.producers.web.tier import ROUTES, Route, Web

#: Where `KeepBody` leaves the body, in the request's scope.
_KEPT = "epay_transfers.kept_body"


def router(web: Web) -> Router:
    """The routes, for `app.mount`. A slash behind one is 404: the redirect would go where the Host header says."""
    routes = [Path(f"/{path}{{name}}", _Endpoint(web, route)) for route, path in ROUTES.items()]
    return Router(routes, redirect_slashes=False)


class KeepBody:
    """Middleware for an application whose own middleware calls `request.form()` or `request.stream()` before us:
    `app.add_middleware(KeepBody, path="/transfers")`, after all others, which puts it before them.

    Starlette keeps nothing of these two for a route. `request.body()` and `request.json()` do not need it.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        """`path`: where the routes are mounted in this application, without a root path or the place where the
        application itself is mounted. Of other requests nothing is kept.
        """
        self._app = app
        self._path = path.rstrip("/") + "/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _below(scope, "root_path").startswith(self._path):
            await self._app(scope, receive, send)
            return
        kept = scope[_KEPT] = bytearray()

        async def receive_and_keep() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(kept) <= BODY_BYTES:
                kept.extend(message.get("body", b""))
            return message

        await self._app(scope, receive_and_keep, send)


class _Endpoint:
    """As an ASGI application it is given every method."""

    def __init__(self, web: Web, route: Route) -> None:
        self._web = web
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        coming = self._reply(Incoming(scope, receive))
        del self  # it leads to the settings' secrets, and this frame stays in a traceback
        reply = await coming
        await Response(reply.body, reply.status, dict(reply.headers))(scope, receive, send)

    @clear_frames_on_async_error
    async def _reply(self, incoming: Incoming) -> Reply:
        request = Request(
            incoming.method,
            incoming.headers.get("content-type", ""),
            incoming.headers.get("accept-language", ""),
            await _body(incoming),
            incoming.headers.get("content-length", ""),
            _below(incoming.scope, "app_root_path"),
        )
        return await run_in_threadpool(self._web.answer, self._route, incoming.path_params["name"], request)


def _below(scope: Scope, name: str) -> str:
    """The path below a root path: the server's (`app_root_path`), or this mount's, which contains it (`root_path`)."""
    path: str = scope["path"]
    root = scope.get(name, "").rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def _body(incoming: Incoming) -> bytes | None:
    kept, body = incoming.scope.pop(_KEPT, bytearray()), bytearray()
    try:
        async for chunk in incoming.stream():
            body += chunk
            if len(body) > BODY_BYTES:
                return None
    except ClientDisconnect:  # the client has gone
        return None
    body = max(body, kept, key=len)  # a middleware may have read a part of it
    return bytes(body) if len(body) <= BODY_BYTES else None
