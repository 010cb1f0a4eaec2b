"""The cards of an intent: who pays and who is paid. Everything that names a card or a person is a `Secret`.

Each can say what the ledger may keep of it (`mask`) and what the vault is to hold (`for_vault`).
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault import card_data
from epay_transfers.ledger.vault.card_data import EMPTY
from epay_transfers.producers import validators
from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.model import StrictModel


def nothing() -> Secret:
    """The default of what may be left out; a factory, for pydantic copies a default and a secret is not copied."""
    return EMPTY


def _checked(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda secret: Secret(check(secret.reveal())))


CardNumber = Annotated[
    Secret, _checked(validators.card_number), Field(description="12 to 19 digits, spaces and dashes allowed")
]
CardId = Annotated[Secret, _checked(validators.card_id), Field(description="the bank's id of a saved card")]
Expiry = Annotated[Secret, _checked(validators.expiry), Field(description="MM/YY")]
Cvc = Annotated[Secret, _checked(validators.cvc), Field(description="3 or 4 digits")]
Holder = Annotated[Secret, _checked(validators.holder), Field(description="the holder's name, as on the card")]
Personal = Annotated[Secret, _checked(validators.personal)]
CountryCode = Annotated[Secret, _checked(validators.country_code), Field(description="2 or 3 letters")]
Email = Annotated[Secret, _checked(validators.email)]
IpAddress = Annotated[Secret, _checked(validators.ip_address)]


def mask_of(number: Secret) -> str:
    """First six and last four, and the same stars for every length."""
    digits = number.reveal()
    return f"{digits[:6]}******{digits[-4:]}"


class PanCard(StrictModel):
    """The sender's card by its number. `save`: the bank is asked to keep it, and names it in its answer."""

    number: CardNumber
    expiry: Expiry
    cvc: Cvc
    name: Holder
    address: Personal = Field(default_factory=nothing)
    save: bool = False

    @property
    def mask(self) -> str:
        return mask_of(self.number)

    def for_vault(self) -> card_data.SenderCard:
        month, _, year = self.expiry.reveal().partition("/")
        return card_data.SenderCard(
            transfer_type="TYPEPAN",
            cred=self.number,
            month=Secret(month),
            year=Secret(year),
            cvc=self.cvc,
            name=self.name,
            address=self.address,
            save=self.save,
        )


class SavedCard(StrictModel):
    """The sender's card by the id under which the bank keeps it."""

    card_id: CardId
    cvc: Cvc | None = None

    @property
    def mask(self) -> str:
        return ""

    def for_vault(self) -> card_data.SenderCard:
        return card_data.SenderCard(transfer_type="TYPECARDID", cred=self.card_id, cvc=self.cvc or EMPTY)


class Receiver(StrictModel):
    """Who is paid: by card number or by saved card, exactly one. Names and country are for a transfer abroad."""

    number: CardNumber | None = None
    card_id: CardId | None = None
    first_name: Personal = Field(default_factory=nothing)
    last_name: Personal = Field(default_factory=nothing)
    country_code: CountryCode = Field(default_factory=nothing)
    save: bool = False

    def whole(self) -> None:
        if (self.number is None) == (self.card_id is None):
            raise IntentRejected("number", "give exactly one of number and card_id")

    @property
    def cred(self) -> Secret:
        return self.number or self.card_id or EMPTY

    @property
    def mask(self) -> str:
        return mask_of(self.number) if self.number else ""

    def for_vault(self) -> card_data.ReceiverCard:
        return card_data.ReceiverCard(
            transfer_type="TYPEPAN" if self.number else "TYPECARDID",
            cred=self.cred,
            first_name=self.first_name,
            last_name=self.last_name,
            country_code=self.country_code,
            save=self.save,
        )
