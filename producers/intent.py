"""The intent: what a producer wants paid. One that exists is valid; making an invalid one raises `IntentRejected`.

What depends on the time or on the settings is not checked here but when it is enqueued: the deadline and the terminal.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)

from epay_transfers.ledger import invoice
from epay_transfers.ledger.money import EXPONENTS, to_decimal, to_minor
from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.pasted_text import cleaned
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.short_texts import short_text
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.producers import intent_json, validators
from epay_transfers.producers.cards import Email, IpAddress, PanCard, Receiver, SavedCard, nothing
from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.metadata import Metadata, no_metadata
from epay_transfers.producers.model import StrictModel

_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


def _currency(text: str) -> str:
    code = text.upper()
    if code not in EXPONENTS:
        raise ValueError(f"is not known here: give one of {', '.join(sorted(EXPONENTS))}")
    return code


def _invoice_id(text: str) -> str:
    if not invoice.is_invoice_id(text):
        raise ValueError("must be 6 to 15 digits")
    return text


def _moment(value: Any) -> datetime | None:
    """No bare numbers: one does not say whether it is in seconds, or in which zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = ""
    if value is not None and not (isinstance(value, datetime) and value.tzinfo):
        raise ValueError("must be a date and a time with a zone, like 2025-11-24T12:00:00+05:00")
    return value


def _kind(sender: Any) -> str:
    saved = isinstance(sender, SavedCard) or (isinstance(sender, Mapping) and "card_id" in sender)
    return "saved" if saved else "pan"


Reference = Annotated[str, AfterValidator(validators.reference), Field(min_length=1, max_length=64)]
Link = Annotated[str, AfterValidator(validators.link)]
Sender = Annotated[Annotated[PanCard, Tag("pan")] | Annotated[SavedCard, Tag("saved")], Discriminator(_kind)]
Amount = Annotated[
    Decimal,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$"},
                {"type": "integer", "exclusiveMinimum": 0},
            ],
        }
    ),
]


