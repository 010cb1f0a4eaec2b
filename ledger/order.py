"""The order, as far as the bank alone is told it: what an intent says beside money, cards and its own reference.

A producer writes it into the record as JSON, a worker reads it and sends it on. Names that a reader does not know are
left alone: a newer producer may have written them. What was not given is not written. The details end with the
transfer; the client's way home (`way_home`) is kept with the handle, for as long as that leads to the transfer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Self

from epay_transfers.ledger.safe_urls import is_safe_url


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetails:
    """Contract section 2. A new field is optional, and goes into the bank's JSON in `worker.bank.payloads`."""

    description: str = ""
    back_link: str = ""
    failure_back_link: str = ""
    post_link: str = ""
    failure_post_link: str = ""
    foreign: bool = False
    merchant_id_for_saving_cards: str = ""

    @classmethod
    def of(cls, source: object) -> Self:
        """From an object that has all of these names, and may have others."""
        return cls(**dict(zip(DETAILS, _values(source), strict=True)))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """As the record keeps it; of an ended transfer it keeps nothing."""
        return cls.of_fields(json.loads(text)) if text else cls()

    @classmethod
    def of_fields(cls, kept: Mapping[str, Any]) -> Self:
        """From JSON that was read already."""
        return cls(**{name: kept[name] for name in DETAILS if name in kept})

    def to_json(self) -> str:
        given = {name: value for name, value in self.by_name().items() if value}
        return _as_json(given)

    def by_name(self) -> dict[str, str | bool]:
        return dict(zip(DETAILS, _values(self), strict=True))


#: `json.dumps` with these would make an encoder each time.
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

#: The names of its fields.
DETAILS = tuple(each.name for each in fields(OrderDetails))
_values = attrgetter(*DETAILS)


def way_home(text: str) -> str:
    """What the client's page needs of these details (JSON) once the transfer has ended; empty where that is nothing.

    Details that a hand has damaged keep no transfer from its end: what is no link is left out.
    """
    try:
        details = OrderDetails.from_json(text)
    except (ValueError, TypeError, RecursionError):
        return ""
    home = OrderDetails(back_link=_link(details.back_link), failure_back_link=_link(details.failure_back_link))
    return "" if home == OrderDetails() else home.to_json()


def _link(kept: object) -> str:
    return kept if isinstance(kept, str) and is_safe_url(kept) else ""
