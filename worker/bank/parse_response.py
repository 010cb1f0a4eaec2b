"""Parsing the bank's responses to the token, transfer and confirm calls (contract sections 1, 2, 4 and 7).

Pure and total: any bytes give a value. The outcome is paid or declined only if the response parses as the bank's,
names our order, and has a code that the table calls final; all else is `Unclear`.
"""

import re
from urllib.parse import parse_qsl, urlsplit

from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank.codes import PAID_WORDS, look_up
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
from epay_transfers.worker.bank.order import Order
from epay_transfers.worker.bank.outcome import (
    ChallengeRequired,
    Declined,
    Evidence,
    Paid,
    Response,
    Token,
    TokenRefused,
    Unclear,
)

_OAUTH_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
    | {"unsupported_grant_type", "access_denied", "server_error", "temporarily_unavailable"}
)

#: In JSON, and in HTML. A general unescape would read `&currency=` as a currency sign and `cy=`.
_AMPERSAND = re.compile(r"\\u0026|&amp;|&#38;|&#x26;", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")


def read_transfer(order: Order, response: Response) -> Paid | Declined | ChallengeRequired | Unclear:
    """The outcome of a transfer call. 3-D Secure comes before the code: such a response may have any code, or none."""
    fields = read_object(response.body)
    if fields is None or not _may_be_definitive(response):
        return _unclear(response, _why_not_the_banks(response), fields)
    return _read_challenge(order, response, fields) or _read_verdict(order, response, fields)


def read_confirm(order: Order, response: Response) -> Paid | Declined | Unclear:
    """The outcome of a confirm call: an address in a redirect or in a body, or JSON. No redirect is followed."""
    if response.location and (300 <= response.status < 400 or response.status == 200):
        return _read_redirect(order, response, response.location)
    fields = read_object(response.body)
    if fields is None and response.status == 200:
        return _read_page(order, response)
    if fields is None or not _may_be_definitive(response):
        return _unclear(response, _why_not_the_banks(response), fields)
    return (
        _unclear(response, "challenge_again", fields) if _wants_3ds(fields) else _read_verdict(order, response, fields)
    )


def read_token(response: Response) -> Token | TokenRefused:
    fields = read_object(response.body)
    if response.status != 200 or fields is None:
        why = word(fields or {}, "error")
        if why not in _OAUTH_ERRORS:
            why = "not_json" if response.status == 200 else f"http_{response.status}"
        return TokenRefused(why, Evidence.ANSWERED, response.status, response.retry_after_s)
    access_token = word(fields, "access_token", limit=8192)
    kind = text(fields, "token_type").lower()
    if not access_token or " " in access_token or kind not in {"", "bearer"}:
        return TokenRefused("no_token", Evidence.ANSWERED, response.status, response.retry_after_s)
    expires_in = str(fields.get("expires_in")).strip()
    return Token(Secret(access_token), int(expires_in) if re.fullmatch("[0-9]{1,9}", expires_in) else 0)


def _read_verdict(order: Order, response: Response, fields: Fields) -> Paid | Declined | Unclear:
    """The success and the failure form of contract section 2, told apart by the code."""
    code = code_of(fields)
    entry = look_up(code)
    if code == "0":
        return _read_success(order, response, fields)
    if not entry.is_decline:
        return _unclear(response, "question_code" if code else "no_code", fields)
    if text(fields, "status") in PAID_WORDS:
        return _unclear(response, "contradiction", fields)
    if strange := mismatch(order, fields, money=False):
        return _unclear(response, strange, fields)
    return Declined(
        code=code,
        message=clean_message(fields.get("message"), invoice_id=order.invoice_id),
        code_class=entry.code_class,
        consequence=entry.consequence,
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
    )


def _read_success(order: Order, response: Response, fields: Fields) -> Paid | Unclear:
    if response.status not in {200, 201}:
        return _unclear(response, "contradiction", fields)
    if text(fields, "status") not in PAID_WORDS:
        return _unclear(response, "odd_status", fields)
    if strange := mismatch(order, fields, money=True):
        return _unclear(response, strange, fields)
    return Paid(
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
        int_reference=word(fields, "intReference"),
        sender_card=mask_card(text(fields, "senderCardPAN")),
        receiver_card=mask_card(text(fields, "receiverCardPAN")),
        sender_card_id=word(fields, "senderCardID"),
        receiver_card_id=word(fields, "receiverCardID"),
    )


def _read_challenge(order: Order, response: Response, fields: Fields) -> ChallengeRequired | Unclear | None:
    if not _wants_3ds(fields):
        return None
    strange = mismatch(order, fields, money=False)
    if strange == "no_invoice":  # the contract shows no such form; the connection proves that it answers our request
        strange = money_mismatch(order, fields, required=False)
    if strange:
        return _unclear(response, strange, fields)
    forms = _forms_of_3ds(fields)
    pa_req, md, action = (_agreed(forms, *names) for names in (("paReq", "PaReq"), ("md", "MD"), ("action",)))
    bank_id = bank_id_of(fields)
    if not (pa_req and md and bank_id and is_safe_url(action)):
        return _unclear(response, "challenge_incomplete", fields)
    return ChallengeRequired(pa_req=pa_req, md=md, action=action, bank_id=bank_id)


def _wants_3ds(fields: Fields) -> bool:
    asks = any(form.get(name) for form in _forms_of_3ds(fields) for name in ("paReq", "PaReq", "action"))
    return asks or fields.get("status") == "3D"


def _forms_of_3ds(fields: Fields) -> tuple[Fields, ...]:
    inner = fields.get("secure3D")
    return (fields, inner) if isinstance(inner, dict) else (fields,)


def _agreed(forms: tuple[Fields, ...], *names: str) -> str:
    """A field that one of the forms has, or both with the same value."""
    found = {text(form, *names) for form in forms if any(form.get(name) for name in names)}
    return found.pop() if len(found) == 1 else ""


def _read_page(order: Order, response: Response) -> Paid | Declined | Unclear:
    """An address in the body: plain, in JSON quotes, or in HTML."""
    addresses = _find_addresses(response.body)
    if len(addresses) != 1:
        return _unclear(response, "two_addresses" if addresses else why_not_read(response.body))
    if not response.framed:
        return _unclear(response, "unframed")  # the end of the body may be missing, with a digit of the amount
    return _read_redirect(order, response, addresses[0])


def _read_redirect(order: Order, response: Response, address: str) -> Paid | Declined | Unclear:
    """One of the two addresses of contract section 4, success or failure; only its query is read."""
    is_success, fields = _read_address(address)
    if fields is None:
        return _unclear(response, "odd_address")
    code = code_of(fields)
    if is_success:
        if code not in {"", "0"} or (fields.get("code") and not code):
            return _unclear(response, "contradiction", fields)
        if strange := mismatch(order, fields, money=True):
            return _unclear(response, strange, fields)
        return Paid(reference=word(fields, "reference"), sender_card_id=word(fields, "cardid"))
    return _unclear(response, "contradiction", fields) if code == "0" else _read_verdict(order, response, fields)


def _find_addresses(body: bytes) -> list[str]:
    """Every different address with a query in the body: plain, in JSON quotes, or in HTML."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return []
    unquoted = _AMPERSAND.sub("&", text.replace(r"\/", "/"))
    return sorted({address for address in _ADDRESS.findall(unquoted) if "?" in address})


def _read_address(address: str) -> tuple[bool, Fields | None]:
    """Is it the page of success, and the fields of its query; None if it is neither of the bank's two pages."""
    if not is_safe_url(address.partition("?")[0]):  # the query may hold a description in any script
        return False, None
    parts = urlsplit(address)
    is_success = parts.path.endswith("/payform/success.html")
    if not is_success and not parts.path.removesuffix("/").endswith("/payform"):
        return False, None
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        return False, None
    fields = dict(pairs)
    return is_success, fields if len(fields) == len(pairs) else None


def _may_be_definitive(response: Response) -> bool:
    """Is it an HTTP status with which the bank answers? The others come from a gateway."""
    return response.status in {200, 201} or 400 <= response.status < 500


def _why_not_the_banks(response: Response) -> str:
    return why_not_read(response.body) if _may_be_definitive(response) else f"http_{response.status}"


def _unclear(response: Response, why: str, fields: Fields | None = None) -> Unclear:
    return Unclear(
        why=why,
        evidence=Evidence.ANSWERED,
        code=code_of(fields) if fields else "",
        http_status=response.status,
        retry_after_s=response.retry_after_s,
    )
