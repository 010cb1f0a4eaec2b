"""A worker whose machine's clock disagrees with the ledger's stands still, at once, and ends nothing; so do all of them
where it is the ledger's that jumps. What is true is written down all the same.
"""

import logging
from collections.abc import Callable

import pytest

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.worker.bank import CodeClass, Consequence, Declined, Evidence, StatusWord, Unclear
from epay_transfers.worker.preflight import Cause
from tests.journey.scenes import asked, parked, resumed, says, unreachable
from tests.journey.test_forgotten import keeping
from tests.support.stage import Stage

TWO_HOURS_MS = 7_200_000
OFF = [TWO_HOURS_MS, -TWO_HOURS_MS, 2001, -2001]

Do = Callable[[Stage, str], object]


def in_doubt(stage: Stage) -> str:
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    return key


def left(stage: Stage) -> str:
    """Claimed by a worker that is gone, and its lease is over."""
    key = stage.new()
    stage.worker.preflight.claim(stage.record(key), Lane.SEND)
    stage.clock.advance(61)
    return key


def late(stage: Stage) -> str:
    key = stage.new()
    stage.clock.advance(900)
    return key


DOES: dict[str, tuple[Callable[[Stage], str], Do]] = {
    "sends": (lambda stage: stage.new(), lambda stage, key: stage.journey.execute(key)),
    "confirms": (resumed, lambda stage, key: stage.journey.confirm(key)),
    "inquires": (in_doubt, lambda stage, key: asked(stage, key, "inquire")),
    "ends": (late, lambda stage, key: stage.journey.execute(key)),
    "sweeps what was left": (left, lambda stage, _: stage.sweeper.run_once()),
    "sweeps what is late": (late, lambda stage, _: stage.sweeper.run_once()),
}


@pytest.mark.parametrize("off_ms", OFF)
@pytest.mark.parametrize("what", DOES)
def test_a_worker_whose_clock_is_wrong_does_nothing_and_goes_on_when_it_is_right(
    stage: Stage, what: str, off_ms: int
) -> None:
    """It knows after one look at who is due, and looks on."""
    begin, do = DOES[what]
    key = begin(stage)
    before = stage.state(key), stage.executions(key)
    stage.machine.off_ms = off_ms
    stage.sweeper.run_once()

    do(stage, key)
    assert (stage.state(key), stage.executions(key)) == before

    stage.machine.off_ms = 0
    stage.sweeper.run_once()
    do(stage, key)
    assert (stage.state(key), stage.executions(key)) != before


@pytest.mark.parametrize("off_ms", [2000, -2000])
@pytest.mark.parametrize("what", DOES)
def test_two_seconds_are_no_reason_to_stand_still(stage: Stage, what: str, off_ms: int) -> None:
    begin, do = DOES[what]
    key = begin(stage)
    before = stage.state(key)
    stage.machine.off_ms = off_ms
    stage.sweeper.run_once()

    do(stage, key)

    assert stage.worker.preflight.is_fit
    assert stage.state(key) is not before


@pytest.mark.parametrize("off_ms", OFF)
def test_a_claim_tells_it_too_and_gets_nothing(stage: Stage, off_ms: int) -> None:
    """The clock may jump between a look and the claim: not one transfer is sent by it."""
    key = stage.new()
    stage.sweeper.run_once()
    stage.machine.off_ms = off_ms

    stage.journey.execute(key)

    assert (stage.state(key), stage.executions(key)) == (State.QUEUED, 0)
    assert not stage.worker.preflight.is_fit
    assert stage.ledger.client.hget(redis_keys.RATES, "main") is None


def test_it_is_said_once_with_both_times_and_once_when_it_is_over(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "worker.preflight")
    for off_ms in (0, TWO_HOURS_MS, TWO_HOURS_MS, 0, 0):
        stage.machine.off_ms = off_ms
        stage.sweeper.run_once()
        stage.clock.advance(0.5)

    told = [(event.fields["verb"], event.fields["reason"]) for event in stage.events.newest(9)]
    assert [verb for verb, _ in told] == ["clock_wrong", "clock_right"]
    assert told[0][1] == "this machine says 2026-11-24 08:00:00, the ledger 2026-11-24 06:00:00 (UTC)"
    logged = [(record.msg, record.__dict__["own"], record.__dict__["ledger"]) for record in caplog.records]
    assert logged == [
        ("clock.wrong", "2026-11-24 08:00:00", "2026-11-24 06:00:00"),
        ("clock.right", "2026-11-24 06:00:01", "2026-11-24 06:00:01"),
    ]


