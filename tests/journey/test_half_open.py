"""A host that answers questions and hangs on transfers: one transfer is tried, and what becomes of it tells."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.circuit_breakers import FAILURES, LONGEST_MS
from epay_transfers.ledger.store.inboxes import Kind, operator
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane
from epay_transfers.ledger.store.replies import Moved
from tests.journey.scenes import resumed, unreachable
from tests.support.factories import claim
from tests.support.stage import Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Its bank has failed so often that no worker sends."""
    host = host_of(stage)
    hosts = {Lane.SEND: host, Lane.CONFIRM: host}
    stage.with_rules(preflight=replace(stage.rules.preflight, token_host=host, hosts=hosts))
    for _ in range(FAILURES):
        stage.worker.breakers.failed(host, "timeout")
    return stage


def host_of(stage: Stage) -> str:
    return urlsplit(stage.sandbox.url).netloc


def keep_house(stage: Stage) -> None:
    stage.worker.maintenance.probe_once()
    stage.worker.maintenance.run_once()


def half_open(stage: Stage, after_s: float = 5) -> None:
    stage.clock.advance(after_s)
    keep_house(stage)
    stage.worker.breakers.refresh()
    assert not stage.worker.breakers.is_open(host_of(stage))


def test_one_transfer_is_let_through_and_the_others_wait(stage: Stage) -> None:
    """However many threads there are: a bank that hangs puts one transfer into doubt, and not one for each thread."""
    keys = [stage.new("[500-after]") for _ in range(4)]
    for key in keys:
        stage.journey.execute(key)
    assert {stage.state(key) for key in keys} == {State.QUEUED}
    half_open(stage)

    for key in keys:
        stage.journey.execute(key)

    assert sorted(stage.state(key) for key in keys) == [State.IN_DOUBT, *[State.QUEUED] * 3]


def test_it_closes_when_the_bank_serves_the_one(stage: Stage) -> None:
    half_open(stage)
    key, other = stage.new(), stage.new()
    stage.journey.execute(key)

    keep_house(stage)
    stage.clock.advance(5)
    stage.journey.execute(other)

    assert (stage.state(key), stage.state(other)) == (State.PAID, State.PAID)
    assert stage.worker.breakers.refresh() == set()
    assert "breaker_closed" in [event.fields["verb"] for event in stage.events.newest()]


@pytest.mark.parametrize("words", ["[3ds]", "[decline:484]"])
def test_a_challenge_and_a_decline_are_served_too(stage: Stage, words: str) -> None:
    half_open(stage)
    stage.journey.execute(stage.new(words))

    keep_house(stage)

    assert stage.worker.breakers.refresh() == set()


def test_it_stays_open_for_twice_as_long_each_time_that_the_one_is_not_served(stage: Stage) -> None:
    """Up to the longest; and the times are by the ledger."""
    waits, after_s = [], 5.0
    for _ in range(8):
        half_open(stage, after_s)
        stage.journey.execute(stage.new("[500-after]"))
        stage.worker.maintenance.run_once()
        told = stage.events.newest(1)[0].fields
        assert told["verb"] == "breaker_stays_open"
        after_s = float(told["in_s"])
        waits.append(int(after_s * 1000))
        stage.clock.advance(after_s - 0.5)
        stage.worker.maintenance.probe_once()
        stage.worker.breakers.refresh()
        assert stage.worker.breakers.is_open(host_of(stage))
        after_s = 0.5

    assert waits == [10_000, 20_000, 40_000, 80_000, 160_000, LONGEST_MS, LONGEST_MS, LONGEST_MS]


