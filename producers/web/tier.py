"""The web tier: which reply each route gives. All of its decisions are here, and no framework.

The return is a claim and the notification a hint: neither moves money. What a client is shown is what the ledger says;
what it may open is bound to its handle, which is unguessable. Addresses come from the settings, never from a request.
"""

import functools
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from epay_transfers.ledger import posted_form
from epay_transfers.ledger.errors import TransfersError, WrongCall
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.tracebacks import clear_frames_on_error, described
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.producers.challenge import PaymentPage
from epay_transfers.producers.confirm import Verdict
from epay_transfers.producers.errors import IntentRejected, NotFound
from epay_transfers.producers.notify import NOTIFICATION_FIELDS, SECURE_2_FIELDS, invoice_id_of
from epay_transfers.producers.settings import WebSettings
from epay_transfers.producers.transfers import Transfers
from epay_transfers.producers.web.exchange import Reply, Request
from epay_transfers.producers.web.look import PLAIN_LOOK, Look
from epay_transfers.producers.web.pages import Button, host_names, page, redirect_page
from epay_transfers.runtime.sentry import without_request
from epay_transfers.runtime.settings import SettingsWrong
from epay_transfers.runtime.web_addresses import Places

_LOG = logging.getLogger(__name__)


class Route(StrEnum):
    """The addresses of the web tier, below where it is mounted."""

    PAY = "pay"  #: where a client is sent: progress, then the bank's 3-D Secure page
    RETURN = "3ds"  #: where the bank's page sends the client's browser back
    RESULT = "result"  #: the outcome
    NOTIFY = "notify"  #: where the bank posts its notifications


#: Below where the web tier is mounted: a route, and a name (the transfer's handle, or the notification's secret).
ROUTES = {route: f"{route}/" for route in Route}

_METHODS = {
    Route.PAY: ("GET", "HEAD"),
    Route.RETURN: ("POST", "GET", "HEAD"),
    Route.RESULT: ("GET", "HEAD"),
    Route.NOTIFY: ("POST",),
}

#: The client's answer, as the contract names it.
_ANSWER = ("PaRes", "MD")

_BODY_GONE = "the application has read the request's body before this route; docs/web.md, 'The application reads first'"

#: What may stand before the first sign of JSON: blanks, and the marks of an encoding.
_BEFORE_JSON = b" \t\r\n\xef\xbb\xbf\xfe\xff\x00"

#: What a client is shown of a state. In the others a worker is at it.
_PAGES = {
    State.PAID: "paid",
    State.DECLINED: "declined",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
    State.REVERSED: "reversed",
    State.IN_DOUBT: "doubt",
    State.NEEDS_REVIEW: "doubt",
    State.DEAD: "doubt",
}


