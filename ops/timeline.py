"""What became of one transfer, oldest first, with the inquiries that stand together folded into one.

Pure. Hundreds of inquiries about one doubt say the same: what came before and after them is to be seen at a glance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.events import Event

_INQUIRIES = frozenset({Verb.INQUIRY_INCONCLUSIVE, Verb.ANSWER})

#: What tells the bank's word.
_WORDS = _INQUIRIES | {Verb.SEND_TO_REVIEW, Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.INQUIRY_REVERSED}

#: What stands between two inquiries and is about the next one.
_BETWEEN = frozenset({Verb.ASK, Verb.SCHEDULE_WAKEUP, Verb.LOOK_LATER})

#: So many are folded, and fewer are shown as they are.
_FEWEST = 3

#: After so long the bank's word is old: what it says may have changed.
FRESH_MS = 300_000


@dataclass(frozen=True, slots=True)
class Step:
    """`events`: one; or inquiries that stand together, `inquiries` of which were answered."""

    events: Sequence[Event]
    inquiries: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """The bank's, when it was asked last. `said` is `unanswered ...` where it did not answer."""

    said: str
    at_ms: int

    def is_fresh(self, now_ms: int) -> bool:
        return now_ms - self.at_ms < FRESH_MS


def folded(events: Sequence[Event]) -> list[Step]:
    steps: list[Step] = []
    run: list[Event] = []
    for event in events:
        if _is_of_an_inquiry(event):
            run.append(event)
            continue
        steps += [*_run(run), Step([event])]
        run = []
    return [*steps, *_run(run)]


def last_word(events: Sequence[Event]) -> Word | None:
    """None where no event tells what the bank said, or that it did not answer."""
    told = (event for event in reversed(events) if event.fields.get("verb") in _WORDS and event.fields.get("bank_said"))
    return next((Word(event.fields["bank_said"], event.at_ms) for event in told), None)


def _run(run: Sequence[Event]) -> list[Step]:
    count = sum(event.fields.get("verb") in _INQUIRIES for event in run)
    return [Step(tuple(run), count)] if count >= _FEWEST else [Step([event]) for event in run]


def _is_of_an_inquiry(event: Event) -> bool:
    """One that a decision was made by is no more of the same: it says what became of the decision."""
    verb, fields = event.fields.get("verb"), event.fields
    return (verb in _INQUIRIES and not fields.get("second") and not fields.get("refused")) or verb in _BETWEEN
