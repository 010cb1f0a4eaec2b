"""Parsing the bank's responses to the token and transfer calls (contract sections 1, 2 and 7).

Pure and total: any bytes give a value. The outcome is paid or declined only if the response parses as the bank's,
names our order, and has a code that the table calls final; all else is `Unclear`.
"""

import re
from collections.abc import Collection

from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.json_fields import printable, read_object, text
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
from epay_transfers.worker.bank.parse_challenge import read_challenge
from epay_transfers.worker.bank.parse_verdict import may_be_definitive, read_verdict, unclear, why_not_the_banks

_OAUTH_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
    | {"unsupported_grant_type", "access_denied", "server_error", "temporarily_unavailable"}
)


def read_transfer(
    order: Order, response: Response, *, paid_words: Collection[str] = PAID_WORDS
) -> Paid | Declined | ChallengeRequired | Unclear:
    """The outcome of a transfer call. 3-D Secure comes before the code: such a response may have any code, or none."""
    fields = read_object(response.body)
    if fields is None or not may_be_definitive(response):
        return unclear(order, response, why_not_the_banks(response), fields)
    challenge = read_challenge(order, response, fields)
    return challenge or read_verdict(order, response, fields, paid_words=paid_words)


def read_token(response: Response) -> Token | TokenRefused:
    fields = read_object(response.body)
    if response.status != 200 or fields is None:
        why = printable(fields or {}, "error")
        if why not in _OAUTH_ERRORS:
            why = "not_json" if response.status == 200 else f"http_{response.status}"
        return TokenRefused(why, Evidence.ANSWERED, response.status, response.retry_after_s)
    access_token = printable(fields, "access_token", limit=8192)
    kind = text(fields, "token_type").lower()
    if not access_token or " " in access_token or kind not in {"", "bearer"}:
        return TokenRefused("no_token", Evidence.ANSWERED, response.status, response.retry_after_s)
    expires_in = str(fields.get("expires_in")).strip()
    return Token(Secret(access_token), int(expires_in) if re.fullmatch("[0-9]{1,9}", expires_in) else 0)
