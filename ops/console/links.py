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


def plan(digest: str, **more: str | int | None) -> str:
    """`more`: which of its transfers, and the page of them."""
    pairs = [(name, str(value)) for name, value in more.items() if value not in {None, ""}]
    return f"/plans/{quote(digest, safe='')}" + (f"?{urlencode(pairs)}#items" if pairs else "")


def new_plan(what: str, states: Iterable[State] = (), **more: str | int | None) -> str:
    """The form for a plan, filled. `more`: terminal, older, younger, why, amount, last_four."""
    pairs = [("what", str(what)), *(("state", state.value) for state in states)]
    pairs += [(name, str(value)) for name, value in more.items() if value not in {None, ""}]
    return f"/plans/new?{urlencode(pairs)}"


def acts(**more: str | int | None) -> str:
    """What operators did. `more`: person, verb, page."""
    pairs = [(name, str(value)) for name, value in more.items() if value not in {None, ""}]
    return "/acts" + (f"?{urlencode(pairs)}" if pairs else "")
