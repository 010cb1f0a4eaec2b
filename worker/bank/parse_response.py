"""What the bank's answers to a token, a transfer and a confirm mean (contract sections 1, 2, 4 and 7).

Pure, and total: whatever bytes came, the outcome is a value. Paid and declined are said only of an answer that parses
as the bank's, names our order, and has a code that the catalogue calls final; all else is `Unclear`.
"""

import re

from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank.address import find_addresses, read_address
from epay_transfers.worker.bank.codes import look_up
from epay_transfers.worker.bank.heard import Heard
from epay_transfers.worker.bank.json_fields import (
    Fields,
    bank_id_of,
    code_of,
    mismatch,
    money_mismatch,
    read_object,
    text,
    why_not_read,
    word,
)
from epay_transfers.worker.bank.masking import clean_message, mask_card
from epay_transfers.worker.bank.order import Order, is_safe
from epay_transfers.worker.bank.outcome import Challenge, Declined, Evidence, Paid, Token, TokenRefused, Unclear

PAID_STATUSES = frozenset({"AUTH", "CHARGE"})
_OAUTH_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
    | {"unsupported_grant_type", "access_denied", "server_error", "temporarily_unavailable"}
)


def read_transfer(order: Order, heard: Heard) -> Paid | Declined | Challenge | Unclear:
    """The answer to the transfer. 3-D Secure is looked for before the code: such an answer may have any, or none."""
    fields = read_object(heard.body)
    if fields is None or not _may_be_definitive(heard):
        return _unclear(heard, _why_not_the_banks(heard), fields)
    return _read_challenge(order, heard, fields) or _read_verdict(order, heard, fields)


def read_confirm(order: Order, heard: Heard) -> Paid | Declined | Unclear:
    """The answer to the confirm: the bank's address in a redirect or in a body, or JSON. Nothing is followed."""
    if heard.location and (300 <= heard.status < 400 or heard.status == 200):
        return _read_redirect(order, heard, heard.location)
    fields = read_object(heard.body)
    if fields is None and heard.status == 200:
        return _read_page(order, heard)
    if fields is None or not _may_be_definitive(heard):
        return _unclear(heard, _why_not_the_banks(heard), fields)
    return _unclear(heard, "challenge_again", fields) if _wants_3ds(fields) else _read_verdict(order, heard, fields)


def read_token(heard: Heard) -> Token | TokenRefused:
    fields = read_object(heard.body)
    if heard.status != 200 or fields is None:
        error = word(fields or {}, "error")
        why = error if error in _OAUTH_ERRORS else f"http_{heard.status}" if heard.status != 200 else "not_json"
        return TokenRefused(why, Evidence.ANSWERED, heard.status, heard.retry_after_s)
    access_token = word(fields, "access_token", limit=8192)
    kind = text(fields, "token_type").lower()
    if not access_token or " " in access_token or kind not in {"", "bearer"}:
        return TokenRefused("no_token", Evidence.ANSWERED, heard.status, heard.retry_after_s)
    expires_in = str(fields.get("expires_in")).strip()
    return Token(Secret(access_token), int(expires_in) if re.fullmatch("[0-9]{1,9}", expires_in) else 0)


def _read_verdict(order: Order, heard: Heard, fields: Fields) -> Paid | Declined | Unclear:
    """The two forms of contract section 2, by their code."""
    code = code_of(fields)
    entry = look_up(code)
    if code == "0":
        return _read_success(order, heard, fields)
    if not entry.is_decline:
        return _unclear(heard, "question_code" if code else "no_code", fields)
    if text(fields, "status") in PAID_STATUSES:
        return _unclear(heard, "contradiction", fields)
    if strange := mismatch(order, fields, money=False):
        return _unclear(heard, strange, fields)
    return Declined(
        code=code,
        message=clean_message(fields.get("message"), invoice_id=order.invoice_id),
        code_class=entry.code_class,
        consequence=entry.consequence,
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
    )


