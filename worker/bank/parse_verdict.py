"""The success and the failure form of the bank's JSON (contract section 2), and what is in doubt.

Pure and total. What the bank said beside an outcome in doubt is kept for people, and no code decides by it.
"""

import re
from collections.abc import Callable, Collection

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.worker.bank.codes import PAID_WORDS, look_up
from epay_transfers.worker.bank.contradictions import denies_payment_anywhere, tells_payment
from epay_transfers.worker.bank.json_fields import (
    Fields,
    bank_id_of,
    code_of,
    mismatch,
    objects,
    printable,
    text,
    whole_word,
    why_not_read,
    word,
)
from epay_transfers.worker.bank.masking import clean_message, mask_card
from epay_transfers.worker.bank.order import Order
from epay_transfers.worker.bank.outcome import Declined, Evidence, Paid, Response, Unclear


def read_verdict(
    order: Order, response: Response, fields: Fields, *, paid_words: Collection[str]
) -> Paid | Declined | Unclear:
    """The success and the failure form, told apart by the code."""
    code = code_of(fields)
    entry = look_up(code)
    if code == "0":
        return _read_success(order, response, fields, paid_words)
    if not entry.is_decline:
        return unclear(order, response, "question_code" if code else "no_code", fields)
    if tells_payment(fields):
        return unclear(order, response, "contradiction", fields)
    if strange := mismatch(order, fields, money=False):
        return unclear(order, response, strange, fields)
    return Declined(
        code=code,
        message=clean_message(fields.get("message"), invoice_id=order.invoice_id),
        code_class=entry.code_class,
        consequence=entry.consequence,
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
    )


def _read_success(order: Order, response: Response, fields: Fields, paid_words: Collection[str]) -> Paid | Unclear:
    if response.status not in {200, 201}:
        return unclear(order, response, "contradiction", fields)
    status = text(fields, "status")
    if status not in PAID_WORDS:
        return unclear(order, response, "odd_status", fields)
    if strange := mismatch(order, fields, money=True):
        return unclear(order, response, strange, fields)
    if status not in paid_words:
        return unclear(order, response, "status_not_counted", fields)
    if denies_payment_anywhere(fields, paid_words):
        return unclear(order, response, "contradiction", fields)
    return Paid(
        bank_id=bank_id_of(fields),
        reference=word(fields, "reference"),
        int_reference=word(fields, "intReference"),
        sender_card=mask_card(text(fields, "senderCardPAN")),
        receiver_card=mask_card(text(fields, "receiverCardPAN")),
        sender_card_id=whole_word(fields, "senderCardID"),
        receiver_card_id=whole_word(fields, "receiverCardID"),
    )


def may_be_definitive(response: Response) -> bool:
    """Is it an HTTP status with which the bank answers? The others come from a gateway."""
    return response.status in {200, 201} or 400 <= response.status < 500


def why_not_the_banks(response: Response) -> str:
    return why_not_read(response.body) if may_be_definitive(response) else f"http_{response.status}"


def unclear(order: Order, response: Response, why: str, *said: Fields | None) -> Unclear:
    """`said`: what the answer holds, the more telling first. Of each word that is kept, the first that is there counts.

    It is looked for at any depth: it is for an operator's question to the bank, and decides nothing.
    """
    sources = [each for one in said if one for each in objects(one)]

    def first(read: Callable[[Fields], str]) -> str:
        return next(filter(None, map(read, sources)), "")

    def starred(name: str) -> Callable[[Fields], str]:
        return lambda fields: star_card_numbers(printable(fields, name), order.invoice_id)

    bank_ids = (starred("id")(each) for each in sources if re.search("[1-9A-Za-z]", printable(each, "id")))
    return Unclear(
        why=why,
        evidence=Evidence.ANSWERED,
        code=code_of(said[0]) if said and said[0] else "",
        http_status=response.status,
        retry_after_s=response.retry_after_s,
        bank_id=next(bank_ids, ""),
        reference=first(starred("reference")),
        message=first(lambda fields: clean_message(fields.get("message"), invoice_id=order.invoice_id)),
    )
