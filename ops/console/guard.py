"""What every request passes: the host and origin that are set, a proved person, and for a form a token of this page.

A browser sends a proxy's sign-in, or a client's certificate, with other sites' forms as well. So each form has a token
that is bound to the person and to a cookie (SameSite=Strict), and its Origin is this console's. Every answer forbids to
keep it, to frame it, and to load or run what is not this console's own. What breaks is a sentence, and a line in the
log: no answer has a traceback.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from urllib.parse import unquote_plus, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ops.console.identity import Identity, NotProved
from epay_transfers.ops.console.people import ANYONE, People, Person
from epay_transfers.ops.console.visit import moment_page, sentence_page

_LOG = logging.getLogger(__name__)

#: Where people open it by https, a browser takes the cookie from this very host alone.
COOKIE, SECURE_COOKIE = "transfers-console", "__Host-transfers-console"
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

#: A supervisor asks by the machine's address, and is told nothing of any transfer.
_PROBES = frozenset({"/live", "/ready"})

#: The style of the page that says why there is no page for this person.
_OPEN_TO_ALL = "/static/"

#: Of a form: bytes, and for how long it may come.
_LARGEST_FORM = 65_536
_FORM_S = 10.0

_COOKIE_BYTES = 24
_COOKIE_LENGTH = 32

_SENTENCES = {
    400: "This request can't be read: nothing was done.",
    404: "There is no such page.",
    405: "This address is not for that: nothing was done.",
    408: "The form did not come in time: nothing was done.",
    413: "The form is too large: nothing was done.",
}


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
        self._cookie = SECURE_COOKIE if is_secure else COOKIE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookie = request.cookies.get(self._cookie, "")
        fresh = "" if len(cookie) == _COOKIE_LENGTH else secrets.token_urlsafe(_COOKIE_BYTES)
        has_begun = False

        async def guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if fresh and "person" in scope.get("state", {}):
                    secure = "; Secure" if self._is_secure else ""
                    headers.append("Set-Cookie", f"{self._cookie}={fresh}; Path=/; HttpOnly; SameSite=Strict{secure}")
            await send(message)

        try:
            answer: ASGIApp = self._refusal(request, cookie or fresh) or self._app
            await answer(scope, _limited(request, receive), guarded)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - one page that breaks must not end the console, nor show why
            log_line(_LOG.exception, "console.broken", "A page could not be made: %(path)s.", path=scope["path"])
            if not has_begun:
                text = "This page could not be made, and whether something was done is not known: look at the transfer."
                if request.method in _READS:
                    text = "This page could not be made. Nothing has changed by it."
                broken = sentence_page(500, f"{text} The console's log says why.")
                await broken(scope, receive, guarded)

    def _refusal(self, request: Request, cookie: str) -> Response | None:
        """None: the request may go on."""
        path, reads = request.url.path, request.method in _READS
        if path in _PROBES and reads:
            return None
        if request.headers.get("host", "").lower() not in self._hosts:
            return sentence_page(421, "This is not the name of this console: open it by CONSOLE_ORIGIN.")
        if path.startswith(_OPEN_TO_ALL) and reads:
            return None
        return self._refusal_of_person(request, cookie)

    def _refusal_of_person(self, request: Request, cookie: str) -> Response | None:
        """None: `person` and `csrf` are in the request's state."""
        if request.method not in _READS and request.headers.getlist("origin") not in [
            [origin] for origin in self._origins
        ]:
            return sentence_page(403, "This form comes from another site: nothing was done.")
        try:
            person = self._person(request)
        except NotProved as error:
            return sentence_page(401, f"You are not known here: {error}.")
        if person is None:
            return sentence_page(
                403, "You are known, and CONSOLE_PEOPLE does not name you: ask the console's administrator."
            )
        if _holds_card(request):
            # A browser's history keeps the address that it is led to, and not this one.
            return RedirectResponse("/transfers?refused=card", 303)
        if _comes_from_elsewhere(request) and not request.cookies.get(self._cookie):
            # Without its cookie, which a link of another site leaves out: a new one would end the forms that are open.
            return moment_page(request)
        request.state.person = person
        request.state.csrf = self._token(cookie, person)
        return None

    def _person(self, request: Request) -> Person | None:
        if self._identity is None:
            return ANYONE
        return self._people.by_name.get(self._identity.name_of(request))

    def _token(self, cookie: str, person: Person) -> str:
        return hmac.new(self._secret, f"{cookie} {person.name}".encode(), hashlib.sha256).hexdigest()


def _comes_from_elsewhere(request: Request) -> bool:
    """By a link of another site, as each browser of today says. The page's own refresh is this site's request."""
    told = request.headers
    return (request.method, told.get("sec-fetch-site"), told.get("sec-fetch-mode")) == ("GET", "cross-site", "navigate")


def _holds_card(request: Request) -> bool:
    """A page shows again what was typed into its filters, and a browser keeps addresses."""
    typed = [request.url.path, *request.query_params.values(), *request.query_params.keys()]
    return any(holds_card_number(unquote_plus(text)) for text in typed)


def is_of_this_page(request: Request, token: str) -> bool:
    """Has the form the token that the page with it was given, for this person in this browser?"""
    return hmac.compare_digest(token.encode(), request.state.csrf.encode())


async def in_a_sentence(_request: Request, error: Exception) -> Response:
    """The page in place of the framework's own: no such page, no such way to ask for it, a form that is too large."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    return sentence_page(status, _SENTENCES.get(status, "This can't be shown: nothing was done."), _kept(headers))


def _kept(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (headers or {}).items() if name.lower() == "allow"}


def _limited(request: Request, receive: Receive) -> Receive:
    """A form is small, and comes at once. What reads nothing of it (a page, a stream) waits as long as it likes."""
    if request.method in _READS:
        return receive
    come, ends = 0, asyncio.get_running_loop().time() + _FORM_S

    async def limited() -> Message:
        nonlocal come
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > len(str(_LARGEST_FORM)) or int(length) > _LARGEST_FORM:
            raise HTTPException(413)
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        come += len(message.get("body", b""))
        if come > _LARGEST_FORM:
            raise HTTPException(413)
        return message

    return limited
