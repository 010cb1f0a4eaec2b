"""What a client's browser, or the bank, posts as a form: the fields that we read, and no others. Pure.

The pages of the banks post more than we read, in any encoding: a submit button with a Cyrillic name, a field twice,
raw bytes. What is not read is not decoded either, so none of it matters.
"""

from codecs import BOM_UTF8
from collections.abc import Collection, Mapping
from urllib.parse import unquote_to_bytes

from epay_transfers.ledger import bank_text

TYPE = "application/x-www-form-urlencoded"


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == TYPE


def read(body: bytes, names: Collection[str], *, any_case: Collection[str] = ()) -> Mapping[str, str]:
    """The fields of these names; one that comes with two values is none, equal ones are one value.

    `any_case`: in other letters too, where it is missing or empty. A `+` in a value comes out as a blank, as in any
    form.
    """
    parts = (pair.partition(b"=") for pair in body.split(b"&"))
    pairs = [(_unquoted(name), _unquoted(value)) for name, _, value in parts]
    found = {}
    for wanted in names:
        name = wanted.encode()
        values = {value for given, value in pairs if given == name}
        if wanted in any_case and not any(values):
            values = {value for given, value in pairs if value and given.lower() == name.lower()} or values
        if len(values) == 1:
            found[wanted] = decoded(values.pop())
    return found


def decoded(raw: bytes) -> str:
    """As the bank writes, without the mark of UTF-8 that some pages put before it."""
    return bank_text.decoded(raw.removeprefix(BOM_UTF8))


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.strip().replace(b"+", b" "))
