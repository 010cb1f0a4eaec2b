"""Which metadata an intent may have: few, short, and without a card number.

The record keeps them in clear and for ever, and people see them. So they are checked here, before anything is stored:
each name and each text, and the whole as it is going to stand in the record. A text is taken as it is, or refused: what
comes back is what was given. An error shows no text, and of the names sound ones alone.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from epay_transfers.ledger import metadata
from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.metadata import MOST, MOST_BYTES, MOST_OF_NAME, MOST_OF_TEXT
from epay_transfers.producers.errors import IntentRejected

_FIELD: Final = "metadata"

_FORM = rf"[a-z][a-z0-9_.-]{{0,{MOST_OF_NAME - 1}}}"
_NAME = re.compile(_FORM)

NAME_IS = f"give 1 to {MOST_OF_NAME} of a to z, digits 0 to 9, dots, dashes and underscores, a letter first"
#: Words of a name whose text would be what may be kept nowhere, and what no search can tell from an honest number.
_NEVER = frozenset({"cvc", "cvc2", "cvv", "cvv2", "csc", "pin"})
_WORD = re.compile("[_.-]")

_CARD = "looks like a card number, and none may stand in metadata"


def is_name(text: str) -> bool:
    """A sound name: one that an error may show."""
    return _NAME.fullmatch(text) is not None and not holds_card_number(text)


def no_metadata() -> Mapping[str, str]:
    """The default; a factory, for pydantic copies a default, and what can't be changed is not copied."""
    return MappingProxyType({})


def checked(given: Any) -> Mapping[str, str]:
    """The same, as it can't be changed any more. Raises `IntentRejected`."""
    if not isinstance(given, Mapping):
        raise IntentRejected(_FIELD, 'must be a few names with a text each, like {"user": "1001"}')
    if len(given) > MOST:
        raise IntentRejected(_FIELD, f"has {len(given)} names, and may have {MOST}")
    for name in given:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise IntentRejected(_FIELD, f"has a name that is none: {NAME_IS}")
        if not is_name(name):
            raise IntentRejected(_FIELD, f"has a name that {_CARD}")
    kept = {name: _text(name, text) for name, text in given.items()}
    whole = metadata.write(kept)
    if len(whole.encode()) > MOST_BYTES:
        raise IntentRejected(_FIELD, f"must be at most {MOST_BYTES} bytes, all of them as JSON in UTF-8")
    if holds_card_number(whole):
        raise IntentRejected(_FIELD, f"{_CARD}: a name and its text read as one")
    return MappingProxyType(kept)


def _text(name: str, text: object) -> str:
    field = f"{_FIELD}.{name}"
    if _NEVER & set(_WORD.split(name)):
        raise IntentRejected(field, "a CVC and a PIN may be kept nowhere: leave it out")
    if not isinstance(text, str):
        raise IntentRejected(field, "must be a text: give str(...)")
    if len(text) > MOST_OF_TEXT:
        raise IntentRejected(field, f"must be at most {MOST_OF_TEXT} characters")
    if not text.isprintable():
        raise IntentRejected(field, "must be one line, without line breaks, tabs and characters that show nothing")
    if holds_card_number(text):
        raise IntentRejected(field, _CARD)
    return text


Metadata = Annotated[
    Mapping[str, str],
    PlainValidator(checked),
    PlainSerializer(dict),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{_FORM}$"},
            "additionalProperties": {"type": "string", "maxLength": MOST_OF_TEXT},
            "maxProperties": MOST,
        }
    ),
]
