"""Thousands in doubt, and many workers: the bank is asked so often a second by all of them, and events do not grow."""

from collections import Counter
from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.queue.broker import INQUIRIES
from epay_transfers.ledger.queue.wakeups import calls
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import INQUIRIES_A_SECOND, Ledger
from epay_transfers.worker.bank import Bank, StatusReport, StatusWord
from tests.support.factories import create, into
from tests.support.stage import Stage

WORKERS = 4

#: After so long, each that a factory made is due.
ALL_DUE_S = 3_600


def workers_of(stage: Stage) -> list[Stage]:
    """Processes of their own on the same servers."""
    where = stage.ledger.client.connection_pool.connection_kwargs
    url = f"redis://{where['host']}:{where['port']}/0"
    rules = replace(stage.rules, threads=20)
    return [
        Stage(Ledger(connect(url), stage.clock), stage.vault, stage.sandbox, stage.clock, stage.broker, rules)
        for _ in range(WORKERS)
    ]


def half_a_second(workers: list[Stage]) -> None:
    """Each one's sweeper looks, and each heeds a share of what lies in the queue."""
    for worker in workers:
        worker.sweeper.run_once()
    queue: redis.Redis = workers[0].worker.broker.client
    called = [key for name, key in sorted(calls(queue)) if name == INQUIRIES]
    queue.flushdb()
    for number, key in enumerate(called):
        workers[number % WORKERS].journey.inquire(key)


@pytest.mark.slow
def test_two_thousand_in_doubt_are_asked_about_at_one_rate_and_write_no_events(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bank is away, in two ways by turns. Nobody learns anything, however long it takes."""
    for number in range(2000):
        into(stage.ledger, (State.IN_DOUBT, Phase.SEND), f"doubt-{number}")
    asked: Counter[int] = Counter()
    keys: Counter[str] = Counter()
    began = stage.clock.now_ms()

    def status(_bank: Bank, _terminal: object, *, order: object) -> StatusReport:
        asked[(stage.clock.now_ms() - began) // 1000] += 1
        keys[str(order)] += 1
        return StatusReport(StatusWord.UNANSWERED, why=("timeout", "refused")[keys[str(order)] % 2])

    monkeypatch.setattr(Bank, "status", status)
    workers = workers_of(stage)
    stage.clock.advance(ALL_DUE_S)
    began = stage.clock.now_ms()
    events = stage.ledger.counters()["events"]
    for _ in range(40):
        half_a_second(workers)
        stage.clock.advance(0.5)

    assert max(asked.values()) <= INQUIRIES_A_SECOND + INQUIRIES_A_SECOND // 2
    assert INQUIRIES_A_SECOND * 20 * 0.8 <= sum(asked.values()) <= INQUIRIES_A_SECOND * 21
    assert len(keys) == sum(asked.values()), "none is asked about twice before each was asked about once"
    assert stage.ledger.counters()["events"] - events <= len(keys)  # that it is silent is news, once for each


def test_what_learns_nothing_again_and_again_is_no_event(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever word the bank fails in: one event says that it does not answer."""
    record = into(stage.ledger, (State.IN_DOUBT, Phase.SEND))
    words = ["timeout", "refused"]

    def status(*_: object, **__: object) -> StatusReport:
        words.reverse()
        return StatusReport(StatusWord.UNANSWERED, why=words[0])

    monkeypatch.setattr(Bank, "status", status)
    stage.clock.advance(ALL_DUE_S)
    before = stage.ledger.counters()["events"]

    for _ in range(12):
        stage.later(301)

    assert stage.ledger.counters()["events"] - before == 1
    assert stage.record(record.key).unanswered == 12


def test_what_the_bank_is_not_to_be_asked_about_yet_comes_again_in_a_second(stage: Stage) -> None:
    """Wake-ups that lay in the queue for long come all at once."""
    keys = [into(stage.ledger, (State.IN_DOUBT, Phase.SEND), f"doubt-{n}").key for n in range(INQUIRIES_A_SECOND + 5)]
    stage.clock.advance(ALL_DUE_S)

    for key in keys:
        stage.journey.inquire(key)
    assert sum(stage.record(key).inquiries for key in keys) == INQUIRIES_A_SECOND

    stage.clock.advance(1)
    stage.settle_down()
    assert all(stage.record(key).inquiries for key in keys)


def test_a_rate_that_a_wrong_clock_wrote_holds_nothing_for_long(stage: Stage) -> None:
    """The ledger's time was ahead for a moment."""
    stage.clock.advance(86_400)
    assert stage.ledger.may_inquire()
    stage.clock.advance(-86_400)

    assert stage.ledger.may_inquire()


def test_one_that_was_just_created_is_no_inquiry(stage: Stage) -> None:
    """The rate is for inquiries: what is queued is called for as ever."""
    for number in range(3):
        create(stage.ledger, f"payout-{number}")
    assert stage.ledger.may_call_for_inquiries(100) == INQUIRIES_A_SECOND
    stage.clock.advance(0.01)
    assert stage.ledger.may_call_for_inquiries(0) == 0
