"""What a fault does to an answer. Which fault meets which call is in `faults`; how to break a connection, in `wire`."""

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
    """The call that goes wrong."""

    call: str
    url: str
    patience: Patience


async def before(rules: Sequence[Rule], scene: FaultedCall) -> Response | None:
    """The answer of a bank that does nothing, or None: let it act."""
    for rule in rules:
        if rule.when == "before":
            if rule.kind != "latency":
                return INSTEAD[rule.kind](rule, scene)
            await scene.patience.wait(rule.seconds)
    return None


async def after(rules: Sequence[Rule], scene: FaultedCall, true: Response) -> Response:
    """The answer of a bank that acted."""
    for rule in rules:
        if rule.when == "before" or rule.kind in _NAMES:
            continue
        if rule.kind == "latency":
            await scene.patience.wait(rule.seconds)
        elif rule.kind in MAIMED:
            return MAIMED[rule.kind](rule, scene, true)
        else:
            return INSTEAD[rule.kind](rule, scene)
    return true


def distort(rules: Sequence[Rule], answer: Answer) -> None:
    """Another amount, currency or order number in a true answer, wherever the answer has it."""
    for part in (answer.document, answer.document.get("transaction", {}).get("p2p", {})):
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


def _status(rule: Rule, _scene: FaultedCall) -> Response:
    headers = {"retry-after": str(round(rule.seconds))} if rule.seconds else None
    return PlainTextResponse("a fault that was asked for", rule.http_status, headers)


def _garbage(_rule: Rule, _scene: FaultedCall) -> Response:
    return Response(b"\xff\xfe" + secrets.token_bytes(200), media_type="application/json")


def _huge(_rule: Rule, _scene: FaultedCall) -> Response:
    return Response(b'{"code":0,"filler":"' + b"x" * 2**20 + b'"}', media_type="application/json")


def _failure(rule: Rule, scene: FaultedCall) -> Response:
    code, why = rule.code, answers.message(rule.code)
    if scene.call == "token":
        return JSONResponse({"error": "server_error", "error_description": why}, 400)
    if scene.call == "status":
        answer = answers.status_result(400, code, why)
    else:
        answer = answers.failure(400, code, why, invoice=rule.invoice or "")
    return Response(answers.encode(answer.document), answer.status, media_type="application/json")


#: Kinds that need no true answer: they come before the bank acts, or instead of what it would have said.
INSTEAD: dict[Kind, Callable[[Rule, FaultedCall], Response]] = {
    "status": _status,
    "drop": lambda _rule, _scene: Cut(),
    "reset": lambda _rule, _scene: Cut(reset=True),
    "hang": lambda rule, scene: Hang(scene.patience, rule.seconds or None),
    "garbage": _garbage,
    "html": lambda _rule, _scene: HTMLResponse(_PROXY_PAGE),
    "huge": _huge,
    "redirect": lambda _rule, scene: RedirectResponse(scene.url, 307),
    "code": _failure,
}

#: Kinds that spoil the true answer.
MAIMED: dict[Kind, Callable[[Rule, FaultedCall, Response], Response]] = {
    "close": lambda _rule, _scene, true: ThenCut(true),
    "truncate": lambda _rule, _scene, true: half(true),
    "trickle": lambda rule, scene, true: Trickle(true, scene.patience, rule.seconds),
}
