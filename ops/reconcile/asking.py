"""The bank is asked about many transfers, some at a time, through the workers: what it says stands beside the record.

Each question is an entry in the operator's inbox, as `transfers ask` puts one: a worker asks, and answers by an event.
All workers together ask at most so many a second, so a whole day takes long, and a sample does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import NOT_MOVED, State
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.ops.plans.answers import Answers

#: So many questions stand at a time: workers serve other operators, too.
_AT_A_TIME = 20


class Says(StrEnum):
    """What the bank's word means beside the record."""

    AGREES = "agrees"
    SETTLED = "settled"  #: its word has moved the transfer
    DIFFERS = "differs"
    MOVED_AT_BANK = "moved_at_bank"  #: it moved money, and the record says that none moved: the gravest
    UNKNOWN = "unknown"  #: it was not asked, was silent, or says nothing that ends it


@dataclass(frozen=True, slots=True)
class Answer:
    record: Record  #: as it was before the question
    says: Says
    bank_said: str  #: its word, as the event has it; or why there is none


@dataclass(slots=True)
class Asked:
    of: int = 0  #: so many could have been asked
    answers: list[Answer] = field(default_factory=list)

    def that(self, *says: Says) -> list[Answer]:
        return [answer for answer in self.answers if answer.says in says]

    @property
    def verdicts(self) -> dict[str, str]:
        return {answer.record.key: answer.bank_said for answer in self.answers}


def ask(context: Context, records: Sequence[Record], *, wait_s: float) -> Iterator[Answer]:
    """One answer for each, as they come. After `wait_s` without any, the rest is unknown."""
    for start in range(0, len(records), _AT_A_TIME):
        part = records[start : start + _AT_A_TIME]
        answers = _ask_some(context, part, wait_s)
        yield from answers
        if all(answer.bank_said == _NO_WORKER for answer in answers):
            for record in records[start + _AT_A_TIME :]:
                yield Answer(record, Says.UNKNOWN, _NO_WORKER)
            return


_NO_WORKER = "not asked: no worker answered"


def _ask_some(context: Context, records: Sequence[Record], wait_s: float) -> list[Answer]:
    entries = [(record, {"key": record.key, "why": "reconciled"}) for record in records]
    answered = answers_to(context, Kind.ASK, entries, wait_s=wait_s)
    return [
        Answer(record, Says.UNKNOWN, _NO_WORKER) if event is None else _answer(record, event)
        for record, event in answered
    ]


def answers_to(
    context: Context, kind: Kind, entries: Sequence[tuple[Record, Mapping[str, str]]], *, wait_s: float
) -> list[tuple[Record, Event | None]]:
    """Put them into the operator's inbox all at once; what became of each. None: no answer in `wait_s`."""
    answers = Answers(context, wait_s)
    waiting = {requests.put(context, kind, fields): record for record, fields in entries}
    answered: list[tuple[Record, Event | None]] = [
        (waiting.pop(entry_id), event)
        for entry_id, event in answers.to({entry_id: record.key for entry_id, record in waiting.items()})
    ]
    return [*answered, *((record, None) for record in waiting.values())]


def _answer(record: Record, event: Event) -> Answer:
    told = event.fields
    if told.get("verb") == Alarm.REQUEST_REFUSED:
        return Answer(record, Says.UNKNOWN, told.get("why", ""))
    said = told.get("bank_said", "")
    return Answer(record, _meaning(record.state, said, told.get("state", record.state)), said)


def _meaning(was: State, said: str, now: str) -> Says:
    """`said` begins with the bank's word, as the worker reads it; the bank's own may follow."""
    word = said.partition(" ")[0]
    has_moved = word in {"paid", "given_back"}
    if now != was:
        return Says.SETTLED
    if has_moved and (was in NOT_MOVED or was in {State.QUEUED, State.DEAD}):
        return Says.MOVED_AT_BANK
    if word in {"", "unanswered"} or not was.final:
        return Says.UNKNOWN
    match was:
        case State.PAID:
            return Says.AGREES if word == "paid" else Says.DIFFERS
        case State.REVERSED:
            return Says.AGREES if word == "given_back" else Says.DIFFERS
        case _:
            return Says.DIFFERS if word == "not_yet" else Says.AGREES
