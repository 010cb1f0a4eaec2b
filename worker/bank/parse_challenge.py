"""The 3-D Secure form of an answer to the transfer call (contract section 2), in each of its spellings.

Pure and total. The bank's page never shows this JSON: so its names are read without case, at the top and inside
`secure3D`. A name with two different values is in doubt.
"""

import re
from collections.abc import Iterator
from typing import Any

from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.worker.bank.json_fields import Fields, bank_id_of, folded, mismatch_if_named, objects, spelled, text
from epay_transfers.worker.bank.order import Order
from epay_transfers.worker.bank.outcome import ChallengeRequired, Response, Unclear
from epay_transfers.worker.bank.parse_verdict import unclear

#: A name in lower case → the name of it here. The bank's SDK has `termURL` beside them, which says nothing to us.
_NAMES = {
    "pareq": "paReq",
    "md": "md",
    "action": "action",
    "id": "id",
    "status": "status",
    "secure3d": "secure3D",
}

#: A body with one of these is a challenge, or an answer that can't be believed; a status where it is `3D`.
_TRACES = frozenset({"pareq", "md", "action", "status"})


def read_challenge(order: Order, response: Response, fields: Fields) -> ChallengeRequired | Unclear | None:
    """The challenge; None where the answer has no trace of one."""
    if not wants_3ds(fields):
        return None
    found = _gather(fields)
    bank_id = _bank_id(found["id"])
    said = {**fields, "id": bank_id}
    for form in _forms(fields):  # the contract shows none with an invoice; the connection proves that it is our answer
        if strange := mismatch_if_named(order, form):
            return unclear(order, response, strange, said)
    if _is_elsewhere(fields):
        return unclear(order, response, "challenge_incomplete", said)
    pa_req, md, action = (_agreed(found[name]) for name in ("paReq", "md", "action"))
    if not (pa_req and md and bank_id and is_safe_url(action)):
        return unclear(order, response, "challenge_incomplete", said)
    return ChallengeRequired(pa_req=pa_req, md=md, action=action, bank_id=bank_id)


def wants_3ds(fields: Fields) -> bool:
    """A trace at any depth, or a `secure3D` that is no object."""
    return any(map(_has_trace, objects(fields))) or _has_odd_form(fields)


def _has_trace(form: Fields) -> bool:
    for name, value in folded(form):
        if name in _TRACES and value and (name != "status" or str(value).upper() == "3D"):
            return True
    return False


def _is_elsewhere(fields: Fields) -> bool:
    """A trace where no challenge is read: deeper in the object, or a `secure3D` that is no object."""
    forms = list(_forms(fields))
    deeper = (each for each in objects(fields) if not any(each is form for form in forms))
    return any(map(_has_trace, deeper)) or _has_odd_form(fields)


def _has_odd_form(fields: Fields) -> bool:
    return any(not isinstance(value, dict) for value in spelled(fields, "secure3d") if value)


def _gather(fields: Fields) -> dict[str, list[Any]]:
    """Every value of each name, over all spellings and both places."""
    found: dict[str, list[Any]] = {name: [] for name in _NAMES.values()}
    for form in _forms(fields):
        for name, value in folded(form):
            if name in _NAMES and value:
                found[_NAMES[name]].append(value)
    return found


def _forms(fields: Fields) -> Iterator[Fields]:
    yield fields
    yield from (value for value in spelled(fields, "secure3d") if isinstance(value, dict))


def _agreed(values: list[Any]) -> str:
    """The one value of a name, however often it is there; empty where two differ, or one can't be read."""
    found = {text({"": value}, "") for value in values}
    return found.pop() if len(found) == 1 else ""


def _bank_id(values: list[Any]) -> str:
    """An id of nothing but zeros stands for none."""
    return bank_id_of({"id": _agreed([each for each in values if re.search("[1-9A-Za-z]", str(each))])})