def test_an_event_that_could_not_be_told_is_told_with_the_next_look(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable

    stage.machine.off_ms = TWO_HOURS_MS
    with monkeypatch.context() as patch:
        patch.setattr(Events, "alarm", away)
        stage.sweeper.run_once()
    assert stage.events.newest(9) == []
    assert not stage.worker.preflight.is_fit

    stage.sweeper.run_once()

    assert [event.fields["verb"] for event in stage.events.newest(9)] == ["clock_wrong"]


def test_while_it_stands_still_it_reads_no_transfer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    late(stage)
    stage.machine.off_ms = TWO_HOURS_MS
    stage.sweeper.run_once()
    monkeypatch.setattr(type(stage.ledger), "get_many", lambda *_: pytest.fail("a look at the time alone"))

    assert stage.sweeper.run_once() == 0


def test_the_servers_and_the_clock_are_each_a_reason_of_its_own(stage: Stage) -> None:
    """The minute's look at the servers does not make a worker fit whose clock is wrong, nor the other way round."""
    preflight = stage.worker.preflight
    stage.machine.off_ms = TWO_HOURS_MS
    stage.sweeper.run_once()

    keeping(stage).run_once()
    assert not preflight.is_fit

    preflight.set_fit(Cause.SERVERS, is_fit=False)
    stage.machine.off_ms = 0
    stage.sweeper.run_once()
    assert not preflight.is_fit

    keeping(stage).run_once()
    assert preflight.is_fit


def test_an_unfit_worker_asks_no_host_whether_it_is_back(stage: Stage) -> None:
    stage.worker.breakers.trip("bank", "refused")
    stage.clock.advance(5)
    stage.machine.off_ms = TWO_HOURS_MS
    stage.sweeper.run_once()

    keeping(stage).probe_once()
    stage.worker.breakers.refresh()
    assert stage.worker.breakers.is_open("bank")

    stage.machine.off_ms = 0
    stage.sweeper.run_once()
    keeping(stage).probe_once()
    stage.worker.breakers.refresh()
    assert not stage.worker.breakers.is_open("bank")


# The ledger's clock jumps: every worker disagrees with it.


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_nothing_ends_where_the_ledgers_clock_jumps(stage: Stage, seconds: int) -> None:
    """Whoever hears it first: a look, or a claim."""
    queued, swept = stage.new(), stage.new()
    stage.worker.preflight.claim(stage.record(swept), Lane.SEND)
    waiting, doubted = parked(stage), in_doubt(stage)
    stage.sweeper.run_once()
    stage.clock.jump(seconds)
    stage.machine.off_ms = -seconds * 1000

    stage.journey.execute(queued)
    for _ in range(3):
        stage.sweeper.run_once()
        for key in (queued, waiting, doubted):
            stage.run(key)

    assert [stage.state(key) for key in (queued, swept, waiting, doubted)] == [
        State.QUEUED,
        State.SENDING,
        State.PARKED,
        State.IN_DOUBT,
    ]
    assert stage.executions(queued) == 0

    stage.clock.jump(-seconds)
    stage.machine.off_ms = 0
    stage.sweeper.run_once()
    stage.journey.execute(queued)
    assert stage.state(queued) is State.PAID


def test_no_card_is_fenced_where_the_ledger_says_that_there_is_time(stage: Stage) -> None:
    """The vault is closed before the ledger is told: who goes by another time would leave a card that opens nothing."""
    key = stage.new()
    stage.sweeper.run_once()
    stage.clock.advance(900.5)
    stage.clock.jump(-1)  # half a second to go, and the worker thinks that it is over
    stage.machine.off_ms = 1000

    stage.journey.execute(key)
    stage.journey.sweep(stage.record(key))

    record = stage.record(key)
    assert record.state is State.QUEUED
    assert str(stage.vault.client.get(redis_keys.card(key))).startswith(f"B:{record.epoch}:")


# What is true is written down whatever the clock says, in the ledger's time.


def test_what_comes_into_doubt_while_the_clock_is_wrong_is_looked_at_in_time(stage: Stage) -> None:
    key = stage.new()
    says(stage, StatusWord.PAID, outcome=Unclear("timeout", Evidence.MAYBE_SENT))
    jumps_on_the_wire(stage)

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.in_doubt_since) == (State.IN_DOUBT, stage.clock.now_ms())
    assert record.next_attempt_at == stage.clock.now_ms() + 5_000
    assert stage.ledger.client.zscore(redis_keys.DUE, key) == record.next_attempt_at


def test_a_terminal_is_stopped_until_the_true_midnight(stage: Stage) -> None:
    key = stage.new()
    says(stage, outcome=Declined("529", "limit", CodeClass.DECLINED, consequence=Consequence.PAUSE_TERMINAL))
    jumps_on_the_wire(stage)

    stage.journey.execute(key)

    midnight_ms = 1_795_546_800_000  # 2026-11-25 00:00 in Almaty
    assert stage.record(key).not_before_at == midnight_ms
    assert [stop.until_ms for stop in stage.pauses.standing()] == [midnight_ms]


def test_a_card_that_is_given_back_lives_until_the_deadline(stage: Stage) -> None:
    """By a clock that is two hours ahead it would be gone at once, and the transfer lost with it."""
    key = stage.new()
    unreachable(stage, meanwhile=lambda: setattr(stage.machine, "off_ms", TWO_HOURS_MS))

    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED
    left_ms = int(str(stage.vault.client.pttl(redis_keys.card(key))))
    assert 890_000 < left_ms <= 900_000


def test_an_inquiry_counts_its_time_by_the_ledger(stage: Stage) -> None:
    """A clock that jumps to after the horizon makes no early word of the bank count."""
    key = in_doubt(stage)
    stage.sweeper.run_once()
    stage.worker.recorder.move(
        stage.record(key), Verb.REQUEST, Change(due_in=0, fields={"requested_action": "inquire"})
    )
    says(stage, StatusWord.NOT_FOUND)
    stage.machine.off_ms = 30 * 86_400_000

    stage.journey.inquire(key)

    assert (stage.state(key), stage.record(key).agreeing_reads) == (State.IN_DOUBT, 0)


def jumps_on_the_wire(stage: Stage) -> None:
    bank = stage.journey.bank
    send = bank.transfer

    def transfer(*args: object, **more: object) -> object:
        stage.machine.off_ms = TWO_HOURS_MS
        return send(*args, **more)  # type: ignore[arg-type]  # as it came

    bank.transfer = transfer  # type: ignore[assignment,method-assign]  # the edge: what the journey asks of it is there
