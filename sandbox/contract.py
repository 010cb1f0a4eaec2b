"""The bank's contract, field by field: what a transfer call and a confirm call must look like.

It is written from the contract alone and shares no code with the product. It knows no order and no card.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from epay_transfers.sandbox import amounts
from epay_transfers.sandbox.cards import NO_SUCH_CARD, CardUse, is_amex, luhn
from epay_transfers.sandbox.fields import BAD_AMOUNT, FieldError, Fields

INVOICE = re.compile(r"[0-9]{6,15}")
INVOICE_RULE = "must be a string of 6 to 15 digits"
DESCRIPTION_BYTES = 125
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_UNKNOWN_TERMINAL = 464
_TOO_LONG = 3298
_NUMBER = re.compile(r"[0-9]{12,19}")
_CVC = re.compile(r"[0-9]{3,4}")
_TWO_DIGITS = re.compile(r"[0-9]{2}")
_LINKS = ("backLink", "failureBackLink", "postLink", "failurePostLink")


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """A transfer whose fields are all as the contract wants them."""

    invoice: str
    amount: Decimal
    currency: str
    description: str
    terminal: str
    email: str
    back_link: str
    failure_back_link: str
    post_link: str
    failure_post_link: str
    sender: CardUse
    receiver: CardUse


@dataclass(frozen=True, slots=True)
class ConfirmRequest:
    bank_id: str
    pa_res: str = field(repr=False)
    md: str


def read_transfer(data: object, *, terminals: Collection[str], currencies: Collection[str]) -> TransferRequest:
    """Contract, section 2. Raises `FieldError`."""
    body = Fields(data)
    order, card = body.part("order"), body.part("card")
    body.done()
    invoice = order.text("id")
    if not INVOICE.fullmatch(invoice):
        order.refuse("id", INVOICE_RULE)
    amount = order.number("amount")
    if why := amounts.problem(amount):
        order.refuse("amount", why, BAD_AMOUNT)
    currency = order.text("currency")
    if currency not in currencies:
        order.refuse("currency", f"must be one of {', '.join(currencies)}")
    description = order.text("description")
    if len(description.encode()) > DESCRIPTION_BYTES:
        order.refuse("description", f"is longer than {DESCRIPTION_BYTES} bytes", _TOO_LONG)
    order.text("merchantIdForSavingCards")
    foreign = order.flag("foreign")
    terminal = order.text("terminalId")
    if terminal not in terminals:
        order.refuse("terminalId", "is not a terminal of this bank", _UNKNOWN_TERMINAL)
    email = _contact(order)
    back, failure_back, post, failure_post = (_link(order, name) for name in _LINKS)
    order.done()
    sender, receiver = card.part("sender"), card.part("receiver")
    card.done()
    return TransferRequest(
        invoice,
        amount,
        currency,
        description,
        terminal,
        email,
        back,
        failure_back,
        post,
        failure_post,
        _sender(sender),
        _receiver(receiver, foreign=foreign),
    )


def read_confirm(data: object) -> ConfirmRequest:
    """Contract, section 4. Raises `FieldError`."""
    body = Fields(data)
    bank_id, pa_res, md = (body.text(name) for name in ("ID", "PaRes", "MD"))
    body.done()
    for name, value in (("ID", bank_id), ("PaRes", pa_res), ("MD", md)):
        if not value:
            body.refuse(name, "must not be empty")
    try:
        base64.b64decode(pa_res, validate=True)
    except (binascii.Error, ValueError):
        raise FieldError("PaRes", "must be base64, without blanks or line breaks") from None
    return ConfirmRequest(bank_id, pa_res, md)


def is_safe_link(link: str) -> bool:
    """An https address, or a plain one on this machine."""
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def _link(order: Fields, name: str) -> str:
    link = order.text(name)
    if link and not is_safe_link(link):
        order.refuse(name, "must be an https address, or empty")
    return link


def _contact(order: Fields) -> str:
    """The two fields that the page calls optional."""
    if sender_ip := order.text("senderIP", optional=True):
        try:
            ipaddress.ip_address(sender_ip)
        except ValueError:
            order.refuse("senderIP", "must be an IP address, or empty")
    email = order.text("senderEmail", optional=True)
    if email and not all(email.partition("@")):
        order.refuse("senderEmail", "must be an e-mail address, or empty")
    return email


def _sender(card: Fields) -> CardUse:
    save, by_id = card.flag("save"), _by_id(card)
    if card.text("id", optional=True):
        card.refuse("id", "must be empty")
    card.text("address")
    card.text("number")
    credential = card.text("cardCred")
    cvc, name = (card.text(each, optional=by_id) for each in ("cvc", "name"))  # the bank's SDK leaves them out
    expire = card.part("expire", optional=by_id)
    month, year = (expire.text(each, optional=by_id) for each in ("month", "year"))
    expire.done()
    card.done()
    if by_id:
        if not credential:
            card.refuse("cardCred", "must be the id of a saved card")
    else:
        _check_number(card, credential)
        if not name:
            card.refuse("name", "must be the holder's name")
    if (cvc or not by_id) and not _CVC.fullmatch(cvc):
        card.refuse("cvc", "must be a string of 3 digits, or 4 for American Express")
    if not by_id and len(cvc) != (4 if is_amex(credential) else 3):
        card.refuse("cvc", "must be a string of 3 digits, or 4 for American Express")
    if (month or not by_id) and not (_TWO_DIGITS.fullmatch(month) and 1 <= int(month) <= 12):
        expire.refuse("month", "must be a string of two digits, 01 to 12")
    if (year or not by_id) and not _TWO_DIGITS.fullmatch(year):
        expire.refuse("year", "must be a string of two digits")
    return CardUse("" if by_id else credential, credential if by_id else "", cvc, month, year, save)


def _receiver(card: Fields, *, foreign: bool) -> CardUse:
    save, by_id = card.flag("save"), _by_id(card)
    card_id, credential = (card.text(each, optional=by_id) for each in ("id", "cardCred"))
    for name in ("firstName", "lastName", "countryCode"):
        value = card.text(name, optional=not foreign)
        if foreign and not value:
            card.refuse(name, "must be given for a transfer abroad")
        if value and not foreign:
            card.refuse(name, "is only for a transfer abroad")
    card.done()
    if not by_id:
        if card_id:
            card.refuse("id", "must be empty for TYPEPAN")
        _check_number(card, credential)
        return CardUse(number=credential, save=save)
    if not (card_id or credential):
        card.refuse("id", "must be the id of a saved card (here, in cardCred, or in both)")
    if card_id and credential and card_id != credential:
        card.refuse("cardCred", "names another saved card than id")
    return CardUse(card_id=card_id or credential, save=save)


def _by_id(card: Fields) -> bool:
    kind = card.text("transferType")
    if kind not in {"TYPEPAN", "TYPECARDID"}:
        card.refuse("transferType", "must be TYPEPAN or TYPECARDID")
    return kind == "TYPECARDID"


def _check_number(card: Fields, number: str) -> None:
    if not _NUMBER.fullmatch(number):
        card.refuse("cardCred", "must be a card number: 12 to 19 digits")
    if not luhn(number):
        card.refuse("cardCred", "is not a card number: its last digit does not fit", NO_SUCH_CARD)
