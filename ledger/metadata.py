"""A transfer's metadata: a few short texts that a backend gives with an intent, and that come back to it.

No code of this project decides anything by them. They may be personal data: the record keeps them, and no event, no log
line, no metric and no message does. `producers.metadata` says which ones an intent may have.
"""

import json
from collections.abc import Mapping
from contextlib import suppress

#: How many there may be, and how long they may be: characters of a name and of a text, bytes of what the record keeps.
#: A field of more than 1024 bytes would make the whole record take several times the memory (`deploy/ledger.conf`).
MOST = 10
MOST_OF_NAME = 40
MOST_OF_TEXT = 200
MOST_BYTES = 1000


def write(metadata: Mapping[str, str]) -> str:
    """As the record keeps it, in the order of the names. Empty for none, so that a record without has no such field."""
    return json.dumps(dict(sorted(metadata.items())), ensure_ascii=False, separators=(",", ":")) if metadata else ""


def read(text: str) -> dict[str, str]:
    """Raises `ValueError` for what no version writes so far. The limits are those of enqueuing, and not asked here."""
    if not text:
        return {}
    kept = None
    with suppress(ValueError, RecursionError):
        kept = json.loads(text)
    if not isinstance(kept, dict) or not all(isinstance(each, str) for each in kept.values()):
        raise ValueError("the metadata are no object of texts")
    return kept
