"""The addresses of pages. Each number that a page shows leads to the list that it counts, by one of these."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from epay_transfers.ledger.states import State


def transfer(key: str) -> str:
    return f"/transfer/{quote(key, safe='')}"


def transfers(states: Iterable[State], **more: str | int | None) -> str:
    """The list of these states. `more`: the filters of `pages.transfers`, those with a value."""
    pairs = [("state", state.value) for state in states]
    pairs += [(name, str(value)) for name, value in more.items() if value not in {None, ""}]
    return f"/transfers?{urlencode(pairs)}"


def pause(pause_id: str) -> str:
    return f"/pauses#{quote(pause_id, safe='')}"