def test_the_lease_of_the_one_is_waited_for_where_its_worker_died(stage: Stage) -> None:
    """No second one goes while the first may still be sent; after its lease the next may."""
    half_open(stage)
    lost = stage.new()
    assert isinstance(claim(stage.ledger, stage.record(lost), host=host_of(stage)), Moved)
    keep_house(stage)

    waiting = stage.new()
    stage.journey.execute(waiting)
    assert stage.state(waiting) is State.QUEUED
    assert [breaker.trial for breaker in stage.worker.breakers.trials()] == [lost]

    stage.clock.advance(stage.rules.preflight.lease_s + 1)
    stage.sweeper.run_once()
    stage.worker.maintenance.run_once()
    assert stage.events.newest(1)[0].fields["verb"] == "breaker_stays_open"


def test_a_paused_terminal_tries_one_before_the_others_and_opens_by_itself(stage: Stage) -> None:
    """After code 487 one is tried: the bank serves it, and all others go; or it is declined so again, and none does."""
    stage.worker.breakers.close(host_of(stage))
    stage.pauses.pause(Lane.SEND, "main", actor="worker", reason="code 487", cause=Cause.SETUP_CODE)
    for words, ends in (("[decline:487]", State.DECLINED), ("", State.PAID)):
        (pause,) = stage.pauses.standing()
        assert stage.pauses.let_try(pause, 1, actor="operator aigul", reason="try")
        stage.worker.maintenance.run_once()
        tried, waiting = stage.new(words), stage.new()
        stage.journey.execute(tried)
        stage.journey.execute(waiting)
        assert (stage.state(tried), stage.state(waiting)) == (ends, State.QUEUED)
        stage.worker.maintenance.run_once()

    assert stage.pauses.standing() == []
    told = [event.fields for event in stage.events.newest() if event.fields["verb"] == "unpause"]
    assert [tried in event["reason"] for event in told] == [True]


@pytest.mark.parametrize(
    "cause", [Cause.FRAUD, Cause.MAINTENANCE, Cause.BANK, Cause.OTHER, Cause.LEDGER_BACK, Cause.MONEY_LIMIT]
)
def test_a_served_trial_ends_no_pause_whose_cause_is_not_the_banks(stage: Stage, cause: Cause) -> None:
    """That the bank serves one says nothing of fraud, of a limit of ours or of a ledger that went back."""
    stage.worker.breakers.close(host_of(stage))
    stage.pauses.pause(Lane.SEND, ALL, actor="op", reason="r", cause=cause)
    assert stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="op", reason="try")
    tried, waiting = stage.new(), stage.new()
    stage.journey.execute(tried)
    for _ in range(2):
        stage.worker.maintenance.run_once()
    stage.journey.execute(waiting)

    assert (stage.state(tried), stage.state(waiting)) == (State.PAID, State.QUEUED)


def test_a_trial_that_is_declined_for_the_terminals_limit_does_not_end_that_pause(stage: Stage) -> None:
    """Its worker died before it could pause again."""
    stage.worker.breakers.close(host_of(stage))
    until_ms = stage.clock.now_ms() + 600_000
    stage.pauses.pause(Lane.SEND, "main", actor="w", reason="code 529", cause=Cause.TERMINAL_LIMIT, until_ms=until_ms)
    assert stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="op", reason="try")
    key = stage.new("[decline:529]")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage.worker.preflight._consequences, "heard", lambda *_: None)
        stage.journey.execute(key)
    assert stage.state(key) is State.DECLINED

    stage.worker.maintenance.run_once()

    assert [pause.tries for pause in stage.pauses.standing()] == [0]


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        (Verb.OPERATOR_PAID, Reason.SETTLED_BY_OPERATOR),
        (Verb.OPERATOR_NOT_PAID, Reason.CORRECTED_BY_OPERATORS),
        (Verb.INQUIRY_DECLINED, Reason.NOT_FOUND_IS_FINAL),
    ],
)
def test_a_trial_that_ends_without_an_answer_of_the_bank_ends_no_pause(
    stage: Stage, verb: Verb, reason: Reason
) -> None:
    """People end it, or the bank's letter about orders that it does not know: whether it serves is not known."""
    stage.worker.breakers.close(host_of(stage))
    stage.pauses.pause(Lane.SEND, "main", actor="w", reason="487", cause=Cause.SETUP_CODE)
    assert stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="op", reason="try")
    key = stage.new("[500-after]")
    stage.journey.execute(key)
    doubtful = stage.record(key)
    review = Change(look_again_in=1000, fields={"reason": "x"})
    assert isinstance(stage.ledger.move(doubtful, Verb.SEND_TO_REVIEW, review, actor="w"), Moved)
    settled = Change(fields={"reason": reason})
    assert isinstance(stage.ledger.move(stage.record(key), verb, settled, actor="op"), Moved)

    stage.worker.maintenance.run_once()

    assert stage.state(key).final
    assert len(stage.pauses.standing()) == 1