class Web:
    """The web tier's core. An adapter mounts it: `producers.web.starlette`, `.django` or `.flask`."""

    def __init__(
        self,
        transfers: Transfers,
        places: Places | Callable[[], Places],
        *,
        acs_hosts: Collection[str] = (),
        home: str = "/",
        look: Look = PLAIN_LOOK,
    ) -> None:
        """`places`: the addresses of the routes, or what says them once they are needed. `acs_hosts`: the only hosts
        that a client is sent to for 3-D Secure, if any are named. `home`: where the way home of each page leads, and an
        outcome's button for intents without links of their own; empty: there is none. `look`: the merchant's. Raises
        `WrongCall` for another `home` than an http address or a path, and for a host that can't be one.
        """
        check_home(home)
        self.transfers = transfers
        self._say_places = places if callable(places) else lambda: places
        self._acs_hosts = host_names(acs_hosts)
        self._home = home
        self._look = look
        self._problems_said = ""  #: of the settings
        self._mount_said = ""  #: the one that does not fit the base address
        self._takers: Mapping[Route, Callable[[str, Request], Reply]] = {
            Route.PAY: self._pay,
            Route.RETURN: self._return,
            Route.RESULT: self._result,
            Route.NOTIFY: self._notify,
        }

    @classmethod
    @clear_frames_on_error
    def from_env(
        cls,
        settings: WebSettings | Callable[[], WebSettings] | None = None,
        *,
        acs_hosts: Collection[str] = (),
        home: str = "/",
        look: Look = PLAIN_LOOK,
        env_file: str | Path | None = None,
    ) -> Self:
        """With a `Transfers` of its own, which enqueues nothing: give `ProducerAndWebSettings.load()` to a process that
        is a backend, too. It connects to nothing: the first request does, or `check`.

        A function, like `ProducerAndWebSettings.load` without its parentheses, is called at the first request: so a
        build that has no settings can import and mount it. Raises what `Transfers.from_env` raises.
        """
        if settings and env_file:
            raise WrongCall("give settings, or the env_file to read them from")
        if isinstance(settings, str | Path):
            raise WrongCall("settings: a file is given by its name, env_file=...")
        if callable(settings):
            load = functools.cache(settings)
            return cls(Transfers.from_env(load), lambda: load().places, acs_hosts=acs_hosts, home=home, look=look)
        settings = settings or WebSettings.load(env_file=env_file)
        return cls(Transfers.from_env(settings), settings.places, acs_hosts=acs_hosts, home=home, look=look)

    @clear_frames_on_error
    def check(self) -> None:
        """Look at the settings and the servers now. Raises what `Transfers.check` raises."""
        self._say_places()
        self.transfers.check()

    @clear_frames_on_error
    def answer(self, route: Route | str, name: str, request: Request) -> Reply:
        """The reply of a route to a name: a handle, or the notification's secret.

        It raises nothing but `WrongCall`, for a route that is none: what no code expected is `web.broke` in the log,
        with its places, and a page with 500. So it is in no framework's page for errors, and the request is in no
        report of one.
        """
        if route not in list(Route):
            raise WrongCall(f"route: give one of {', '.join(Route)}")
        allowed = _METHODS[Route(route)]
        if request.method not in allowed:
            return Reply.text(405, "method not allowed\n", {"Allow": ", ".join(allowed)})
        if request.is_body_gone:
            log_line(_LOG.error, "web.body_gone", "The route %(route)s: %(hint)s", route=str(route), hint=_BODY_GONE)
        with without_request():
            reply = self._answer(Route(route), name, request)
        return reply.without_body() if request.method == "HEAD" else reply

    @property
    def _places(self) -> Places:
        return self._say_places()

    def _answer(self, route: Route, name: str, request: Request) -> Reply:
        try:
            return self._takers[route](name, request)
        except NotFound:
            too_many = self._is_guessing(route)
            return too_many or self._page("unknown", request, status=404)
        except SettingsWrong as error:
            problems = "; ".join(error.lines)
            if problems != self._problems_said:  # once, and as it changes: each request meets them
                self._problems_said = problems
                log_line(
                    _LOG.critical,
                    "web.settings_wrong",
                    "The routes answer 503, since settings are missing or wrong: %(problems)s",
                    problems=problems,
                )
            status = 503
        except TransfersError as error:
            log_line(
                _LOG.warning,
                "web.away",
                "The route %(route)s answers 503, 'try again': %(why)s",
                route=str(route),
                why=getattr(error, "why", "") or str(error),
            )
            status = 503
        except Exception as error:  # noqa: BLE001 - its frames and its text may hold what the client's browser brought
            kind, places = described(error)
            log_line(
                _LOG.error,
                "web.broke",
                "The route %(route)s answers 500: it raised an unexpected %(why)s at %(places)s",
                route=str(route),
                why=kind,
                places=", ".join(places),
            )
            status = 500
        if route is Route.NOTIFY:
            return Reply.text(status, "try again\n")
        return self._page("away", request, status=status)

    def _pay(self, handle: str, request: Request) -> Reply:
        """Progress, then the bank's form, or on to the outcome."""
        visit = self.transfers.visit(handle)
        self._compare_mount(request.path, f"/{Route.PAY}/{handle}")
        if visit.transfer.state in _PAGES:
            return Reply.to(self._places.result(handle))
        if visit.challenge is None:
            return self._page("waiting", request, transfer=visit.transfer)
        return redirect_page(
            visit.challenge,
            term_url=self._places.term_url(handle),
            languages=request.languages,
            transfer=visit.transfer,
            acs_hosts=self._acs_hosts,
            look=self._look,
            home=self._home,
        )

    def _page(
        self,
        name: str,
        request: Request,
        *,
        status: int = 200,
        transfer: Transfer | None = None,
        button: Button | None = None,
    ) -> Reply:
        return page(
            name,
            languages=request.languages,
            status=status,
            transfer=transfer,
            button=button,
            look=self._look,
            home=self._home,
        )

    def _compare_mount(self, path: str, end: str) -> None:
        """The bank's page posts below the base address: that must be an address at which these routes are mounted.

        A proxy may take the beginning of a path away, so the base address may have more than the mount; never less.
        """
        mount, base = path.removesuffix(end), urlsplit(self._places.base_url).path
        if base.endswith(mount) or mount in {path, self._mount_said}:
            return
        self._mount_said = mount  # once: each request meets it
        log_line(
            _LOG.error,
            "web.base_url_path",
            "WEB_BASE_URL: its path is %(base)s, and the routes are mounted at %(mount)s: the bank's page sends the "
            "client's browser to where no route is. End WEB_BASE_URL with %(mount)s",
            base=base or "empty",
            mount=mount,
        )

    def _return(self, handle: str, request: Request) -> Reply:
        """The client's browser comes back from the bank's page. Whatever it brings, the truth is shown at `result`."""
        key = self.transfers.visit(handle).transfer.key
        if request.method != "POST":  # reloaded, or opened from the history
            return Reply.to(self._places.result(handle))
        status = self._take(key, handle, request)
        if status == 303:
            return Reply.to(self._places.result(handle))
        log_line(
            _LOG.warning,
            "return.unreadable",
            "What the client's browser brought back for %(key)s could not be used: HTTP %(http_status)s",
            key=key,
            http_status=status,
        )
        button = Button("start", self._places.pay(handle))
        return self._page("unreadable", request, status=status, button=button)

    def _take(self, key: str, handle: str, request: Request) -> int:
        """The HTTP status for what was brought: 303 if it could be read, whether or not it still counts."""
        if request.body is None:
            return 413
        if not posted_form.is_form(request.content_type):
            return 415
        fields = posted_form.read(request.body, (*_ANSWER, *SECURE_2_FIELDS), any_case=_ANSWER)
        if fields.get("PaRes") and fields.get("MD"):
            try:
                verdict = self.transfers.confirm(md=fields["MD"], pa_res=fields["PaRes"], handle=handle)
            except IntentRejected:
                return 400
            if verdict is Verdict.UNKNOWN:
                log_line(
                    _LOG.warning,
                    "return.foreign_md",
                    "The MD that the client's browser brought back for %(key)s is not this transfer's: it is refused",
                    key=key,
                    security=True,
                )
                return 429 if self._is_guessing(Route.RETURN) else 400
        elif sizes := {name: len(fields[name]) for name in SECURE_2_FIELDS if name in fields}:
            self.transfers.three_ds2_returned(handle, sizes)
        else:
            return 400
        return 303

    def _result(self, handle: str, request: Request) -> Reply:
        """On to the intent's own link once it is final; until then, and without a link, a page of ours."""
        visit = self.transfers.visit(handle)
        if link := _link(visit):
            return Reply.to(link)
        name, button = _PAGES.get(visit.transfer.state, "waiting"), None
        if _is_contradicted(visit):
            name = "doubt"
        if visit.challenge is not None:  # a button, and not at once: a page that keeps sending clients back would loop
            name, button = "unconfirmed", Button("continue", self._places.pay(handle))
        elif visit.transfer.final and self._home:
            button = Button("home", self._home)
        return self._page(name, request, transfer=visit.transfer, button=button)

    def _is_guessing(self, route: Route) -> Reply | None:
        """After a handle, an MD or an address that is none: the reply, if too many of them came this minute.

        What is known is answered all the same, so no honest client is locked out by another's guesses.
        """
        try:
            if not self.transfers.is_guessing():
                return None
        except TransfersError:
            return None  # it can't be counted: the wrong one is answered as ever
        log_line(
            _LOG.warning,
            "web.guessing",
            "Too many unknown addresses were asked for within a minute: the route %(route)s answers 429",
            route=str(route),
            security=True,
        )
        return Reply.text(429, "too many unknown addresses: wait a minute\n", {"Retry-After": "60"})

    def _notify(self, secret: str, request: Request) -> Reply:
        """The bank's notification: whatever it is about, it is answered fast and the same."""
        if not (known := self._places.notify_secret) or Secret(secret) != known:
            return self._is_guessing(Route.NOTIFY) or Reply.text(404, "not found\n")
        payload = _payload(request)
        if payload is None:
            log_line(
                _LOG.warning,
                "notify.unreadable",
                "What came to the notification's address is no notification: 400 (bytes: %(bytes)s; -1: too many)",
                bytes=-1 if request.body is None else len(request.body),
            )
            return Reply.text(400, "not a notification\n")
        notified = self.transfers.notify(payload)
        log_line(
            _LOG.info,
            "notify.taken",
            "A notification of the bank came for the invoice id %(invoice_id)s: %(answer)s",
            invoice_id=invoice_id_of(payload) or "(none)",
            answer=str(notified),
        )
        return Reply.text(200, "ok\n")