def _read_success(order: Order, heard: Heard, fields: Fields) -> Paid | Unclear:
    if heard.status not in {200, 201}:
        return _unclear(heard, "contradiction", fields)
    if text(fields, "status") not in PAID_STATUSES:
        return _unclear(heard, "odd_status", fields)
    if strange := mismatch(order, fields, money=True):
        return _unclear(heard, strange, fields)
    return Paid(
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
        int_reference=word(fields, "intReference"),
        sender_card=mask_card(text(fields, "senderCardPAN")),
        receiver_card=mask_card(text(fields, "receiverCardPAN")),
        sender_card_id=word(fields, "senderCardID"),
        receiver_card_id=word(fields, "receiverCardID"),
    )


def _read_challenge(order: Order, heard: Heard, fields: Fields) -> Challenge | Unclear | None:
    if not _wants_3ds(fields):
        return None
    strange = mismatch(order, fields, money=False)
    if strange == "no_invoice":  # the page never shows this form; that it answers our request, its connection proves
        strange = money_mismatch(order, fields, required=False)
    if strange:
        return _unclear(heard, strange, fields)
    forms = _forms_of_3ds(fields)
    pa_req, md, action = (_agreed(forms, *names) for names in (("paReq", "PaReq"), ("md", "MD"), ("action",)))
    bank_id = bank_id_of(fields)
    if not (pa_req and md and bank_id and is_safe(action)):
        return _unclear(heard, "challenge_incomplete", fields)
    return Challenge(pa_req=pa_req, md=md, action=action, bank_id=bank_id)


def _wants_3ds(fields: Fields) -> bool:
    asks = any(form.get(name) for form in _forms_of_3ds(fields) for name in ("paReq", "PaReq", "action"))
    return asks or fields.get("status") == "3D"


def _forms_of_3ds(fields: Fields) -> tuple[Fields, ...]:
    inner = fields.get("secure3D")
    return (fields, inner) if isinstance(inner, dict) else (fields,)


def _agreed(forms: tuple[Fields, ...], *names: str) -> str:
    """A field that stands in one of the forms, or in both alike."""
    found = {text(form, *names) for form in forms if any(form.get(name) for name in names)}
    return found.pop() if len(found) == 1 else ""


def _read_page(order: Order, heard: Heard) -> Paid | Declined | Unclear:
    """The address stands in the body: plain, JSON-quoted, or in HTML."""
    addresses = find_addresses(heard.body)
    if len(addresses) != 1:
        return _unclear(heard, "two_addresses" if addresses else why_not_read(heard.body))
    if not heard.framed:
        return _unclear(heard, "unframed")  # the body's end may be missing, and with it a digit of the amount
    return _read_redirect(order, heard, addresses[0])


def _read_redirect(order: Order, heard: Heard, address: str) -> Paid | Declined | Unclear:
    """Contract section 4: `.../payform/success.html?...` or `.../payform/?...code=...`; only the query is read."""
    is_success, fields = read_address(address)
    if fields is None:
        return _unclear(heard, "odd_address")
    code = code_of(fields)
    if is_success:
        if code not in {"", "0"} or (fields.get("code") and not code):
            return _unclear(heard, "contradiction", fields)
        if strange := mismatch(order, fields, money=True):
            return _unclear(heard, strange, fields)
        return Paid(reference=word(fields, "reference"), sender_card_id=word(fields, "cardid"))
    return _unclear(heard, "contradiction", fields) if code == "0" else _read_verdict(order, heard, fields)


def _may_be_definitive(heard: Heard) -> bool:
    """The statuses under which the bank speaks of a transfer; a gateway speaks under the others."""
    return heard.status in {200, 201} or 400 <= heard.status < 500


def _why_not_the_banks(heard: Heard) -> str:
    return why_not_read(heard.body) if _may_be_definitive(heard) else f"http_{heard.status}"


def _unclear(heard: Heard, why: str, fields: Fields | None = None) -> Unclear:
    return Unclear(
        why=why,
        evidence=Evidence.ANSWERED,
        code=code_of(fields) if fields else "",
        http_status=heard.status,
        retry_after_s=heard.retry_after_s,
    )