def test_a_confirm_that_is_let_through_closes_nothing_unless_the_bank_answers_it(stage: Stage) -> None:
    """It reaches nobody and is resumed again; so the bank has served nothing."""
    stage.worker.breakers.close(host_of(stage))
    key = resumed(stage)
    for _ in range(FAILURES):
        stage.worker.breakers.failed(host_of(stage), "timeout")
    half_open(stage)
    unreachable(stage)
    stage.journey.confirm(key)
    assert stage.state(key) is State.RESUMED
    stage.worker.breakers.refresh()

    stage.worker.maintenance.run_once()

    assert stage.worker.breakers.refresh() == {host_of(stage)}
    assert stage.events.newest(1)[0].fields["verb"] == "breaker_stays_open"


@pytest.mark.parametrize("cause", [Cause.CREDENTIALS, Cause.SETUP_CODE])
def test_a_confirm_on_the_wire_ends_no_pause(stage: Stage, cause: Cause) -> None:
    stage.worker.breakers.close(host_of(stage))
    key = resumed(stage)
    stage.pauses.pause(Lane.CONFIRM, ALL, actor="w", reason="r", cause=cause)
    assert stage.pauses.let_try(stage.pauses.standing()[0], 1, actor="op", reason="try")
    claimed = claim(stage.ledger, stage.record(key), lane=Lane.CONFIRM, host=host_of(stage))
    assert isinstance(claimed, Moved)

    stage.worker.maintenance.run_once()

    assert [pause.trial for pause in stage.pauses.standing()] == [key]


def test_a_try_that_was_used_is_not_given_again_after_a_kill(stage: Stage) -> None:
    """The worker died between the try and the end of its entry, which comes to another worker."""
    stage.worker.breakers.close(host_of(stage))
    stage.pauses.pause(Lane.SEND, "main", actor="op", reason="487", cause=Cause.SETUP_CODE)
    (pause,) = stage.pauses.standing()
    inboxes = stage.worker.inbox._inboxes
    fields = {"pause": pause.id, "seen": str(pause.since_ms), "why": "w", "tries": "1"}
    inboxes.put(operator("aigul"), Kind.UNPAUSE, fields)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inboxes, "done", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stage.worker.inbox.run_once()
    first, second = stage.new("[decline:487]"), stage.new("[decline:487]")
    stage.journey.execute(first)
    stage.clock.advance(3600)

    stage.worker.inbox.run_once()

    assert stage.state(first) is State.DECLINED
    assert [pause.tries for pause in stage.pauses.standing()] == [0], second


def test_a_breaker_that_opens_anew_is_not_half_open(stage: Stage) -> None:
    """A probe was answered after the breaker had been closed."""
    stage.worker.breakers.close(host_of(stage))
    stage.worker.breakers.half_open(host_of(stage))
    for _ in range(FAILURES):
        stage.worker.breakers.failed(host_of(stage), "timeout")

    stage.worker.breakers.refresh()

    assert stage.worker.breakers.is_open(host_of(stage))


def test_an_answer_of_before_the_breaker_opened_anew_makes_it_not_half_open(stage: Stage) -> None:
    """The host answered late: meanwhile the breaker was closed, and has opened again."""
    host, breakers = host_of(stage), stage.worker.breakers
    stage.clock.advance(5)

    def late(_host: str) -> bool:
        breakers.close(host)
        stage.clock.advance(1)
        for _ in range(FAILURES):
            breakers.failed(host, "timeout")
        return True

    stage.worker.maintenance._ask_harmless = late
    keep_house(stage)
    key = stage.new("[500-after]")
    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED


