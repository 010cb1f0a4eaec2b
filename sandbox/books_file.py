"""The sandbox bank's memory in a file, for a bank that goes on where it was: orders, challenges, saved cards.

No card number is in it: the books have masks alone. Tokens and faults are not kept. A bank that is killed goes on with
what it knew a second before.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from epay_transfers.sandbox.acs import AskedChallenge
from epay_transfers.sandbox.book import BookedOrder
from epay_transfers.sandbox.decisions import Decisions


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file holds. `key`: the hexadecimal key of the challenges' answers, which only this bank makes."""

    orders: list[BookedOrder]
    challenges: list[AskedChallenge]
    cards: dict[str, str]
    calls: dict[str, int]
    refused: int
    key: str = field(repr=False)


_form = TypeAdapter(Kept)


def read(decisions: Decisions, path: Path) -> None:
    """Put what the file holds into a bank that has just begun. Without the file nothing happens."""
    if not path.exists():
        return
    kept = _form.validate_json(path.read_bytes())
    decisions.book.restore(kept.orders, kept.calls, kept.refused)
    for challenge in kept.challenges:
        challenge.order = decisions.book.get(challenge.order.key) or challenge.order  # the same one, not its copy
    decisions.challenges.restore(kept.challenges, bytes.fromhex(kept.key))
    decisions.cards.restore(kept.cards)


def write(decisions: Decisions, path: Path, before: bytes = b"") -> bytes:
    """Write the file at once, for its owner alone, unless it holds this already (`before`). What it holds now."""
    key, challenges = decisions.challenges.kept()
    book = decisions.book
    kept = Kept(list(book), challenges, decisions.cards.saved(), book.calls, book.refused, key.hex())
    text = _form.dump_json(kept)
    if text != before:
        written = path.with_name(f"{path.name}.{os.getpid()}")
        written.touch(0o600)
        written.write_bytes(text)
        written.replace(path)
    return text
