"""The intent: what a producer wants paid. One that exists is valid; making an invalid one raises `IntentRejected`.

What depends on the time or on the settings is not checked here but when it is enqueued: the deadline and the terminal.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

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
from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.producers import validators
from epay_transfers.producers.cards import Email, IpAddress, PanCard, Receiver, SavedCard, nothing
from epay_transfers.producers.errors import IntentRejected
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
Link = Annotated[str, AfterValidator(validators.link), Field(description="https, or empty")]
Sender = Annotated[Annotated[PanCard, Tag("pan")] | Annotated[SavedCard, Tag("saved")], Discriminator(_kind)]
Amount = Annotated[
    Decimal,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$"},
                {"type": "integer", "exclusiveMinimum": 0},
            ],
            "description": "in units of the currency, more than 0, at most two decimals; never a binary fraction",
        }
    ),
]


class TransferIntent(StrictModel):
    """One transfer from card to card. `reference` is the producer's own id of it: the same one is never paid twice."""

    reference: Reference
    currency: Annotated[str, AfterValidator(_currency)] = "KZT"
    amount: Amount
    description: Annotated[str, AfterValidator(validators.description), Field(description="1 to 125 bytes of UTF-8")]
    sender: Sender
    receiver: Receiver
    terminal: str = "main"
    invoice_id: Annotated[str, AfterValidator(_invoice_id), Field(description="6 to 15 digits")] | None = None
    deadline: Annotated[datetime | None, BeforeValidator(_moment)] = None
    urgency: Literal["now", "batch"] = "now"
    related_to: Reference | None = None
    sender_email: Email = Field(default_factory=nothing)
    sender_ip: IpAddress = Field(default_factory=nothing)
    merchant_id_for_saving_cards: Annotated[str, AfterValidator(validators.short_text)] = ""
    foreign: bool = False
    back_link: Link = ""
    failure_back_link: Link = ""
    post_link: Link = ""
    failure_post_link: Link = ""

    @field_validator("amount", mode="before")
    @classmethod
    def _amount(cls, value: Any, info: ValidationInfo) -> Decimal:
        currency = str(info.data.get("currency", "KZT"))
        if isinstance(value, (bool, float)):
            raise ValueError("must be a Decimal, an int or a string: a float is not exact")  # noqa: TRY004 - one error type
        if isinstance(value, str):
            if not _PLAIN_NUMBER.fullmatch(value):
                raise ValueError("must be a number, like 15000 or 15000.50")
        elif not isinstance(value, (int, Decimal)):
            raise ValueError("must be a Decimal, an int or a string")  # noqa: TRY004 - one error type
        return to_decimal(to_minor(value, currency), currency)

    @field_validator("sender", "receiver", mode="wrap")
    @classmethod
    def _named(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """What is wrong with a card's field is said with the card's name before it: `sender.expiry`."""
        try:
            return handler(value)
        except IntentRejected as inner:
            rejected = IntentRejected(f"{info.field_name}.{inner.field}", inner.why)
        del value
        raise rejected

    def whole(self) -> None:
        if not self.foreign:
            return
        for name in ("first_name", "last_name", "country_code"):
            if not getattr(self.receiver, name):
                raise IntentRejected(f"receiver.{name}", "is needed for a transfer abroad (`foreign`)")

    @property
    def amount_minor(self) -> int:
        return to_minor(self.amount, self.currency)

    @property
    def holds_cvc(self) -> bool:
        return self.sender.cvc is not None

    def card_data(self) -> CardData:
        """What the vault alone holds."""
        return CardData(self.sender.for_vault(), self.receiver.for_vault(), self.sender_ip, self.sender_email)

    def order_details(self) -> OrderDetails:
        """What the bank alone is told, beside the money and the cards."""
        return OrderDetails.of(self)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The published schema. What it can't say (Luhn, bytes, https) is checked all the same."""
        return cls.model_json_schema()
