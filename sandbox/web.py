"""The sandbox bank's pages for people and tests: books, faults, and the 3-D Secure page.

No page shows a whole card number.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from epay_transfers.sandbox import statement
from epay_transfers.sandbox.acs import PASSWORD, AskedChallenge
from epay_transfers.sandbox.amounts import plain
from epay_transfers.sandbox.contract import is_safe_link
from epay_transfers.sandbox.decisions import Decisions
from epay_transfers.sandbox.faults import Faults, read_rule

#: The page shows the newest orders; `/books` has them all.
ROWS = 200

_templates = Environment(
    loader=PackageLoader("epay_transfers.sandbox", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def routes(decisions: Decisions, faults: Faults) -> list[Route]:
    web = Pages(decisions, faults)
    return [
        Route("/", web.home),
        Route("/books", web.books, methods=["GET", "DELETE"]),
        Route("/books/{invoice}", web.order),
        Route("/statement", web.statement),
        Route("/faults", web.faults, methods=["GET", "POST", "DELETE"]),
        Route("/acs", web.acs, methods=["POST"]),
        Route("/acs/result", web.result, methods=["POST"]),
        Route("/acs/answer", web.answer, methods=["POST"]),
    ]


class Pages:
    def __init__(self, decisions: Decisions, faults: Faults) -> None:
        self._decisions = decisions
        self._faults = faults

    async def home(self, _request: Request) -> Response:
        now = self._decisions.now()
        newest = list(self._decisions.book)[: -ROWS - 1 : -1]
        return _page(
            "books.html",
            {
                "totals": self._decisions.book.totals(now),
                "orders": [(order.key, order.as_dict(now)) for order in newest],
                "faults": self._faults.as_list(),
                "cards": self._decisions.cards.saved(),
            },
        )

    async def books(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._decisions.clear()
        return JSONResponse(self._decisions.book.as_dict(self._decisions.now()))

    async def order(self, request: Request) -> Response:
        order = self._decisions.named(request.path_params["invoice"])
        if order is None:
            return JSONResponse({"error": "no call has named this order"}, 404)
        return JSONResponse(order.as_dict(self._decisions.now()))

    async def statement(self, request: Request) -> Response:
        """`?day=2026-11-28`: of that day in the bank's time; without it, of all days."""
        book = self._decisions.book
        text = statement.write(book, self._decisions.now(), request.query_params.get("day", ""))
        return PlainTextResponse(text, media_type="text/csv")

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        elif request.method == "POST":
            try:
                data = json.loads(await request.body())
                rules = [read_rule(item) for item in (data if isinstance(data, list) else [data])]
            except (ValueError, RecursionError) as error:
                return JSONResponse({"error": str(error)}, 400)
            for rule in rules:
                self._faults.add(rule)
        return JSONResponse(self._faults.as_list())

    async def acs(self, request: Request) -> Response:
        """The 3-D Secure page, to which the merchant sends the client's browser (contract, section 3)."""
        form = await _form(request)
        challenge = self._decisions.challenges.get(form.get("MD", ""))
        why = self._refusal(challenge, form)
        if challenge is None or why:
            return PlainTextResponse(why, 400)
        order = challenge.order
        return _page(
            "acs.html",
            {
                "md": challenge.md,
                "term_url": form["TermUrl"],
                "amount": plain(challenge.amount),
                "currency": order.currency,
                "card": order.sender,
                "password": PASSWORD,
            },
        )

    async def result(self, request: Request) -> Response:
        """Send the client's answer back to the merchant, by a form that submits itself."""
        form = await _form(request)
        challenge = self._decisions.challenges.get(form.get("MD", ""))
        if challenge is None or not is_safe_link(form.get("TermUrl", "")):
            return PlainTextResponse("MD or TermUrl: not those of an unanswered challenge", 400)
        nonce = secrets.token_urlsafe(16)
        return _page(
            "return.html",
            {
                "md": challenge.md,
                "pa_res": self._pa_res(challenge.md, form.get("password", ""), cancel="cancel" in form),
                "term_url": form["TermUrl"],
                "nonce": nonce,
            },
            script=f"'nonce-{nonce}'",
        )

    async def answer(self, request: Request) -> Response:
        """The same without a browser: {"md", "password"} → {"PaRes", "MD"}; without a password the client cancels."""
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or self._decisions.challenges.get(str(body.get("md"))) is None:
            return JSONResponse({"error": "md: no such challenge"}, 400)
        password = body.get("password")
        pa_res = self._pa_res(body["md"], str(password), cancel=password is None)
        return JSONResponse({"PaRes": pa_res, "MD": body["md"]})

    def _pa_res(self, md: str, password: str, *, cancel: bool) -> str:
        answer = "yes" if password == PASSWORD else "no"
        if cancel:
            answer = "cancel"
        return self._decisions.challenges.answer(md, answer)  # type: ignore[arg-type]  # mypy joins the words to str

    def _refusal(self, challenge: AskedChallenge | None, form: Mapping[str, str]) -> str:
        if challenge is None:
            return "MD: no such challenge"
        if form.get("PaReq") != challenge.pa_req:
            return "PaReq: is not the one that the transfer's answer carried"
        if not is_safe_link(form.get("TermUrl", "")):
            return "TermUrl: must be an https address, or a plain one on this machine"
        return ""


async def _form(request: Request) -> dict[str, str]:
    try:
        async with request.form() as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}
    except FormParserError:  # of a Starlette that lets it through; a newer one answers 400 by itself
        raise HTTPException(400) from None


def _page(name: str, values: Mapping[str, Any], *, script: str = "'none'") -> Response:
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {script}; base-uri 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    return HTMLResponse(_templates.get_template(name).render(values), headers=headers)
