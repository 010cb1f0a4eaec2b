"""Where a transfer stands, and what meets it there: what several tests of the journey begin with."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.worker.bank import NotSent, StatusReport, StatusWord, TransferOutcome
from tests.support.stage import Stage


@contextmanager
def hanging_thread(stage: Stage) -> Iterator[None]:
    """Within the block, a thread of the worker is at a transfer."""
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        with stage.worker.activity.at_work():
            begun.set()
            end.wait(10)

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        end.set()
        thread.join()


@dataclass
class Unreachable:
    """A bank that no connection reaches. `meanwhile` happens between the card and the answer."""

    has_status: bool = True
    meanwhile: Callable[[], object] = bool
    calls: int = 0

    def transfer(self, *_: Any, **__: Any) -> NotSent:
        self.calls += 1
        self.meanwhile()
        return NotSent("refused")

    confirm = transfer


def unreachable(stage: Stage, meanwhile: Callable[[], object] = bool) -> Unreachable:
    bank = Unreachable(meanwhile=meanwhile)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge: what the journey asks of it is there
    return bank


class Saying:
    """A bank that says this of every order: `outcome` to a transfer, the reports in turn to who asks."""

    has_status = True

    def __init__(self, *reports: StatusReport, outcome: TransferOutcome | None = None) -> None:
        self._reports = list(reports)
        self._outcome = outcome

    def transfer(self, *_: Any, **__: Any) -> Any:
        return self._outcome

    def status(self, *_: Any, **__: Any) -> StatusReport:
        self._reports.append(self._reports.pop(0))
        return self._reports[-1]


def says(stage: Stage, *words: StatusWord, outcome: TransferOutcome | None = None) -> None:
    saying = Saying(*(StatusReport(word) for word in words), outcome=outcome)
    stage.journey.bank = saying  # type: ignore[assignment]  # the edge: what the journey asks of it is there


def asked(stage: Stage, key: str, what: str) -> None:
    """A person asks, and a worker is rung for."""
    stage.worker.recorder.move(
        stage.record(key), Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields={"requested_action": what})
    )
    stage.journey.inquire(key)


def to_inquire() -> Change:
    return Change(due_in=0, fields={"requested_action": "inquire", "wakeups": 0})


def parked(stage: Stage) -> str:
    key = stage.new("[3ds]")
    stage.journey.execute(key)
    assert stage.state(key) is State.PARKED
    return key


def resumed(stage: Stage) -> str:
    key = parked(stage)
    stage.answer_challenge(key)
    return key


def said(stage: Stage) -> str:
    return stage.events.newest(1)[0].fields["why"]