def check_home(home: str) -> None:
    """Raises `WrongCall` for what can't be led to."""
    if home and not re.match(r"https?://[^/]|/(?![/\\])", home):
        raise WrongCall("home: must be an http address, or a path that begins with one slash")


def _link(visit: PaymentPage) -> str:
    """The intent's own, for an outcome that is final: only `paid` is a success."""
    if not visit.transfer.final or _is_contradicted(visit):
        return ""
    return visit.back_link if visit.transfer.state is State.PAID else visit.failure_back_link


def _is_contradicted(visit: PaymentPage) -> bool:
    """It ended, and the bank says otherwise since: its client is to pay nothing again."""
    return visit.transfer.final and visit.transfer.money is Money.UNKNOWN


def _payload(request: Request) -> Mapping[str, Any] | None:
    """JSON, numbers as they were written; or a form. Which of them it is, its first sign says, and no content type.

    Of JSON everything is read, so that its fields may be of any kind; a name that comes with two values is none.
    """
    if request.body is None:
        return None
    if not request.body.lstrip(_BEFORE_JSON).startswith((b"{", b"[")):
        return posted_form.read(request.body, NOTIFICATION_FIELDS) or None
    try:
        read = _json(request.body)
    except UnicodeDecodeError:
        read = _json(posted_form.decoded(request.body).encode())
    return read if isinstance(read, dict) else None


def _json(body: bytes) -> object:
    """None for what is no JSON. Raises `UnicodeDecodeError`. Raw tabs and line breaks in a text are taken."""
    try:
        return json.loads(
            body,
            parse_float=str,
            parse_int=str,
            parse_constant=str,
            object_pairs_hook=_without_doubled_names,
            strict=False,
        )
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError):
        return None


def _without_doubled_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python's own reader takes the last one, another reader may take the first. Equal values are one value."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: first for name, (first, *others) in values.items() if all(other == first for other in others)}
