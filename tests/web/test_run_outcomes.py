"""`run_outcomes` on the real server and in memory: each transfer's outcomes in order, and none holds up another's."""

import json
import logging
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.producers import IntentRejected, Money, Outcome, State, WrongCall, outcome_consumer
from epay_transfers.producers.outcome_consumer import backoff_s
from epay_transfers.producers.testing import FakeTransfers
from tests.support.clocks import FakeClock
from tests.support.logged import names_of
from tests.web.conftest import intent
from tests.web.real import RealTransfers

GROUP = "payouts"
Seen = list[tuple[str, int]]


class Died(BaseException):
    """In place of a process that ends in the middle of its handler."""


@pytest.fixture(params=["real", "fake"])
def transfers(request: pytest.FixtureRequest) -> FakeTransfers:
    """Both of them, played by the same verbs."""
    if request.param == "fake":
        return FakeTransfers()
    real: RealTransfers = request.getfixturevalue("real")
    return real


def run(transfers: FakeTransfers, handler: Callable[[Outcome], object] | None = None, **bent: Any) -> Seen:
    """What the handler was called with, until nothing is left."""
    seen: Seen = []

    def noting(outcome: Outcome) -> None:
        seen.append((outcome.reference, outcome.version))
        if handler is not None:
            handler(outcome)

    call: dict[str, Any] = {"group": GROUP, "idle": 0} | bent
    transfers.run_outcomes(noting, **call)
    return seen


def failing(reference: str, version: int = 1, times: int = 1000) -> Callable[[Outcome], None]:
    left = [times]

    def handler(outcome: Outcome) -> None:
        if (outcome.reference, outcome.version) == (reference, version) and left[0]:
            left[0] -= 1
            raise ValueError("4405639704015096")

    return handler


def dying(reference: str, version: int = 1) -> Callable[[Outcome], None]:
    def handler(outcome: Outcome) -> None:
        if (outcome.reference, outcome.version) == (reference, version):
            raise Died

    return handler


def die(transfers: FakeTransfers, reference: str, version: int = 1, consumer: str = "dead", **bent: Any) -> None:
    """A consumer of this name dies at this outcome."""
    with pytest.raises(Died):
        run(transfers, dying(reference, version), consumer=consumer, **bent)


def stop_after(transfers: FakeTransfers, rests: int) -> threading.Event:
    """Set after so many rests of a consumer: what it waits for does not come."""
    stop, advance, left = threading.Event(), transfers._time.advance, [rests]

    def pause(seconds: float) -> None:
        advance(seconds)
        left[0] -= 1
        if left[0] <= 0:
            stop.set()

    transfers._pause = pause
    return stop


def of(reference: str, seen: Seen) -> list[int]:
    return [version for each, version in seen if each == reference]


def three_moves(transfers: FakeTransfers, *references: str) -> None:
    """Versions 1 to 4 of each: queued, sending, in doubt, declined."""
    for reference in references:
        transfers.enqueue(intent(reference))
    for reference in references:
        transfers.doubt(reference)
        transfers.decline(reference)


