"""Directives: words in brackets in an order's description that tell the sandbox bank what to do, any number of them.

    [3ds]              wants 3-D Secure; paReq, md, action stand at the top of the answer
    [3ds-nested]       ... inside secure3D, beside a "code": 0
    [3ds-status]       ... inside secure3D, with "status": "3D"
    [3ds-id-inside]    ... inside secure3D, the transfer's id there too
    [3ds-lower]        ... inside secure3d, with names in lower case
    [3ds-upper]        ... at the top, with names like PAREQ, MD, Action, ID
    [3ds-no-id]        ... at the top, without the transfer's id: it can't be confirmed
    [decline:484]      declined with this code
    [confirm-decline:484]  the confirm is declined with this code, whatever the client answered
    [confirm-answer:url]   the confirm's answer in this form: redirect body url string html cp1251 back-link foreign
    [state:REFUND]     once executed, the status inquiry says this word (any word)
    [flat]             the status inquiry answers as that of payments does: resultCode, and no p2p
    [no-status]        the status inquiry's answer has no statusName
    [lag:10]           the status inquiry has not heard of the order for ten seconds
    [false-not-found:2]    two status answers say "not found", whatever is true

and every kind of `faults` as a word, with `-before` or `-after` for the time when the bank acts (after is the default;
`confirm-` or `status-` in front applies it to that call instead of the transfer):

    [slow:2.5] [hang-before] [hang-after:5]      the number is seconds
    [drop-before] [drop-after] [reset-after] [500-before] [502-after] [garbage] [html] [huge] [redirect] [close]
    [truncate] [trickle:0.1] [code:100] [wrong-amount] [wrong-currency] [wrong-invoice]
    [confirm-drop-after] [status-500]

A call for a token has no description: set its faults at `/faults`.
"""

import re
from dataclasses import dataclass, field
from typing import get_args

from epay_transfers.sandbox.faults import Call, Kind, Rule, When
from epay_transfers.sandbox.options import ConfirmAnswer

WORD = re.compile(r"\[([a-z0-9-]+)(?::([A-Za-z0-9_.-]+))?\]")
_FAULT = re.compile(r"(?:(confirm|status)-)?([a-z0-9-]+?)(?:-(before|after))?")
_SECURE = {"3ds", "3ds-nested", "3ds-status", "3ds-id-inside", "3ds-lower", "3ds-upper", "3ds-no-id"}


@dataclass(slots=True)
class Directives:
    """The directives of one order's description."""

    secure: str = ""
    decline: int | None = None
    confirm_decline: int | None = None
    confirm_answer: ConfirmAnswer | None = None
    state: str = ""
    is_flat: bool = False
    has_no_status: bool = False
    lag_s: float = 0.0
    false_not_found: int = 0
    rules: list[Rule] = field(default_factory=list)


def read(description: str) -> Directives:
    """The directives in a description. It never fails: an unknown word is an ordinary word."""
    directives = Directives()
    for word, value in WORD.findall(description):
        try:
            _take(directives, word, value)
        except ValueError:  # a number was wanted
            continue
    return directives


def _take(directives: Directives, word: str, value: str) -> None:
    match word:
        case "decline":
            directives.decline = int(value)
        case "confirm-decline":
            directives.confirm_decline = int(value)
        case "state":
            directives.state = value
        case "confirm-answer":
            directives.confirm_answer = next((form for form in get_args(ConfirmAnswer) if form == value), None)
        case "flat":
            directives.is_flat = True
        case "no-status":
            directives.has_no_status = True
        case "lag":
            directives.lag_s = float(value)
        case "false-not-found":
            directives.false_not_found = int(value)
        case _ if word in _SECURE:
            directives.secure = word
        case _:
            _take_fault(directives, word, value)


_CALLS: dict[str, Call] = {"confirm": "confirm", "status": "status"}


def _take_fault(directives: Directives, word: str, value: str) -> None:
    found = _FAULT.fullmatch(word)
    if found is None:
        return
    call: Call = _CALLS.get(found[1] or "", "transfer")
    when: When = "before" if found[3] == "before" or found[2] == "slow" else "after"
    rule = Rule(call, "status", when)
    name = found[2].replace("-", "_")
    if name.isdigit() and 300 <= int(name) <= 599:
        rule.http_status = int(name)
    elif kind := _kind(name):
        rule = Rule(call, kind, when)
    else:
        return
    if rule.kind == "code":
        rule.code = int(value)
    elif value:
        rule.seconds = float(value)
    directives.rules.append(rule)


def _kind(name: str) -> Kind | None:
    name = "latency" if name == "slow" else name
    for kind in get_args(Kind):
        if kind == name and kind != "status":
            known: Kind = kind
            return known
    return None