def test_an_answer_of_before_a_trial_was_judged_does_not_outlive_what_came_of_it(stage: Stage) -> None:
    """It stays open for its time, and not for the half second until the next look."""
    half_open(stage)
    lost = stage.new("[500-after]")
    assert isinstance(claim(stage.ledger, stage.record(lost), host=host_of(stage)), Moved)
    stage.worker.maintenance.run_once()
    stage.clock.advance(stage.rules.preflight.lease_s + 31)
    stage.worker.maintenance.probe_once()  # its lease is over, and the host answers
    stage.sweeper.run_once()
    stage.worker.maintenance.run_once()
    assert stage.events.newest(1)[0].fields["verb"] == "breaker_stays_open"
    stage.worker.maintenance.run_once()

    other = stage.new("[500-after]")
    stage.journey.execute(other)

    assert stage.state(other) is State.QUEUED


def test_a_breaker_whose_trial_is_lost_lets_another_through(stage: Stage) -> None:
    """A ledger that was restored may have forgotten the transfer."""
    half_open(stage)
    lost = stage.new()
    assert isinstance(claim(stage.ledger, stage.record(lost), host=host_of(stage)), Moved)
    stage.ledger.client.delete(redis_keys.record(lost))
    stage.worker.maintenance.run_once()
    stage.worker.maintenance.run_once()
    half_open(stage, 10)

    key = stage.new()
    stage.journey.execute(key)
    stage.worker.maintenance.run_once()

    assert stage.state(key) is State.PAID
    assert stage.worker.breakers.refresh() == set()


def test_of_those_that_wait_for_a_half_open_breaker_one_asks_for_a_token(stage: Stage) -> None:
    """A bank that is coming back does not get the token requests of all that wait."""
    keys = [stage.new("[500-after]") for _ in range(20)]
    half_open(stage)
    before = stage.sandbox.book.calls["token"]

    for key in keys:
        stage.journey.execute(key)

    assert stage.sandbox.book.calls["token"] == before + 1
    assert [stage.state(key) for key in keys].count(State.QUEUED) == 19


def test_of_those_that_wait_for_a_paused_terminal_so_many_ask_for_a_token_as_may_go(stage: Stage) -> None:
    """One after the other; and none does any more when the tries are used up."""
    stage.worker.breakers.close(host_of(stage))
    pause_id = stage.pauses.pause(Lane.SEND, "main", actor="worker", reason="code 487", cause=Cause.SETUP_CODE)
    (pause,) = stage.pauses.standing()
    assert stage.pauses.let_try(pause, 2, actor="operator aigul", reason="try")
    stage.worker.maintenance.run_once()
    keys = [stage.new("[decline:487]") for _ in range(10)]
    before = stage.sandbox.book.calls["token"]

    for key in keys:
        stage.journey.execute(key)

    assert stage.sandbox.book.calls["token"] == before + 2
    assert [stage.state(key) for key in keys].count(State.DECLINED) == 2
    standing = stage.pauses.get(pause_id)
    assert standing is not None
    assert standing.tries == 0


def test_one_that_went_for_the_try_and_did_not_come_keeps_it_from_no_other_for_long(stage: Stage) -> None:
    """Its worker was killed while it waited for its token."""
    half_open(stage)
    gone, other = stage.new(), stage.new()
    host = f"host {host_of(stage)}"
    assert stage.worker.breakers.has_turn(gone, [host])
    stage.journey.execute(other)
    assert stage.state(other) is State.QUEUED

    stage.clock.advance(11)
    stage.worker.breakers.refresh()
    stage.journey.execute(other)

    assert stage.state(other) is State.PAID


def interrupted(_entries: object) -> None:
    raise KeyboardInterrupt
