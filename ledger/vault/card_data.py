"""Card data: the two cards of a transfer, as the bank wants them. It is stored only in the vault, sealed.

Every field that could identify a person or a card is a `Secret`. `plain`, for sealing, is the only way out.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Self

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.secret import Secret

TransferType = Literal["TYPEPAN", "TYPECARDID"]

EMPTY = Secret("")


class CardsGarbled(TransfersError):
    """The sealed text opened, but it holds no card data."""

    def __init__(self) -> None:
        super().__init__("the sealed text holds no card data: does the producer run another version?")


@dataclass(frozen=True, slots=True)
class SenderCard:
    """Contract section 2, `card.sender`. `cred` is the card's number, or its id for `TYPECARDID`."""

    transfer_type: TransferType
    cred: Secret
    month: Secret = EMPTY
    year: Secret = EMPTY
    cvc: Secret = EMPTY
    name: Secret = EMPTY
    address: Secret = EMPTY
    save: bool = False


@dataclass(frozen=True, slots=True)
class ReceiverCard:
    """Contract section 2, `card.receiver`. The names and the country are sent only for a transfer abroad."""

    transfer_type: TransferType
    cred: Secret
    first_name: Secret = EMPTY
    last_name: Secret = EMPTY
    country_code: Secret = EMPTY
    save: bool = False


@dataclass(frozen=True, slots=True)
class CardData:
    """All personal data of one transfer: both cards, and the sender's IP and e-mail address."""

    sender: SenderCard
    receiver: ReceiverCard
    sender_ip: Secret = EMPTY
    sender_email: Secret = EMPTY

    def plain(self) -> dict[str, Any]:
        """In clear, for `ledger.vault.sealed_card` alone."""
        return {
            "sender": _plain(self.sender),
            "receiver": _plain(self.receiver),
            "ip": self.sender_ip.reveal(),
            "email": self.sender_email.reveal(),
        }

    @classmethod
    def from_plain(cls, raw: dict[str, Any]) -> Self:
        """Raises `KeyError`, `TypeError` or `AttributeError` for what is no card data."""
        return cls(
            sender=SenderCard(**_secret(raw["sender"])),
            receiver=ReceiverCard(**_secret(raw["receiver"])),
            sender_ip=Secret(raw["ip"]),
            sender_email=Secret(raw["email"]),
        )


_VALUES = {kind: attrgetter(*kind.__slots__) for kind in (SenderCard, ReceiverCard)}


def _plain(card: SenderCard | ReceiverCard) -> dict[str, str | bool]:
    fields = zip(card.__slots__, _VALUES[type(card)](card), strict=True)
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields}


def _secret(raw: dict[str, Any]) -> dict[str, Any]:
    open_fields = ("transfer_type", "save")
    return {name: value if name in open_fields else Secret(value) for name, value in raw.items()}
