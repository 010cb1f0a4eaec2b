"""The addresses of pages. Each number that a page shows leads to the list that it counts, by one of these."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from epay_transfers.ledger.queue.messages import Where
from epay_transfers.ledger.states import State
from epay_transfers.ops.plans.plan import STATES, What


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


#: The filters that the form for a plan has, too.
_OF_A_PLAN = frozenset({"terminal", "why", "older", "younger", "amount", "last_four", "counted"})


def plans_for(states: Iterable[State], given: Mapping[str, str]) -> list[tuple[str, str]]:
    """What may be planned for a list, and the address of its form: none where that can't say the same. `given`: the
    list's filters.
    """
    states, filters = list(states), {name: value for name, value in given.items() if value}
    if not states or not filters.keys() <= _OF_A_PLAN:
        return []
    return [(what, new_plan(what, states, **filters)) for what in What if set(states) <= set(STATES[what])]


def queue(name: str, where: Where, **more: int | None) -> str:
    """`more`: the page."""
    return _with(f"/queues/{quote(name, safe='')}/{where}", more)


def outcomes(group: str, **more: int | None) -> str:
    """A group's outcomes that were set aside. `more`: the page."""
    return _with(f"/outcomes/{quote(group, safe='')}", more)


def acts(**more: str | int | None) -> str:
    """What operators did. `more`: person, verb, page."""
    return _with("/acts", more)


def _with(address: str, more: Mapping[str, str | int | None]) -> str:
    """The address, with those that have a value."""
    pairs = [(name, str(value)) for name, value in more.items() if value not in {None, ""}]
    return address + (f"?{urlencode(pairs)}" if pairs else "")
