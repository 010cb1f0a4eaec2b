"""Parsing the bank's response to an inquiry (contract section 5).

Pure and total. A status with another invoice id, amount or currency says nothing about our order. The answer stands
under `transaction.p2p`, as the P2P pages show it, or flat, as the payments' page does.
"""

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import Any

from epay_transfers.worker.bank.codes import PAID_WORDS, look_up
from epay_transfers.worker.bank.json_fields import (
    Fields,
    bank_id_of,
    code_of,
    mismatch,
    mismatch_if_named,
    read_object,
    spelled,
    whole_word,
    why_not_read,
    word,
)
from epay_transfers.worker.bank.masking import clean_message
from epay_transfers.worker.bank.order import Order
from epay_transfers.worker.bank.outcome import Response, StatusReport, StatusWord

_WORDS = {
    "NEW": StatusWord.NOT_YET,
    "FINGERPRINT": StatusWord.NOT_YET,
    "VERIFIED": StatusWord.NOT_YET,
    "3D": StatusWord.CHALLENGE_OPEN,
    "REJECT": StatusWord.NOT_PAID,
    "FAILED": StatusWord.NOT_PAID,
    "CANCEL": StatusWord.GIVEN_BACK,
    "CANCEL_OLD": StatusWord.GIVEN_BACK,
    "REFUND": StatusWord.GIVEN_BACK,
}

_MOVED = frozenset({StatusWord.PAID, StatusWord.GIVEN_BACK})

#: With these result codes the bank also takes the token of inquiries for another terminal's.
WRONG_TERMINAL = frozenset({"104", "109"})

#: `result.code`, other than 100: the status, and our own word for it.
_RESULTS = {
    "101": (StatusWord.UNANSWERED, "rejected"),
    "102": (StatusWord.NOT_FOUND, ""),
    "103": (StatusWord.UNANSWERED, "ask_again"),
    "104": (StatusWord.UNANSWERED, "wrong_terminal"),
    "106": (StatusWord.UNANSWERED, "bank_error"),
    "107": (StatusWord.NOT_YET, ""),
    "109": (StatusWord.UNANSWERED, "wrong_terminal"),
}


def read_status(order: Order, response: Response, *, paid_words: Collection[str] = PAID_WORDS) -> StatusReport:
    fields = read_object(response.body)
    if response.status not in {200, 400, 404}:
        return StatusReport(StatusWord.UNANSWERED, why=f"http_{response.status}", retry_after_s=response.retry_after_s)
    result_code = _result_code(fields or {})
    if result_code == "100":
        return replace(_read_transaction(order, fields or {}, paid_words), result_code=result_code)
    unknown = "unknown_result" if fields is not None else why_not_read(response.body)
    found, why = _RESULTS.get(result_code, (StatusWord.UNANSWERED, unknown))
    said = "" if result_code else _said(order, _result_of(fields or {}))
    outer = _inner(fields, "transaction")
    named = [name for each in (fields or {}, outer, _inner(outer, "p2p")) for name in spelled(each, "statusname")]
    if found is StatusWord.NOT_FOUND and any(named):  # it is not found, and yet it has a status
        found, why, said = StatusWord.UNANSWERED, "contradiction", _said(order, named[0])
    return StatusReport(found, result_code=result_code, said=said, why=why, retry_after_s=response.retry_after_s)


def _read_transaction(order: Order, fields: Fields, paid_words: Collection[str]) -> StatusReport:
    """The inquiry was answered: the transaction says what became of the money."""
    outer = _inner(fields, "transaction")
    transaction = _inner(outer, "p2p") or outer
    status_name = whole_word(transaction, "statusName", limit=32)
    said = _said(order, transaction.get("statusName"))
    report = StatusReport(
        StatusWord.NOT_YET,
        status_name=status_name,
        said="" if said == status_name else said,
        bank_id=bank_id_of(transaction),
        reference=word(transaction, "reference"),
        code=code_of(transaction, "reasonCode"),
    )
    if not status_name:
        return replace(report, why="unknown_status" if said else "no_status" if transaction else "no_transaction")
    around = (fields, outer, transaction)
    if any(value != status_name for each in around for value in spelled(each, "statusname")):
        return replace(report, why="two_statuses")
    if status_name in PAID_WORDS:
        found = StatusWord.PAID if status_name in paid_words else StatusWord.NOT_YET
    elif status_name in _WORDS:
        found = _WORDS[status_name]
    else:
        return replace(report, why="unknown_status")
    if strange := _strange(order, (fields, outer, transaction), moved=found in _MOVED):
        return replace(report, why=strange)
    return replace(report, word=found)


def _strange(order: Order, around: tuple[Fields, Fields, Fields], *, moved: bool) -> str:
    """Why it is no word about our order. What stands around the transaction may name no order, but no other."""
    fields, outer, transaction = around
    strange = mismatch(order, transaction, money=moved)
    strange = strange or mismatch_if_named(order, fields) or mismatch_if_named(order, outer)
    codes = [code_of({"": value}, "") for each in around for value in spelled(each, "reasoncode")]
    declined = moved and any(look_up(code).is_decline for code in codes)
    return strange or ("contradiction" if declined else "")


def _result_code(fields: Fields) -> str:
    """`result.code`, or `resultCode` of a flat answer; empty where both are there and differ."""
    found = {code for code in (code_of(_inner(fields, "result")), code_of(fields, "resultCode")) if code}
    return found.pop() if len(found) == 1 else ""


def _result_of(fields: Fields) -> Any:
    return _inner(fields, "result").get("code") or fields.get("resultCode")


def _said(order: Order, value: Any) -> str:
    """What the bank wrote, for people. A number is no word of the bank's, and is shown all the same."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return clean_message(str(value) if is_number else value, invoice_id=order.invoice_id)


def _inner(fields: Fields | None, name: str) -> Fields:
    found = (fields or {}).get(name)
    return found if isinstance(found, dict) else {}
