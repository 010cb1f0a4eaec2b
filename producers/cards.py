"""The cards of an intent: who pays and who is paid. Everything that names a card or a person is a `Secret`.

Each can say what the ledger may keep of it (`mask`) and what the vault is to hold (`for_vault`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

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


CardNumber = Annotated[Secret, _checked(validators.card_number)]
CardId = Annotated[Secret, _checked(validators.card_id)]
Expiry = Annotated[Secret, _checked(validators.expiry)]
Cvc = Annotated[Secret, _checked(validators.cvc)]
Holder = Annotated[Secret, _checked(validators.holder)]
Personal = Annotated[Secret, _checked(validators.personal)]
CountryCode = Annotated[Secret, _checked(validators.country_code)]
Email = Annotated[Secret, _checked(validators.email)]
IpAddress = Annotated[Secret, _checked(validators.ip_address)]


def mask_of(number: Secret) -> str:
    """First six and last four, and the same stars for every length."""
    digits = number.reveal()
    return f"{digits[:6]}******{digits[-4:]}"


class PanCard(StrictModel):
    """The sender's card by its number. Raises `IntentRejected` for a field that is not as described."""

    number: CardNumber
    """12 to 19 digits with a right check digit; blanks and dashes of any kind may be between them"""
    expiry: Expiry
    """`MM/YY`; the bank says whether it is past"""
    cvc: Cvc
    """3 or 4 digits"""
    name: Holder
    """the holder's name, as on the card"""
    address: Personal = Field(default_factory=nothing)
    """the holder's address; at most 128 characters"""
    save: bool = False
    """ask the bank to keep the card: `Transfer.sender_card_id` is its id then"""

    if TYPE_CHECKING:  # what a caller may give, for type checkers; a test holds it against the fields

        def __init__(
            self,
            *,
            number: str | Secret,
            expiry: str | Secret,
            cvc: str | Secret,
            name: str | Secret,
            address: str | Secret = ...,
            save: bool = ...,
        ) -> None: ...

    @property
    def mask(self) -> str:
        """What the ledger may keep of the card."""
        return mask_of(self.number)

    def for_vault(self) -> card_data.SenderCard:
        """What the vault holds of the card, until it is sent."""
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
    """The sender's card by the id under which the bank keeps it. Raises `IntentRejected` for a field that is wrong."""

    card_id: CardId
    """the bank's id of the card, as in `Transfer.sender_card_id`: up to 64 letters, digits and dashes"""
    cvc: Cvc | None = None
    """3 or 4 digits, where the bank wants them; with one the deadline is at most `CARD_TTL` away"""

    if TYPE_CHECKING:  # see `PanCard`

        def __init__(self, *, card_id: str | Secret, cvc: str | Secret | None = ...) -> None: ...

    @property
    def mask(self) -> str:
        """Empty: the ledger keeps nothing of a saved card."""
        return ""

    def for_vault(self) -> card_data.SenderCard:
        """What the vault holds of the card, until it is sent."""
        return card_data.SenderCard(transfer_type="TYPECARDID", cred=self.card_id, cvc=self.cvc or EMPTY)


class Receiver(StrictModel):
    """The card that is paid: give exactly one of `number` and `card_id`. Raises `IntentRejected` for anything else."""

    number: CardNumber | None = None
    """12 to 19 digits with a right check digit; blanks and dashes of any kind may be between them"""
    card_id: CardId | None = None
    """the bank's id of a saved card, as in `Transfer.receiver_card_id`"""
    first_name: Personal = Field(default_factory=nothing)
    """needed for a transfer abroad (`foreign`); at most 128 characters"""
    last_name: Personal = Field(default_factory=nothing)
    """needed for a transfer abroad (`foreign`); at most 128 characters"""
    country_code: CountryCode = Field(default_factory=nothing)
    """needed for a transfer abroad (`foreign`): 2 or 3 letters"""
    save: bool = False
    """ask the bank to keep the card: `Transfer.receiver_card_id` is its id then"""

    if TYPE_CHECKING:  # see `PanCard`

        def __init__(
            self,
            *,
            number: str | Secret | None = ...,
            card_id: str | Secret | None = ...,
            first_name: str | Secret = ...,
            last_name: str | Secret = ...,
            country_code: str | Secret = ...,
            save: bool = ...,
        ) -> None: ...

    def whole(self) -> None:
        """Raises `IntentRejected` for none, or both, of number and card id."""
        if (self.number is None) == (self.card_id is None):
            raise IntentRejected("number", "give exactly one of number and card_id")

    @property
    def cred(self) -> Secret:
        """The number or the card id: the one that is given."""
        return self.number or self.card_id or EMPTY

    @property
    def mask(self) -> str:
        """What the ledger may keep of the card; empty for a saved one."""
        return mask_of(self.number) if self.number else ""

    def for_vault(self) -> card_data.ReceiverCard:
        """What the vault holds of the receiver, until it is sent."""
        return card_data.ReceiverCard(
            transfer_type="TYPEPAN" if self.number else "TYPECARDID",
            cred=self.cred,
            first_name=self.first_name,
            last_name=self.last_name,
            country_code=self.country_code,
            save=self.save,
        )
