"""An intent as a text that waits in a backend's own database until `enqueue_json`: from a saved card to a saved card.

No card number, expiry or CVC is in it. It says everything that a later version could read otherwise: the defaults that
mean something (currency, terminal, urgency), and the deadline, for a day that begins when it is enqueued would move
while it waits. A field that is left out is empty, for ever. A new field is written where it is given, and a reader that
does not know it refuses the text; what a field means changes with the schema alone.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.strict_json import read_json
from epay_transfers.producers.errors import IntentRejected

SCHEMA: Final = 1

_IN_A_DATABASE = "can't wait in a database: even sealed it would reach disks and backups"

#: What may not wait, with its name in the refusal. An expiry comes with a number alone.
_NEVER = {
    "sender.number": "a card number",
    "sender.expiry": "an expiry",
    "sender.cvc": "a CVC",
    "receiver.number": "a card number",
}

#: Digits that are no card's: their form is checked by the intent.
_OTHER_DIGITS = frozenset({"amount", "invoice_id", "deadline", "sender_ip"})


def write(intent: BaseModel) -> str:
    """Equal intents have equal texts. ASCII alone, for a table of any encoding. Raises `IntentRejected`."""
    kept = _kept(intent)
    check(intent)
    return json.dumps({"schema": SCHEMA} | kept, separators=(",", ":"))


def read(text: object) -> dict[str, Any]:
    """The fields of the intent, which its model checks. Raises `IntentRejected`; `WrongCall` for what is no str."""
    if not isinstance(text, str):
        raise WrongCall(f"this takes the text that intent.to_json() gave, a str, and not a {type(text).__name__}")
    why = ""
    try:
        fields = read_json(text)
    except ValueError as error:
        why = str(error)
    if why:
        raise IntentRejected("json", why)
    if not isinstance(fields, dict):
        raise IntentRejected("json", "is no object: give the text that intent.to_json() gave")
    schema = fields.pop("schema", None)
    if schema is None:
        raise IntentRejected("schema", "is missing: give the text that intent.to_json() gave")
    if type(schema) is not int or schema != SCHEMA:
        raise IntentRejected(
            "schema",
            f"is of another version than {SCHEMA}, which this one reads: run the version that wrote it; this call "
            "stored nothing, but one before it may have stored the transfer: before you pay it another way, ask "
            "get(reference=...)",
        )
    return fields


def check(intent: BaseModel) -> None:
    """Raises `IntentRejected` for what may not wait in a database, and for an intent without a deadline."""
    kept = _kept(intent)
    texts = dict(_texts(kept))
    for field, name in _NEVER.items():
        if field in texts:
            raise IntentRejected(field, f"{name} {_IN_A_DATABASE}; call enqueue after your commit")
    for field, text in texts.items():
        if field not in _OTHER_DIGITS and holds_card_number(text):
            raise IntentRejected(field, f"looks like a card number, and one {_IN_A_DATABASE}")
    if "deadline" not in kept:
        raise IntentRejected(
            "deadline", "is needed for an intent that waits: without it, its day would begin when it is enqueued"
        )


def _kept(model: BaseModel) -> dict[str, Any]:
    """What is given, as JSON: what is empty is left out."""
    values = {name: _plain(getattr(model, name)) for name in type(model).model_fields}
    return {name: value for name, value in values.items() if value}


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return _kept(value)
        case Secret():
            return value.reveal()
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return dict(sorted(value.items()))
        case _:
            return value


def _texts(kept: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in kept.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{before}{name}.")
        elif isinstance(value, str):
            yield before + name, value
