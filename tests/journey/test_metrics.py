"""What a worker counts for Prometheus, and what it says of its own threads, without a server's help."""

import re

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.replies import Refused
from tests.journey.scenes import hanging_thread
from tests.support.stage import Stage


def counted(stage: Stage, name: str) -> dict[str, float]:
    """Labels → number."""
    worker = stage.worker
    text = worker.metrics.text(worker.activity, 4, is_fit=worker.preflight.is_fit).decode()
    return {labels: float(value) for labels, value in re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)}


def test_calls_are_counted_by_kind_outcome_and_evidence(stage: Stage) -> None:
    """One that was cut off may have been sent; a status inquiry is a call of its own."""
    paid, cut = stage.new(), stage.new("[drop-after]")
    stage.run(paid)
    stage.run(cut)

    assert (stage.state(paid), stage.state(cut)) == (State.PAID, State.IN_DOUBT)
    calls = counted(stage, "transfers_bank_calls_total")
    assert calls['evidence="answered",kind="token",outcome="answered"'] == 2
    assert calls['evidence="answered",kind="transfer",outcome="answered"'] == 1
    assert calls['evidence="maybe_sent",kind="transfer",outcome="unclear"'] == 1
    assert counted(stage, "transfers_bank_call_seconds_count")['kind="transfer"'] == 2


def test_moves_are_counted_by_verb_and_refused_ones_are_not(stage: Stage) -> None:
    """`claim` is a try. What comes too late changes nothing, and is no move."""
    key = stage.new()
    stage.run(key)
    record = stage.ledger.get(key)
    assert record is not None
    late = stage.ledger.move(record, Verb.CANCEL, actor="worker")
    assert isinstance(late, Refused)
    assert stage.state(key) is State.PAID

    moves = counted(stage, "transfers_moves_total")

    assert (moves['verb="claim"'], moves['verb="pay"'], moves['verb="cancel"']) == (1, 1, 0)


def test_a_breakers_failures_and_its_opening_are_counted(stage: Stage) -> None:
    for _ in range(5):
        stage.worker.breakers.failed("bank.example", "timeout")

    assert counted(stage, "transfers_breaker_failures_total") == {'host="bank.example"': 5}
    assert counted(stage, "transfers_breaker_trips_total") == {'host="bank.example"': 1}


def test_two_workers_of_one_process_do_not_share_a_count(stage: Stage) -> None:
    stage.run(stage.new())

    other = type(stage.worker.metrics)()

    assert b'transfers_moves_total{verb="claim"} 0.0' in other.text(stage.worker.activity, 4, is_fit=True)


def test_a_thread_that_hangs_is_no_life(stage: Stage) -> None:
    """Without a word of the ledger: it is the worker's own judgement, the same as its heartbeat's."""
    with hanging_thread(stage):
        fresh = stage.worker.pulse.hung()
        stage.clock.advance(10_000)
        hung = stage.worker.pulse.hung()

    assert fresh == []
    assert hung == ["a transfer's thread 10000 s"]
    assert stage.worker.pulse.hung() == []


def test_a_worker_is_heard_for_twenty_seconds_after_its_heartbeat(stage: Stage) -> None:
    pulse = stage.worker.pulse
    assert not pulse.is_heard()
    pulse.run_once()
    stage.clock.advance(19)
    assert pulse.is_heard()

    stage.clock.advance(2)

    assert not pulse.is_heard()
