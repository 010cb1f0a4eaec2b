"""A transfer that is to be created: what a producer says of it, before the ledger gives it an invoice id."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter

from epay_transfers.ledger import invoice
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State

#: What a new transfer says that is no field of the record.
_NO_FIELDS = frozenset({"invoice_id", "lasts_ms", "day_ms", "card_prints"})


@dataclass(frozen=True, slots=True)
class Names:
    """What a new transfer is called: by the bank, and by the client's browser."""

    key: str
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransfer:
    """A transfer that is to be created. The ledger adds its invoice id, its handle, its state and its times.

    `day_ms` names the day in an invoice id that the ledger makes, by the producer's own clock: a name, and no time.
    """

    reference: str
    space: str
    terminal: str
    amount: int
    currency: str
    urgency: str
    order_details: str
    fingerprints: str
    lasts_ms: int  #: how long it may wait: its deadline is the ledger's time and this
    day_ms: int
    sender_card: str
    receiver_card: str
    metadata: str = field(default="", repr=False)
    card_prints: str = ""  #: the cards' fingerprints: they go when the transfer ends, and are in no record
    related: str = ""
    invoice_id: str | None = None

    def first_suffix(self) -> int:
        """The producer's own last six digits, or a digest of its reference as the place to begin to look for free ones.

        A ledger that forgot a transfer looks in the same place again, and meets what the vault remembers of it. The
        digest has no key: with another key it would be another place.
        """
        if self.invoice_id:
            return invoice.suffix_of(self.invoice_id)
        digest = hashlib.sha256(f"{self.space}\n{self.reference}".encode()).digest()
        return int.from_bytes(digest[:8]) % invoice.SUFFIXES

    def names(self, suffix: int) -> Names:
        """What it is called under a suffix."""
        invoice_id = self.invoice_id or invoice.make_invoice_id(suffix, self.day_ms)
        return Names(invoice.make_key(invoice_id, self.space), secrets.token_urlsafe(16))

    def record(self, names: Names, now_ms: int) -> Record:
        """The record that this new transfer became at that time of the ledger's."""
        return Record(
            key=names.key,
            state=State.QUEUED,
            version=1,
            handle=names.handle,
            state_since=now_ms,
            created_at=now_ms,
            deadline_at=now_ms + self.lasts_ms,
            **dict(zip(SAID, values_said(self), strict=True)),
        )


#: The record's fields that a new transfer says.
SAID = tuple(each.name for each in fields(NewTransfer) if each.name not in _NO_FIELDS)
values_said = attrgetter(*SAID)


def apart(tried: Iterable[int], suffix: int) -> int:
    """Drafts of one batch that were told of the same free suffix try neighbours: one a round would be too few."""
    others = set(tried)
    while suffix in others:
        suffix = (suffix + 1) % invoice.SUFFIXES
    return suffix
