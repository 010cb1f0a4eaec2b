"""What a command without data of its own says with `--json`: its sentences, what it asked for, and what came of it.

Such a command takes no `--json` itself: `ops.cli` gives it the option, and prints what was collected here at its end.
Commands that read have their own form each; the forms of all are in `schemas.json`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from epay_transfers.ledger.store.events import Event


@dataclass(slots=True)
class Answer:
    says: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    was_not_awaited: bool = False

    def as_dict(self) -> dict[str, Any]:
        """`done` is false where it was asked for only (`--wait 0`): a worker does it, or refuses it, later."""
        return {
            "done": not self.was_not_awaited,
            "says": self.says,
            "asked": self.asked,
            "events": self.events,
        }


_current: ContextVar[Answer | None] = ContextVar("answer", default=None)


def current() -> Answer | None:
    """None: sentences go to the screen."""
    return _current.get()


@contextmanager
def collected() -> Iterator[Answer]:
    """What is said meanwhile comes into the answer, and not onto the screen."""
    answer = Answer()
    before = _current.set(answer)
    try:
        yield answer
    finally:
        _current.reset(before)


def asked(entry: str, kind: str, fields: Mapping[str, str]) -> None:
    """An entry was put into the operator's inbox."""
    if (answer := current()) is not None:
        answer.asked.append({"entry": entry, "kind": kind, "fields": dict(fields)})


def heard(event: Event | None) -> None:
    """What came of it; None: nothing was waited for."""
    if (answer := current()) is not None:
        if event is None:
            answer.was_not_awaited = True
        else:
            answer.events.append({"id": event.id} | event.fields)
