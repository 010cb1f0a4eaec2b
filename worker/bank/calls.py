"""How the calls of the last five minutes went, by kind: how many ended how, how long they took, what is under way.

It is for people and decides nothing: the breaker counts failures by itself.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.store.heartbeats import ANSWERED, NOT_SENT, REFUSED, UNCLEAR, Calls, bucket_of
from epay_transfers.worker.bank.outcome import (
    Evidence,
    NotSent,
    StatusReport,
    StatusWord,
    Token,
    TokenRefused,
    Unclear,
)

_KEPT_S = 300.0
_SLOT_S = 10.0
_SERVER_ERROR = 500


class CallKind(StrEnum):
    TOKEN = "token"  # noqa: S105 - the kind of call
    TRANSFER = "transfer"
    CONFIRM = "confirm"
    STATUS = "status"


@dataclass(slots=True)
class _Slot:
    """Ten seconds."""

    number: int
    outcomes: Counter[tuple[CallKind, str]] = field(default_factory=Counter)
    buckets: Counter[tuple[CallKind, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class _Call:
    """One call. It ends with its `with` block, which sets `outcome` to what the call brought."""

    kind: CallKind
    since: float
    ended: "Callable[[_Call], None]"
    outcome: object = None
    evidence: Evidence | None = None  #: where the outcome has none of its own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended(self)


class CallLog:
    """For any number of threads; as large as its slots, however many calls there are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: deque[_Slot] = deque()
        self._under_way: dict[int, _Call] = {}
        self._why: dict[CallKind, str] = {}
        self._fails: str | None = None
        self.on_ended: Callable[[str, str, str, float], None] = _nothing  #: is told kind, outcome, evidence, seconds

    def call(self, kind: CallKind) -> _Call:
        """It is under way from here on: to be used in a `with`, which ends it."""
        call = _Call(kind, self._clock.monotonic(), self._end)
        with self._lock:
            self._under_way[id(call)] = call
        return call

    def _end(self, call: _Call) -> None:
        span_s = self._clock.monotonic() - call.since
        with self._lock:
            del self._under_way[id(call)]
            outcome = self._ended(call, span_s)
        self.on_ended(call.kind, outcome, _evidence_of(call), span_s)

    def read(self) -> dict[str, Calls]:
        with self._lock:
            self._forget()
            now = self._clock.monotonic()
            found = {}
            for kind in CallKind:
                under_way = [now - call.since for call in self._under_way.values() if call.kind is kind]
                outcomes = self._sum(slot.outcomes for slot in self._slots)[kind]
                buckets = self._sum(slot.buckets for slot in self._slots)[kind]
                longest_s = round(max(under_way, default=0.0), 1)
                calls = Calls(outcomes, buckets, len(under_way), longest_s, self._why.get(kind, ""))
                if calls.count or calls.under_way:
                    found[str(kind)] = calls
            return found

    @property
    def fails(self) -> str | None:
        """Why the last call that ended got no answer; empty where it got one; None before the first."""
        return self._fails

    def _ended(self, call: _Call, span_s: float) -> str:
        outcome, why = _told(call.outcome)
        slot = self._slot()
        slot.outcomes[call.kind, outcome] += 1
        slot.buckets[call.kind, bucket_of(span_s * 1000)] += 1
        if why:
            self._why[call.kind] = why
        elif outcome == ANSWERED:
            self._why.pop(call.kind, None)
        self._fails = why if outcome in {UNCLEAR, NOT_SENT} else ""
        return outcome

    def _slot(self) -> _Slot:
        number = int(self._clock.monotonic() // _SLOT_S)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
            self._forget()
        return self._slots[-1]

    def _forget(self) -> None:
        oldest = int((self._clock.monotonic() - _KEPT_S) // _SLOT_S)
        while self._slots and self._slots[0].number < oldest:
            self._slots.popleft()

    @staticmethod
    def _sum(counters: Iterator[Counter[tuple[CallKind, str]]]) -> dict[CallKind, dict[str, int]]:
        found: dict[CallKind, dict[str, int]] = {kind: {} for kind in CallKind}
        for counter in counters:
            for (kind, name), count in counter.items():
                found[kind][name] = found[kind].get(name, 0) + count
        return found


def _nothing(_kind: str, _outcome: str, _evidence: str, _span_s: float) -> None:
    """A process without metrics."""


def _evidence_of(call: _Call) -> Evidence:
    """How far its request got. A call that was broken off in between may have been sent."""
    if call.evidence is not None:
        return call.evidence
    match call.outcome:
        case None:
            return Evidence.MAYBE_SENT
        case Token() | StatusReport():
            return Evidence.ANSWERED
        case outcome:
            evidence = getattr(outcome, "evidence", None)
            return evidence if isinstance(evidence, Evidence) else Evidence.ANSWERED


def _told(outcome: object) -> tuple[str, str]:  # noqa: PLR0911 - a row for each form
    """How the call ended, and the word of a failure."""
    match outcome:
        case Token():
            return ANSWERED, ""
        case TokenRefused(why=why, evidence=Evidence.ANSWERED, http_status=status) if status < _SERVER_ERROR:
            return REFUSED, f"{status} {why}".strip()
        case TokenRefused(why=why, evidence=Evidence.NOT_SENT) | NotSent(why=why):
            return NOT_SENT, why
        case TokenRefused(why=why) | Unclear(why=why):
            return UNCLEAR, why
        case StatusReport(word=StatusWord.UNANSWERED, why=why):
            return UNCLEAR, why
        case None:
            return UNCLEAR, "broken"
        case _:
            return ANSWERED, ""
