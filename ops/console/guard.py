"""What every request passes: the host and origin that are set, a proved person, and for a form a token of this page.

A browser sends a proxy's sign-in, or a client's certificate, with other sites' forms as well. So each form has a token
that is bound to the person and to a cookie (SameSite=Strict), and its Origin is this console's. Every answer forbids to
keep it, to frame it, and to load or run what is not this console's own.
"""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from epay_transfers.ops.console.identity import Identity, NotProved
from epay_transfers.ops.console.people import ANYONE, People, Person

COOKIE = "transfers-console"
TOKEN_FIELD = "csrf"  # noqa: S105 - its name

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_READS = frozenset({"GET", "HEAD"})


class Guard:
    """ASGI middleware. It leaves `person` and `csrf` in the request's state."""

    def __init__(
        self, app: ASGIApp, *, identity: Identity | None, people: People, origins: frozenset[str], is_secure: bool
    ) -> None:
        """`origins`: by which people open it. `is_secure`: they open it by https."""
        self._app, self._identity, self._people = app, identity, people
        self._origins, self._is_secure = origins, is_secure
        self._hosts = frozenset(urlsplit(origin).netloc for origin in origins)
        self._secret = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookie = request.cookies.get(COOKIE, "")
        fresh = "" if len(cookie) == _COOKIE_LENGTH else secrets.token_urlsafe(_COOKIE_BYTES)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if fresh:
                    secure = "; Secure" if self._is_secure else ""
                    headers.append("Set-Cookie", f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Strict{secure}")
            await send(message)

        refusal = self._refusal(request, cookie or fresh)
        if isinstance(refusal, Response):
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, request: Request, cookie: str) -> Response | None:
        if request.headers.get("host") not in self._hosts:
            return _said(421, "This is not the name of this console: open it by CONSOLE_ORIGIN.")
        if request.method not in _READS and request.headers.get("origin") not in self._origins:
            return _said(403, "This form comes from another site: nothing was done.")
        try:
            person = self._person(request)
        except NotProved as error:
            return _said(401, f"You are not known here: {error}.")
        if person is None:
            return _said(403, "You are known, and CONSOLE_PEOPLE does not name you: ask the console's administrator.")
        request.state.person = person
        request.state.csrf = self._token(cookie, person)
        return None

    def _person(self, request: Request) -> Person | None:
        if self._identity is None:
            return ANYONE
        return self._people.by_name.get(self._identity.name_of(request))

    def _token(self, cookie: str, person: Person) -> str:
        return hmac.new(self._secret, f"{cookie} {person.name}".encode(), hashlib.sha256).hexdigest()


_COOKIE_BYTES = 24
_COOKIE_LENGTH = 32


def is_of_this_page(request: Request, token: str) -> bool:
    """Has the form the token that the page with it was given, for this person in this browser?"""
    return hmac.compare_digest(token.encode(), request.state.csrf.encode())


def _said(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status)
