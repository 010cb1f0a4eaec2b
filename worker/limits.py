"""A worker's limits on money: read from the setting, and the digest by which a receiver's card is counted.

The digest is the worker's own: it alone has seen the card that is sent. A digest that a producer delivered would be as
true as that producer. Its key is derived from the bank's client secret, which every worker has and no other process.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from epay_transfers.ledger.limits import NO_LIMITS, NOTHING, Counts, Day, Limits, counts_of_terminal
from epay_transfers.ledger.money import EXPONENTS, to_minor
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import ReceiverCard
from epay_transfers.ledger.vault.sealing import derived_key
from epay_transfers.runtime.settings import shown

ByTerminal = Mapping[str, Mapping[str, Limits]]

_NAMES = tuple(each.name for each in fields(Limits))
_PURPOSE = "receivers' cards, counted by day"
_NO_SIGN_OF_A_CARD = re.compile(r"[^0-9a-z]")


def read_limits(value: Any) -> ByTerminal:
    """`{"main": {"KZT": {"transfer": "500000"}}}`. Raises `ValueError` with a sentence that names the place."""
    return {
        terminal: {
            _known(_place(terminal), currency): _limits(_place(terminal, currency), currency, its)
            for currency, its in _object(_place(terminal), by_currency).items()
        }
        for terminal, by_currency in _object("", value).items()
    }


class MoneyLimits:
    """By terminal and currency. Without any, nothing is limited and nothing is counted."""

    def __init__(self, by_terminal: ByTerminal, client_secret: Secret) -> None:
        self._by_terminal = by_terminal
        self._key = derived_key(client_secret, _PURPOSE)

    def of(self, terminal: str, currency: str) -> Limits:
        """Where a terminal has limits, a currency that they do not name is not sent."""
        if not self._by_terminal:
            return NO_LIMITS
        by_currency = self._by_terminal.get(terminal)
        if by_currency is None:
            return NOTHING
        return by_currency.get(currency, NOTHING) if by_currency else NO_LIMITS

    def counts(self, record: Record, day: Day) -> Counts:
        """As what a claim of it counts to its terminal."""
        return counts_of_terminal(
            self.of(record.terminal, record.currency),
            day,
            terminal=record.terminal,
            currency=record.currency,
            key=record.key,
            amount=record.amount,
        )

    def with_card(self, counts: Counts, record: Record, receiver: ReceiverCard) -> Counts:
        """And to its receiver's card."""
        if self.of(record.terminal, record.currency).receiver_day is None:
            return counts
        card = f"{self.card(receiver, counts.day)}:{record.currency}"
        return replace(counts, card=card, unsent_of_card=self.mark(receiver, counts.day, record.key))

    def card(self, receiver: ReceiverCard, day: Day) -> str:
        """The digest of a receiver's card, for one day: two days' digests of a card tell nothing of each other."""
        return self._digest("card", day.name, *_identity(receiver))

    def mark(self, receiver: ReceiverCard, day: Day, key: str) -> str:
        """Of a transfer, beside the counts: it leads from no record to a digest of the record's card."""
        return self._digest("transfer", day.name, *_identity(receiver), key)

    def _digest(self, *parts: str) -> str:
        return hmac.digest(self._key, "\n".join(parts).encode(), "sha256").hex()[:32]


def _identity(receiver: ReceiverCard) -> tuple[str, str]:
    """One card in two spellings is one card."""
    return receiver.transfer_type, _NO_SIGN_OF_A_CARD.sub("", receiver.cred.reveal().casefold())


def _place(*names: str) -> str:
    """Where a complaint is."""
    return " ".join(map(shown, names))


def _object(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: is no JSON object" if place else "is no JSON object")  # noqa: TRY004 - one error type
    return value


def _known(terminal: str, currency: str) -> str:
    if currency not in EXPONENTS:
        raise ValueError(f"{terminal}: names a currency that is not known here: {', '.join(sorted(EXPONENTS))} are")
    return currency


def _limits(place: str, currency: str, value: Any) -> Limits:
    given = _object(place, value)
    if set(given) - set(_NAMES) or not given:
        raise ValueError(f"{place}: must name one or more of {', '.join(_NAMES)}, and nothing else")
    return Limits(**{name: _minor(f"{place} {name}", currency, amount) for name, amount in given.items()})


def _minor(place: str, currency: str, amount: Any) -> int:
    if not isinstance(amount, str | int) or isinstance(amount, bool):
        raise ValueError(f'{place}: must be a whole number, or a string like "500000.50"')  # noqa: TRY004 - one error type
    try:
        return to_minor(amount, currency)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