class TransferIntent(StrictModel):
    """One transfer from card to card. Raises `IntentRejected` for a field that is not as described.

    From a dict: `TransferIntent.model_validate(data)`; from JSON: `TransferIntent.model_validate_json(text)`. Both
    raise the same.
    """

    reference: Reference
    """your own id of this transfer: the same one is never paid twice; 1 to 64 of letters, digits and `._:-`"""
    currency: Annotated[str, AfterValidator(_currency)] = "KZT"
    """three letters, like KZT"""
    amount: Amount
    """in units of the currency, more than 0, as exact as the currency is; a str, an int or a Decimal, never a float"""
    description: Annotated[str, AfterValidator(validators.description)]
    """for the bank and the client; 1 to 125 bytes of UTF-8 (62 Cyrillic letters)"""
    sender: Sender
    """the card that pays: a `PanCard` or a `SavedCard`"""
    receiver: Receiver
    """the card that is paid"""
    terminal: str = "main"
    """`main`, or a name in `EPAY_TERMINALS`"""
    invoice_id: Annotated[str, AfterValidator(_invoice_id)] | None = None
    """6 to 15 digits, the last six unique; left out, the ledger gives one"""
    deadline: Annotated[datetime | None, BeforeValidator(_moment)] = None
    """until when it may be sent, with a time zone; left out, `CARD_TTL` seconds with a CVC, a day without"""
    urgency: Literal["now", "batch"] = "now"
    """`now`: a client is waiting; `batch`: it may wait for those"""
    related_to: Reference | None = None
    """the reference of a transfer that this one belongs to"""
    metadata: Metadata = Field(default_factory=no_metadata, repr=False)
    """your own few texts by name: they come back with the transfer and each outcome, and the bank is not told them"""
    sender_email: Email = Field(default_factory=nothing)
    """the sender's e-mail address, for the bank"""
    sender_ip: IpAddress = Field(default_factory=nothing)
    """the client's IPv4 or IPv6 address, for the bank"""
    merchant_id_for_saving_cards: Annotated[str, AfterValidator(short_text)] = ""
    """sent to the bank as it is, which does not describe it; at most 100 characters"""
    foreign: bool = False
    """the receiver is abroad: the receiver's names and country are needed"""
    back_link: Link = ""
    """where the client goes after a success: https, or empty"""
    failure_back_link: Link = ""
    """where the client goes after a failure: https, or empty"""
    post_link: Link = ""
    """where the bank posts its notification of a success: https, or empty"""
    failure_post_link: Link = ""
    """where the bank posts its notification of a failure: https, or empty"""

    if TYPE_CHECKING:  # what a caller may give, for type checkers; a test holds it against the fields

        def __init__(
            self,
            *,
            reference: str,
            amount: Decimal | int | str,
            description: str,
            sender: PanCard | SavedCard,
            receiver: Receiver,
            currency: str = ...,
            terminal: str = ...,
            invoice_id: str | None = ...,
            deadline: datetime | str | None = ...,
            urgency: Literal["now", "batch"] = ...,
            related_to: str | None = ...,
            metadata: Mapping[str, str] = ...,
            sender_email: str | Secret = ...,
            sender_ip: str | Secret = ...,
            merchant_id_for_saving_cards: str = ...,
            foreign: bool = ...,
            back_link: str = ...,
            failure_back_link: str = ...,
            post_link: str = ...,
            failure_post_link: str = ...,
        ) -> None: ...

    @field_validator("amount", mode="before")
    @classmethod
    def _amount(cls, value: Any, info: ValidationInfo) -> Decimal:
        currency = str(info.data.get("currency", "KZT"))
        if isinstance(value, (bool, float)):
            raise ValueError("must be a Decimal, an int or a string: a float is not exact")  # noqa: TRY004 - one error type
        if isinstance(value, str):
            value = cleaned(value).strip(" ")
            if not _PLAIN_NUMBER.fullmatch(value):
                raise ValueError("must be a number, like 15000 or 15000.50")
        elif not isinstance(value, (int, Decimal)):
            raise ValueError("must be a Decimal, an int or a string")  # noqa: TRY004 - one error type
        return to_decimal(to_minor(value, currency), currency)

    @field_validator("sender", "receiver", mode="wrap")
    @classmethod
    @clear_frames_on_error
    def _named(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """What is wrong with a card's field is said with the card's name before it: `sender.expiry`."""
        try:
            return handler(value)
        except IntentRejected as inner:
            raise IntentRejected(f"{info.field_name}.{inner.field}", inner.why) from None

    def whole(self) -> None:
        """Raises `IntentRejected` for a transfer abroad that lacks the receiver's names or country."""
        if not self.foreign:
            return
        for name in ("first_name", "last_name", "country_code"):
            if not getattr(self.receiver, name):
                raise IntentRejected(f"receiver.{name}", "is needed for a transfer abroad (`foreign`)")

    @property
    def amount_minor(self) -> int:
        """The amount in the currency's smallest unit: tiyn for KZT."""
        return self._amount_minor

    @cached_property
    def _amount_minor(self) -> int:
        """An enqueue asks three times."""
        return to_minor(self.amount, self.currency)

    @property
    def holds_cvc(self) -> bool:
        """Whether a CVC is given: it may not be kept for long, so the deadline is shorter then."""
        return self.sender.cvc is not None

    def card_data(self) -> CardData:
        """What the vault alone holds."""
        return CardData(self.sender.for_vault(), self.receiver.for_vault(), self.sender_ip, self.sender_email)

    def order_details(self) -> OrderDetails:
        """What the bank alone is told, beside the money and the cards."""
        return self._order_details

    @cached_property
    def _order_details(self) -> OrderDetails:
        """An enqueue asks three times."""
        return OrderDetails.of(self)

    @clear_frames_on_error
    def to_json(self) -> str:
        """A text that may wait in your own database, for `Transfers.enqueue_json`; `from_json` reads it back.

        Equal intents give equal texts. Only from a saved card to a saved card, and with a deadline: its time passes
        while it waits. Raises `IntentRejected` for a card number, an expiry or a CVC, and where no deadline is given.
        """
        return intent_json.write(self)

    @classmethod
    @clear_frames_on_error
    def from_json(cls, text: str) -> Self:
        """The intent of a text that `to_json` gave.

        Raises `IntentRejected` for any other text, also for one of a version that this one does not know.
        """
        intent = cls.model_validate(intent_json.read(text))
        intent_json.check(intent)
        return intent

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The published schema. What it can't say (Luhn, bytes, https) is checked all the same."""
        return cls.model_json_schema()