def test_the_handler_is_called_with_each_move_once_and_its_return_acknowledges(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a", "b")
    outcomes: list[Outcome] = []

    seen = run(transfers, outcomes.append)

    assert of("a", seen) == of("b", seen) == [1, 2, 3, 4]
    assert (outcomes[-1].state, outcomes[-1].money, outcomes[-1].deliveries) == (State.DECLINED, Money.NONE, 1)
    assert run(transfers) == []


def test_the_handler_is_given_the_metadata_with_each_outcome_however_often(transfers: FakeTransfers) -> None:
    """Also after it raised, after a set aside and a replay, and by the consumer that comes after a dead one."""
    transfers.enqueue(intent("with", metadata={"user": "1001"}))
    transfers.enqueue(intent("without"))
    transfers.expire("with")
    told: list[tuple[str, int, dict[str, str]]] = []

    def handler(outcome: Outcome) -> None:
        told.append((outcome.reference, outcome.version, dict(outcome.metadata)))
        if outcome.reference == "with" and len(told) < 6:
            raise ValueError

    die(transfers, "with")
    run(transfers, handler, claim_after=0, set_aside_after=3)
    transfers.replay_outcomes(GROUP)
    run(transfers, handler)

    assert {version for reference, version, _ in told if reference == "with"} == {1, 2}
    assert len(told) > 4
    assert all(metadata == ({"user": "1001"} if name == "with" else {}) for name, _, metadata in told)


def test_metadata_that_can_not_be_read_hold_up_their_own_transfer_and_no_other(
    transfers: FakeTransfers, caplog: pytest.LogCaptureFixture
) -> None:
    three_moves(transfers, "bad", "good")
    client, name = transfers._context.ledger.client, redis_keys.record(transfers.find("bad").key)
    client.hset(name, mapping={"metadata": '{"user":1001}'})

    seen = run(transfers, consumer="one")

    assert (of("bad", seen), of("good", seen)) == ([], [1, 2, 3, 4])
    assert "outcome.unreadable" in names_of(caplog.records)
    client.hset(name, mapping={"metadata": '{"user":"1001"}'})
    assert of("bad", run(transfers, consumer="one")) == [1, 2, 3, 4]


def test_a_handler_that_raises_holds_up_its_own_transfer_and_no_other(transfers: FakeTransfers) -> None:
    names = [f"payout-{number}" for number in range(12)]
    three_moves(transfers, *names)

    seen = run(transfers, failing("payout-3", version=2, times=3))

    assert of("payout-3", seen) == [1, 2, 2, 2, 2, 3, 4]
    assert [of(name, seen) for name in names if name != "payout-3"] == [[1, 2, 3, 4]] * 11
    last_of_others = max(at for at, (name, _) in enumerate(seen) if name != "payout-3")
    assert seen[last_of_others + 1 :] == [("payout-3", version) for version in (2, 2, 2, 3, 4)], (
        "no other waited for a try"
    )


def test_an_outcome_says_how_often_it_was_handed_out(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent("a"))
    counts: list[int] = []

    def handler(outcome: Outcome) -> None:
        counts.append(outcome.deliveries)
        if outcome.deliveries < 4:
            raise ValueError

    run(transfers, handler)

    assert counts == [1, 2, 3, 4]


def test_the_iterator_says_it_too(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent("a"))

    def counts(**who: Any) -> list[int]:
        return [each.deliveries for each in transfers.outcomes(GROUP, idle=0, **who)]

    assert counts(consumer="one") == [1]
    assert counts(consumer="one") == [2], "after a restart"
    first = next(iter(transfers.outcomes(GROUP, consumer="two", idle=0, claim_after=0)))
    assert first.deliveries == 3, "another one took it"


def test_between_two_tries_it_waits_longer_and_longer(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent("a"))
    times: list[float] = []

    def handler(_outcome: Outcome) -> None:
        times.append(transfers._time.monotonic())
        raise ValueError

    run(transfers, handler, set_aside_after=4)

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [round(each) for each in pauses] == [1, 4, 16]


def test_the_pauses_are_seconds_at_first_and_ten_minutes_at_most() -> None:
    assert [backoff_s(count) for count in (1, 2, 3, 4, 5, 6, 10**9)] == [1, 4, 16, 64, 256, 600, 600]


def test_after_its_deliveries_it_is_set_aside_with_the_later_ones_of_its_transfer_alone(
    transfers: FakeTransfers,
) -> None:
    three_moves(transfers, "bad", "good")

    seen = run(transfers, failing("bad", version=2), set_aside_after=3)

    assert of("bad", seen) == [1, 2, 2, 2]
    assert of("good", seen) == [1, 2, 3, 4]
    first, *behind = transfers.outcomes_aside(GROUP)
    assert (first.group, first.reference, first.version, first.deliveries, first.error, first.is_behind) == (
        GROUP, "bad", 2, 3, "ValueError", False
    )  # fmt: skip
    assert [(each.version, each.deliveries, each.error, each.is_behind) for each in behind] == [
        (3, 0, "", True),
        (4, 0, "", True),
    ]

    assert run(transfers) == [], "none is owed any more"


def test_what_is_kept_and_logged_of_an_error_is_its_class_and_places_and_never_its_text(
    transfers: FakeTransfers, caplog: pytest.LogCaptureFixture
) -> None:
    transfers.enqueue(intent("bad"))
    caplog.set_level(logging.INFO)

    run(transfers, failing("bad"), set_aside_after=2)

    assert "4405639704015096" not in caplog.text
    assert "ValueError at " in caplog.text
    assert names_of(caplog.records).count("outcome.failed") == 2
    assert "outcome.set_aside" in names_of(caplog.records)
    assert "4405639704015096" not in json.dumps([each.to_json() for each in transfers.outcomes_aside(GROUP)])


def test_a_later_move_is_set_aside_behind_it_and_a_replay_brings_all_in_order(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent("bad"))
    transfers.doubt("bad")
    run(transfers, failing("bad", version=2), set_aside_after=2)
    transfers.decline("bad")
    assert run(transfers) == []
    assert [each.version for each in transfers.outcomes_aside(GROUP)] == [2, 3, 4]

    transfers.replay_outcomes(GROUP)

    assert run(transfers) == [("bad", 2), ("bad", 3), ("bad", 4)]
    assert transfers.outcomes_aside(GROUP) == []
    assert run(transfers) == []


def test_what_fails_in_its_replay_is_set_aside_again_after_as_many_deliveries(transfers: FakeTransfers) -> None:
    three_moves(transfers, "bad")
    run(transfers, failing("bad", version=2), set_aside_after=3)
    transfers.replay_outcomes(GROUP)

    seen = run(transfers, failing("bad", version=3), set_aside_after=3)

    assert seen == [("bad", version) for version in (2, 3, 3, 3)]
    assert [(each.version, each.is_behind) for each in transfers.outcomes_aside(GROUP)] == [(3, False), (4, True)]


def test_a_replay_of_one_transfer_leaves_the_others_set_aside(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a", "b")

    def handler(_outcome: Outcome) -> None:
        raise ValueError

    run(transfers, handler, set_aside_after=2)
    transfers.replay_outcomes(GROUP, "a")

    assert run(transfers) == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    assert {each.reference for each in transfers.outcomes_aside(GROUP)} == {"b"}


def test_beside_what_is_set_aside_all_else_goes_on(transfers: FakeTransfers) -> None:
    """A new transfer is taken, listed, and told."""
    transfers.enqueue(intent("bad"))
    run(transfers, failing("bad"), set_aside_after=2)
    transfers.replay_outcomes(GROUP)

    transfers.enqueue(intent("good"))

    assert {each.reference for each in transfers.list().items} == {"bad", "good"}
    assert run(transfers, failing("bad"), set_aside_after=2) == [("bad", 1), ("good", 1), ("bad", 1)]


def test_a_handler_that_acknowledges_by_itself_and_then_raises_or_is_stopped_owes_nothing(
    transfers: FakeTransfers,
) -> None:
    """What was acknowledged is dealt with, whatever the handler did then."""
    transfers.enqueue(intent("a"))
    stop = threading.Event()

    def handler(outcome: Outcome) -> None:
        outcome.ack()
        stop.set()
        raise ValueError

    assert run(transfers, handler, stop=stop) == [("a", 1)]
    assert run(transfers) == []


def test_groups_do_not_set_aside_for_one_another(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a")
    run(transfers, failing("a"), set_aside_after=2)

    assert run(transfers, group="books") == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    assert transfers.outcomes_aside("books") == []


def test_an_outcome_at_which_its_process_dies_each_time_is_set_aside_too(transfers: FakeTransfers) -> None:
    """The count outlives consumers. What stood behind it in the same batch did not fail, and is handed out."""
    three_moves(transfers, "bad", "good")
    for _ in range(3):
        die(transfers, "bad", set_aside_after=3)

    seen = run(transfers, consumer="dead", set_aside_after=3)

    assert seen == [("good", version) for version in (1, 2, 3, 4)]
    assert [(each.version, each.deliveries, each.error) for each in transfers.outcomes_aside(GROUP)] == [
        (1, 3, ""), (2, 0, ""), (3, 0, ""), (4, 0, "")
    ]  # fmt: skip


def test_what_a_dead_consumer_had_is_handed_out_by_another_in_the_order_of_each_transfer(
    transfers: FakeTransfers,
) -> None:
    transfers.enqueue(intent("a"))
    transfers.doubt("a")
    die(transfers, "a", version=2)
    transfers.decline("a")

    stop = stop_after(transfers, 5)
    assert run(transfers, consumer="two", stop=stop, claim_after=10**6) == [], (
        "the later one waits for what the dead had"
    )
    assert run(transfers, consumer="three", claim_after=0) == [("a", 2), ("a", 3), ("a", 4)]


def test_the_versions_of_a_transfer_rise_although_two_consumers_share_it(transfers: FakeTransfers) -> None:
    """While one is at version 1, the other gets version 2, and waits until the first is done."""
    transfers.enqueue(intent("a"))
    order: list[str] = []

    def slow(outcome: Outcome) -> None:
        order.append(f"one begins {outcome.version}")
        transfers.cancel(outcome.key, reason="a test")
        stop = stop_after(transfers, 3)
        order.extend(f"two {version}" for _, version in run(transfers, stop=stop, consumer="two", claim_after=10**6))
        order.append("one ends")

    transfers.run_outcomes(slow, group=GROUP, consumer="one", idle=0, stop=stop_after(transfers, 1), claim_after=10**6)
    transfers._pause = transfers._time.advance
    order.extend(f"two {version}" for _, version in run(transfers, consumer="two", claim_after=10**6))

    assert order == ["one begins 1", "one ends", "two 2"]


def test_what_another_claimed_from_a_slow_handler_is_not_handed_out_by_both(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a", "b")
    others: Seen = []

    def slow(_outcome: Outcome) -> None:
        if not others:
            others.extend(run(transfers, consumer="two", claim_after=0))

    seen = run(transfers, slow, consumer="one", claim_after=0)

    assert (of("a", others), of("b", others)) == ([1, 2, 3, 4], [1, 2, 3, 4])
    assert seen == [("a", 1)]


def test_a_stopped_consumer_finishes_its_call_and_hands_out_nothing_more(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a", "b")
    stop = threading.Event()

    seen = run(transfers, lambda _outcome: stop.set(), stop=stop)

    assert seen == [("a", 1)]
    assert len(run(transfers, claim_after=3600)) == 7, "what it gave back is another's at once, and that one is not"


def test_what_a_stopped_consumer_had_not_handed_out_counts_as_no_delivery(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a")
    stop = threading.Event()
    run(transfers, lambda _outcome: stop.set(), stop=stop)
    counts: list[int] = []

    run(transfers, lambda outcome: counts.append(outcome.deliveries))

    assert counts == [1, 1, 1]


def test_a_consumer_that_is_stopped_before_it_begins_takes_nothing(transfers: FakeTransfers) -> None:
    three_moves(transfers, "a")
    stop = threading.Event()
    stop.set()

    assert run(transfers, stop=stop) == []
    assert len(run(transfers)) == 4


def test_however_many_fail_a_consumer_holds_no_more_than_it_may(
    transfers: FakeTransfers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes nothing new then; once they are dealt with, all others come."""
    monkeypatch.setattr(outcome_consumer, "_MOST_HELD", 5)
    names = [f"payout-{number}" for number in range(12)]
    three_moves(transfers, *names)
    held: list[int] = []
    real_step = outcome_consumer.OutcomeConsumer._step

    def step(self: outcome_consumer.OutcomeConsumer, is_stopped: Callable[[], bool]) -> bool:
        held.append(len(self._held))
        return real_step(self, is_stopped)

    monkeypatch.setattr(outcome_consumer.OutcomeConsumer, "_step", step)
    failed: set[tuple[str, int]] = set()

    def handler(outcome: Outcome) -> None:
        this = (outcome.reference, outcome.version)
        if this not in failed:
            failed.add(this)
            raise ValueError

    seen = run(transfers, handler)

    assert max(held) == 5
    assert "outcomes.away" not in names_of(caplog.records)
    assert [of(name, seen) for name in names] == [[1, 1, 2, 2, 3, 3, 4, 4]] * 12


def test_where_it_is_full_those_that_wait_for_another_consumer_make_room(
    transfers: FakeTransfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are owed as before, and come once that one is claimed."""
    names = [f"payout-{number}" for number in range(5)]
    for name in names:
        transfers.enqueue(intent(name))
    die(transfers, "payout-0")
    for name in names:
        transfers.doubt(name)
    transfers.enqueue(intent("other"))
    monkeypatch.setattr(outcome_consumer, "_MOST_HELD", 5)

    stop = stop_after(transfers, 30)
    assert run(transfers, consumer="two", stop=stop, claim_after=10**6) == [("other", 1)]
    seen = run(transfers, consumer="three", claim_after=0)
    assert [of(name, seen) for name in names] == [[1, 2, 3]] * 5


def test_an_outcome_that_another_version_wrote_stays_owed_and_the_later_ones_of_its_transfer_wait(
    transfers: FakeTransfers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_moves(transfers, "a", "b")
    upgrade = _make_unreadable(transfers, "a", 2, monkeypatch)

    seen = run(transfers)

    assert of("a", seen) == [1]
    assert of("b", seen) == [1, 2, 3, 4]
    assert names_of(caplog.records).count("outcome.unreadable") == 1
    upgrade()
    assert run(transfers, claim_after=0) == [("a", 2), ("a", 3), ("a", 4)], "a version that can read it came"


def test_while_the_bank_contradicts_an_end_its_money_is_unknown(real: RealTransfers) -> None:
    receipt = real.enqueue(intent("a"))
    real.doubt("a")
    real.decline("a")
    real._books.client.hset(redis_keys.CONTRADICTED, receipt.key, "paid CHARGE")
    outcomes: list[Outcome] = []

    run(real, outcomes.append)

    assert (outcomes[-1].state, outcomes[-1].money) == (State.DECLINED, Money.UNKNOWN)


def test_where_the_ledger_does_not_take_the_acknowledgement_the_handler_is_not_called_again(
    transfers: FakeTransfers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    three_moves(transfers, "a")
    real_ack, left = transfers._feed.ack, [2]

    def ack(group: str, event_id: str) -> None:
        if left[0]:
            left[0] -= 1
            raise LedgerUnavailable
        real_ack(group, event_id)

    monkeypatch.setattr(transfers._feed, "ack", ack)

    assert run(transfers) == [("a", version) for version in (1, 2, 3, 4)]
    assert names_of(caplog.records) == ["outcomes.away", "outcomes.back"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
def test_a_name_that_is_none_is_refused_at_once(transfers: FakeTransfers, name: str) -> None:
    with pytest.raises(IntentRejected):
        run(transfers, group=name)


async def _async_handler(_outcome: Outcome) -> None:
    """It would never run."""


def _returns_a_coroutine(outcome: Outcome) -> object:
    return _async_handler(outcome)


@pytest.mark.parametrize("handler", [_async_handler, _returns_a_coroutine, None])
def test_a_handler_that_is_async_or_none_is_a_wrong_call_and_acknowledges_nothing(
    transfers: FakeTransfers, handler: Any
) -> None:
    transfers.enqueue(intent("a"))

    with pytest.raises(WrongCall):
        transfers.run_outcomes(handler, group=GROUP, idle=0)
    assert run(transfers) == [("a", 1)]


def test_fewer_than_two_deliveries_are_a_wrong_call(transfers: FakeTransfers) -> None:
    """What a dead consumer only took counts as one, and would be set aside without a try."""
    with pytest.raises(WrongCall):
        run(transfers, set_aside_after=1)


# On the server alone.


def test_a_consumer_without_a_name_of_its_own_leaves_none_behind(
    real: RealTransfers, ledger_client: redis.Redis
) -> None:
    three_moves(real, "a")
    run(real)

    assert ledger_client.xinfo_consumers(redis_keys.EVENTS, GROUP) == []


def test_the_log_is_not_trimmed_past_what_is_set_aside(
    real: RealTransfers, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Trimming is by whole nodes of the stream, so there must be many."""
    events = Events(ledger_client, clock)
    for number in range(300):
        real.enqueue(intent(f"payout-{number}"))
    run(real, failing("payout-0"), set_aside_after=2)
    clock.advance(10**7)

    assert events.trim(0) == 0
    real.replay_outcomes(GROUP)
    assert run(real) == [("payout-0", 1)]
    assert events.trim(0) > 0


def test_a_group_that_the_ledger_lost_begins_anew(
    real: RealTransfers, ledger_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    three_moves(real, "a")

    def handler(outcome: Outcome) -> None:
        if outcome.version == 4 and not caplog.records:
            ledger_client.xgroup_destroy(redis_keys.EVENTS, GROUP)

    assert run(real, handler, stop=stop_after(real, 3)) == 2 * [("a", version) for version in (1, 2, 3, 4)]
    assert names_of(caplog.records) == ["outcomes.away", "outcomes.back"]


def test_an_outcome_that_is_set_aside_twice_is_kept_once(real: RealTransfers, ledger_client: redis.Redis) -> None:
    """Its consumer died after it was written; it is owed no more, so no other consumer gets it."""
    real.enqueue(intent("a"))
    run(real, failing("a"), set_aside_after=2)

    assert run(real, claim_after=0) == []
    assert ledger_client.xpending(redis_keys.EVENTS, GROUP)["pending"] == 0
    assert len(real.outcomes_aside(GROUP)) == 1


def _make_unreadable(
    transfers: FakeTransfers, reference: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """The event of that move is as if another version of the program had written it; what is returned mends it."""
    key, can_read, real_of = transfers.get(reference=reference).key, [False], Outcome.of

    def of_event(event: Event, acknowledge: Callable[[], None], deliveries: int = 1) -> Outcome | None:
        if not can_read[0] and (event.fields.get("key"), event.fields.get("version")) == (key, str(version)):
            raise ValueError
        return real_of(event, acknowledge, deliveries)

    monkeypatch.setattr(Outcome, "of", of_event)
    return lambda: can_read.append(can_read.pop() or True)
