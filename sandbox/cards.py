"""The sandbox bank's cards: the public test cards, any other card that passes the Luhn check, and saved cards.

Card numbers stay in memory; all that leaves this package is masked.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A row of the contract's table."""

    number: str = field(repr=False)
    month: str
    year: str
    cvc: str = field(repr=False)
    #: 0: the card pays. Else the code with which the bank declines every transfer of this card.
    lock_code: int = 0


TEST_CARDS = {
    card.number: card
    for card in (
        KnownCard("4405639704015096", "01", "25", "815"),
        KnownCard("5522042705066736", "01", "25", "525"),
        KnownCard("377514500004820", "01", "25", "4169"),
        KnownCard("4003032704547597", "09", "20", "170", lock_code=479),
        KnownCard("5578342710750560", "09", "20", "254", lock_code=492),
    )
}

#: The two card ids of the contract's sample answer, with the masks that it shows.
SAVED = {
    "88481433-595e-4c01-941f-34569db2426e": "400300******9821",
    "86496cb0-bb5d-4791-bb49-cc27a0f660ce": "557800******0613",
}

WRONG_EXPIRY = 457
NO_SUCH_CARD = 471
WRONG_CARD_DATA = 486


@dataclass(frozen=True, slots=True)
class CardUse:
    """A card as one transfer names it: by number, or by the id of a saved one."""

    number: str = field(default="", repr=False)
    card_id: str = ""
    cvc: str = field(default="", repr=False)
    month: str = field(default="", repr=False)
    year: str = field(default="", repr=False)
    save: bool = False


def luhn(number: str) -> bool:
    """Whether digits pass the check that every card number passes."""
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2] + [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]) % 10 == 0


def is_amex(number: str) -> bool:
    return number.startswith(("34", "37"))


def mask(number: str) -> str:
    return f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"


class Cards:
    """Saved cards, and the bank's decision about a card."""

    def __init__(self) -> None:
        self._saved = dict(SAVED)

    def judge_sender(self, use: CardUse) -> int:
        """0 if the card pays, else the code of the decline. A card outside the table takes any expiry and CVC."""
        if use.card_id:
            return self._judge_id(use.card_id)
        card = TEST_CARDS.get(use.number)
        if card is None:
            return 0
        if card.lock_code:
            return card.lock_code
        if (card.month, card.year) != (use.month, use.year):
            return WRONG_EXPIRY
        return 0 if card.cvc == use.cvc else WRONG_CARD_DATA

    def judge_receiver(self, use: CardUse) -> int:
        if use.card_id:
            return self._judge_id(use.card_id)
        card = TEST_CARDS.get(use.number)
        return card.lock_code if card else 0

    def show(self, use: CardUse) -> str:
        """The mask of a card; empty for an unknown saved card."""
        return mask(use.number) if use.number else self._saved.get(use.card_id, "")

    def save(self, use: CardUse) -> str:
        """The id of a card: its own, a new one where it is to be saved, else nothing."""
        if use.card_id or not use.save:
            return use.card_id
        card_id = str(uuid.uuid4())
        self._saved[card_id] = mask(use.number)
        return card_id

    def restore(self, saved: Mapping[str, str]) -> None:
        """Go on with the saved cards of a bank before this one."""
        self._saved = dict(saved)

    def saved(self) -> dict[str, str]:
        """Card id → mask."""
        return dict(self._saved)

    def _judge_id(self, card_id: str) -> int:
        return 0 if card_id in self._saved else NO_SUCH_CARD
