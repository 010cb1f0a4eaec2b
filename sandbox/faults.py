"""Faults on demand: rules that decide which call gets which fault. `apply_faults` applies them."""

import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

Call = Literal["token", "transfer", "confirm", "status"]
When = Literal["before", "after"]
Kind = Literal[
    "latency",  # waits `seconds`, then goes on
    "status",  # HTTP `http_status` and a few words; with `seconds`, a Retry-After
    "drop",  # closes the connection without a byte
    "reset",  # the same, with a TCP reset
    "hang",  # keeps silent for `seconds`, or until the client leaves
    "garbage",  # HTTP 200 with bytes that are no text
    "html",  # HTTP 200 with a page of a proxy
    "huge",  # HTTP 200 with a megabyte
    "redirect",  # HTTP 307 to the same address: a client that follows it sends twice
    "close",  # the true answer, then closes a connection that was to be kept
    "truncate",  # half of the true answer
    "trickle",  # the true answer, a byte every `seconds`
    "code",  # the bank's failure form with `code`
    "wrong_amount",  # the true answer with another amount
    "wrong_currency",  # ... currency
    "wrong_invoice",  # ... order number
]

#: With these the call goes on; every other kind is the call's answer.
PASSING = frozenset({"latency", "wrong_amount", "wrong_currency", "wrong_invoice"})
#: These need the true answer, so they can't come before it.
AFTER_ONLY = frozenset({"close", "truncate", "trickle", "wrong_amount", "wrong_currency", "wrong_invoice"})


@dataclass(slots=True)
class Rule:
    """One fault. `when="before"`: the bank does nothing; `"after"`: it acts, and then its answer is faulty."""

    call: Call
    kind: Kind
    when: When = "after"
    #: An order number, or None for any call.
    invoice: str | None = None
    #: How often it acts; None for always. Counts down.
    times: int | None = None
    probability: float = 1.0
    seconds: float = 0.0
    http_status: int = 500
    code: int = 100

    def __post_init__(self) -> None:
        if self.kind in AFTER_ONLY:
            self.when = "after"

    def meets(self, call: str, invoice: str) -> bool:
        return self.call == call and self.invoice in {None, invoice} and self.times != 0


class Faults:
    """The present rules, oldest first."""

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self.rules = [replace(rule) for rule in rules]
        self._random = random.Random(seed)  # noqa: S311 - a load test wants the same faults again, not secrets

    def add(self, rule: Rule) -> None:
        self.rules.append(rule)

    def clear(self) -> None:
        self.rules = []

    def take(self, call: str, invoice: str, more: Iterable[Rule] = ()) -> list[Rule]:
        """The rules for this call, after `more` of its own order; at most one of them replaces the answer."""
        taken = []
        for rule in (*more, *self.rules):
            if not rule.meets(call, invoice) or (rule.probability < 1 and self._random.random() >= rule.probability):
                continue
            if rule.times is not None:
                rule.times -= 1
            taken.append(rule)
            if rule.kind not in PASSING:
                break
        return taken

    def as_list(self) -> list[dict[str, object]]:
        return [asdict(rule) for rule in list(self.rules)]


def read_rule(data: object) -> Rule:
    """A rule from JSON. Raises `ValueError` with the field's name and what it takes."""
    if not isinstance(data, dict):
        raise ValueError('a rule is an object, like {"call": "transfer", "kind": "drop"}')  # noqa: TRY004 - one error type
    for name, value in data.items():
        if name not in _RULES:
            raise ValueError(f"{name}: no such field")
        takes, wanted = _RULES[name]
        if not takes(value):
            raise ValueError(f"{name}: must be {wanted}")
    for name in ("call", "kind"):
        if name not in data:
            raise ValueError(f"{name}: is missing")
    return Rule(**data)


def _is_number(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and lowest <= value <= highest


def _is_whole(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and _is_number(value, lowest, highest)


#: What each field takes, and the words for it.
_RULES: dict[str, tuple[Callable[[object], bool], str]] = {
    "call": (lambda value: value in get_args(Call), f"one of {', '.join(get_args(Call))}"),
    "kind": (lambda value: value in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
    "when": (lambda value: value in get_args(When), "before or after"),
    "invoice": (lambda value: isinstance(value, str | None), "an order number as a string, or null for any"),
    "times": (lambda value: value is None or _is_whole(value, 1, 10**9), "a whole number from 1, or null for always"),
    "probability": (lambda value: _is_number(value, 0, 1), "a number from 0 to 1"),
    "seconds": (lambda value: _is_number(value, 0, 86400), "a number from 0 to 86400"),
    "http_status": (lambda value: _is_whole(value, 200, 599), "a whole number from 200 to 599"),
    "code": (lambda value: _is_whole(value, -(10**6), 10**6), "a whole number"),
}
