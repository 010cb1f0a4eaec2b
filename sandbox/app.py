"""The sandbox bank as an ASGI application: the four calls, at the bank's paths. Each call takes the same steps:

counted in the books → faults before → a decision → faults after → the answer.
"""

import html
import itertools
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from epay_transfers.sandbox import apply_faults, web
from epay_transfers.sandbox.answers import Answer, encode
from epay_transfers.sandbox.apply_faults import FaultedCall
from epay_transfers.sandbox.book import BookedOrder
from epay_transfers.sandbox.contract import INVOICE
from epay_transfers.sandbox.decisions import Decisions
from epay_transfers.sandbox.faults import Faults, Rule
from epay_transfers.sandbox.fields import FieldError, parse
from epay_transfers.sandbox.notifier import Notifier
from epay_transfers.sandbox.options import ConfirmAnswer, Options
from epay_transfers.sandbox.tokens import TokenError
from epay_transfers.sandbox.wire import Patience

Endpoint = Callable[[Request], Awaitable[Response]]


class SandboxBank:
    """One bank: its decisions, its faults, its routes. `bugs` lists its own errors, for tests."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.decisions = Decisions(options)
        self.faults = Faults(options.faults, seed=options.seed)
        self.patience = Patience()
        self.bugs: list[str] = []
        self._notifier = Notifier()
        self._turns = {"token": itertools.cycle((True, False)), "confirm": itertools.cycle((True, False))}
        self.app = Starlette(
            routes=[*self._routes(), *web.routes(self.decisions, self.faults)],
            exception_handlers={Exception: self._bug, ClientDisconnect: _client_left},
        )

    async def token(self, request: Request) -> Response:
        form = await _read_form(request)
        self.decisions.book.calls["token"] += 1
        invoice = form.get("invoiceID", "") if isinstance(form, dict) else ""
        return await self._through("token", request, invoice, (), lambda _rules: self._issue(form))

    async def transfer(self, request: Request) -> Response:
        body = await _read_json(request)
        terminal, invoice, description = (_peek(body, "order", name) for name in ("terminalId", "id", "description"))
        self.decisions.book.calls["transfer"] += 1
        order = self.decisions.received(terminal, invoice, description)
        if order:
            order.transfers_received += 1
        acs = str(request.base_url.replace(path="/acs"))
        return await self._money(
            "transfer",
            request,
            order,
            invoice,
            lambda: self.decisions.transfer(request.headers.get("authorization", ""), body, invoice, acs),
        )

    async def confirm(self, request: Request) -> Response:
        body = await _read_json(request)
        self.decisions.book.calls["confirm"] += 1
        challenge = self.decisions.challenges.get(_peek(body, "MD"))
        order = challenge.order if challenge else None
        if order:
            order.confirms_received += 1
        invoice = order.invoice if order else ""
        return await self._money(
            "confirm",
            request,
            order,
            invoice,
            lambda: self.decisions.confirm(request.headers.get("authorization", ""), body),
        )

    async def status(self, request: Request) -> Response:
        self.decisions.book.calls["status"] += 1
        invoice = request.path_params["invoice"]
        order = self.decisions.named(invoice)
        return await self._money(
            "status",
            request,
            order,
            invoice,
            lambda: self.decisions.status(request.headers.get("authorization", ""), invoice),
        )

    async def _money(
        self, call: str, request: Request, order: BookedOrder | None, invoice: str, decide: Callable[[], Answer]
    ) -> Response:
        def answer(rules: list[Rule]) -> Response:
            decided = decide()
            if decided.notification and self.options.notify:
                self._notifier.post(decided.notification)
            apply_faults.distort(rules, decided)
            return self._render(decided)

        return await self._through(call, request, invoice, order.directives.rules if order else (), answer)

    async def _through(
        self, call: str, request: Request, invoice: str, own: Iterable[Rule], act: Callable[[list[Rule]], Response]
    ) -> Response:
        rules = self.faults.take(call, invoice, own)
        faulted = FaultedCall(call, str(request.url), self.patience)
        instead = await apply_faults.before(rules, faulted)
        answer = instead or await apply_faults.after(rules, faulted, act(rules))
        if self.options.on_call:
            self.options.on_call(call, invoice if INVOICE.fullmatch(invoice) else "", answer.status_code)
        return answer

    def _issue(self, form: dict[str, str] | TokenError) -> Response:
        issued = self.decisions.token(form)
        if isinstance(issued, TokenError):
            return JSONResponse({"error": issued.error, "error_description": str(issued)}, issued.status)
        token, scope = issued
        ttl: int | str = self.options.token_ttl_s
        style = self.options.expires_in
        if style == "string" or (style == "alternate" and not next(self._turns["token"])):
            ttl = str(ttl)
        return JSONResponse(
            {"access_token": token, "expires_in": ttl, "refresh_token": "", "scope": scope, "token_type": "Bearer"}
        )

    def _render(self, answer: Answer) -> Response:
        if not answer.page:
            return Response(encode(answer.document), answer.status, media_type="application/json")
        form = answer.form or self._confirm_form()
        address = answer.address(form)
        match form:
            case "body":
                return PlainTextResponse(address)
            case "url":
                return JSONResponse({"url": address})
            case "string":
                return JSONResponse(address)
            case "html":
                head = f'<meta http-equiv="refresh" content="0;url={html.escape(address)}">'
                return HTMLResponse(f"<html><head>{head}</head></html>")
            case _:
                return Response(status_code=answer.status, headers={"location": address})

    def _confirm_form(self) -> ConfirmAnswer:
        form = self.options.confirm_answer
        if form == "alternate":
            return "redirect" if next(self._turns["confirm"]) else "body"
        return form

    async def _bug(self, _request: Request, error: Exception) -> Response:
        place = traceback.extract_tb(error.__traceback__)[-1]
        # The error's text could hold a card's digits; its type and its place do not.
        self.bugs.append(f"{type(error).__name__} in {place.name}, line {place.lineno}")
        return PlainTextResponse(f"This sandbox has a bug: {self.bugs[-1]}.", 500)

    def _routes(self) -> list[Route]:
        calls: tuple[tuple[str, Endpoint, str], ...] = (
            ("/epay2/oauth2/token", self.token, "POST"),
            ("/oauth2/token", self.token, "POST"),
            ("/p2p/transfer", self.transfer, "POST"),
            ("/api/p2p/transfer", self.transfer, "POST"),
            ("/p2p/api/confirm", self.confirm, "POST"),
            ("/api/p2p/api/confirm", self.confirm, "POST"),
            ("/check-status/p2p/transaction/{invoice}", self.status, "GET"),
            ("/api/check-status/p2p/transaction/{invoice}", self.status, "GET"),
        )
        return [Route(path, endpoint, methods=[method]) for path, endpoint, method in calls]


async def _client_left(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("", 400)  # the client left while it was sending


async def _read_json(request: Request) -> object:
    """The body's JSON, or the `FieldError` with which the bank will refuse it."""
    body = await request.body()
    try:
        return parse(body)
    except FieldError as error:
        return error


async def _read_form(request: Request) -> dict[str, str] | TokenError:
    """The form's fields, or why it can't be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return TokenError("body", "must be form-data")
    form: dict[str, str] = {}
    try:
        async with request.form() as fields:
            for name, value in fields.multi_items():
                if isinstance(value, UploadFile):
                    return TokenError(name, "must be a field, not a file")
                if name in form:
                    return TokenError(name, "stands there twice")
                form[name] = value
    except (MultiPartException, HTTPException, FormParserError):  # the last one, of a Starlette that lets it through
        return TokenError("body", "is not well-formed form-data")
    return form


def _peek(body: Any, *path: str) -> str:
    """One string of a body that is not checked yet; empty if it is not there."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, str) else ""
