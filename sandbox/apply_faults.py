"""Applies faults to an answer. `faults` decides which fault a call gets; `wire` breaks connections."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from epay_transfers.sandbox import answers
from epay_transfers.sandbox.answers import Answer
from epay_transfers.sandbox.faults import Kind, Rule
from epay_transfers.sandbox.wire import Cut, Hang, Patience, ThenCut, Trickle, half

_PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_NAMES: dict[Kind, tuple[str, ...]] = {
    "wrong_amount": ("amount",),
    "wrong_currency": ("currency",),
    "wrong_invoice": ("orderID", "invoiceID", "invoiceId"),
}


@dataclass(frozen=True, slots=True)
class FaultedCall:
    """The call that a fault is applied to."""

    call: str
    url: str
    patience: Patience


async def before(rules: Sequence[Rule], faulted: FaultedCall) -> Response | None:
    """The faulty answer of a bank that does nothing, or None: the bank acts."""
    for rule in rules:
        if rule.when == "before":
            if rule.kind != "latency":
                return INSTEAD[rule.kind](rule, faulted)
            await faulted.patience.wait(rule.seconds)
    return None


async def after(rules: Sequence[Rule], faulted: FaultedCall, true: Response) -> Response:
    """The answer after the bank acted, with its faults."""
    for rule in rules:
        if rule.when == "before" or rule.kind in _NAMES:
            continue
        if rule.kind == "latency":
            await faulted.patience.wait(rule.seconds)
        elif rule.kind in SPOILED:
            return SPOILED[rule.kind](rule, faulted, true)
        else:
            return INSTEAD[rule.kind](rule, faulted)
    return true


def distort(rules: Sequence[Rule], answer: Answer) -> None:
    """Another amount, currency or order number in a true answer, wherever the answer has it."""
    flat = answer.document.get("transaction", {})
    for part in (answer.document, flat, flat.get("p2p", {})):
        for rule in rules:
            for name in _NAMES.get(rule.kind, ()):
                if name in part:
                    part[name] = _other(part[name])


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value + 1
    if value.isdigit():
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    return "USD" if value != "USD" else "KZT"


def _status(rule: Rule, _faulted: FaultedCall) -> Response:
    headers = {"retry-after": str(round(rule.seconds))} if rule.seconds else None
    return PlainTextResponse("a fault that was asked for", rule.http_status, headers)


def _garbage(_rule: Rule, _faulted: FaultedCall) -> Response:
    return Response(b"\xff\xfe" + secrets.token_bytes(200), media_type="application/json")


def _huge(_rule: Rule, _faulted: FaultedCall) -> Response:
    return Response(b'{"code":0,"filler":"' + b"x" * 2**20 + b'"}', media_type="application/json")


def _failure(rule: Rule, faulted: FaultedCall) -> Response:
    code, why = rule.code, answers.message(rule.code)
    if faulted.call == "token":
        return JSONResponse({"error": "server_error", "error_description": why}, 400)
    if faulted.call == "status":
        answer = answers.status_result(400, code, why)
    else:
        answer = answers.failure(400, code, why, invoice=rule.invoice or "")
    return Response(answers.encode(answer.document), answer.status, media_type="application/json")


#: Kinds that need no true answer: they come before the bank acts, or replace its answer.
INSTEAD: dict[Kind, Callable[[Rule, FaultedCall], Response]] = {
    "status": _status,
    "drop": lambda _rule, _faulted: Cut(),
    "reset": lambda _rule, _faulted: Cut(reset=True),
    "hang": lambda rule, faulted: Hang(faulted.patience, rule.seconds or None),
    "garbage": _garbage,
    "html": lambda _rule, _faulted: HTMLResponse(_PROXY_PAGE),
    "huge": _huge,
    "redirect": lambda _rule, faulted: RedirectResponse(faulted.url, 307),
    "code": _failure,
}

#: Kinds that spoil the true answer.
SPOILED: dict[Kind, Callable[[Rule, FaultedCall, Response], Response]] = {
    "close": lambda _rule, _faulted, true: ThenCut(true),
    "truncate": lambda _rule, _faulted, true: half(true),
    "trickle": lambda rule, faulted, true: Trickle(true, faulted.patience, rule.seconds),
}
