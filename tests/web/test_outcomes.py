"""The outcome feed on the real server: at least once, shared by consumers, and nothing lost by whoever dies."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.outcome_feed import OutcomeFeed
from epay_transfers.producers import IntentRejected, LedgerUnavailable, Money, Outcome, State, Transfers
from epay_transfers.producers.testing import FakeTransfers
from tests.support.clocks import FakeClock
from tests.support.in_a_loop import in_a_loop
from tests.support.logged import names_of
from tests.web.conftest import intent
from tests.web.real import RealTransfers


@pytest.fixture(params=["real", "fake", "async real", "async fake"])
def transfers(request: pytest.FixtureRequest) -> Iterator[FakeTransfers]:
    """All of them, played by the same verbs."""
    one: FakeTransfers = request.getfixturevalue("real") if "real" in request.param else FakeTransfers()
    with in_a_loop(one) if "async" in request.param else nullcontext(one) as given:
        yield given


def read(
    transfers: Transfers, consumer: str | None = None, *, claim_after: float = 60.0, count: int = 100
) -> list[Outcome]:
    """What there is now. It is not acknowledged."""
    found = []
    for outcome in transfers.outcomes("payouts", consumer=consumer, idle=0, claim_after=claim_after):
        found.append(outcome)
        if len(found) == count:
            break
    return found


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


def test_every_move_is_told_with_what_a_payer_asks(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent("payout-1"))
    transfers.doubt(receipt.key)
    transfers.decline(receipt.key, "476")

    first, *_, doubt, last = read(transfers)

    assert (first.key, first.reference, first.version, first.state) == (receipt.key, "payout-1", 1, State.QUEUED)
    assert (doubt.state, doubt.final, doubt.money, doubt.reason) == (State.IN_DOUBT, False, Money.UNKNOWN, "timeout")
    assert (last.state, last.final, last.money, last.code) == (State.DECLINED, True, Money.NONE, "476")
    assert last.version == transfers.get(receipt.key).version
    assert last.next_at is None


def test_times_and_tries_are_in_it(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    transfers._move(
        transfers._named(receipt.key),
        Verb.DEFER,
        Change(due_in=5_000, fields={"next_attempt_at": 1_795_500_005_000, "attempts": 3, "reason": "token_http_503"}),
    )
    transfers._move(
        transfers._named(receipt.key), Verb.DECLINE, Change(fields={"code": "476", "not_before_at": 1_795_501_800_000})
    )

    deferred, declined = read(transfers)[-2:]

    assert deferred.next_at is not None
    assert (deferred.next_at.timestamp(), deferred.attempts) == (1_795_500_005, 3)
    assert declined.not_before is not None
    assert (declined.not_before.timestamp(), declined.attempts) == (1_795_501_800, 3)


@pytest.mark.parametrize("verb", ["pay", "decline", "expire", "doubt"])
def test_each_outcome_has_its_transfers_metadata(transfers: FakeTransfers, verb: str) -> None:
    transfers.enqueue(intent("with", metadata={"user": "1001"}))
    transfers.enqueue(intent("without"))
    for name in ("with", "without"):
        getattr(transfers, verb)(name)

    found = read(transfers)

    assert {(each.reference, dict(each.metadata).get("user")) for each in found} == {
        ("with", "1001"),
        ("without", None),
    }
    assert len(found) >= 4
    assert "1001" not in repr(found), "what is logged most easily"
    assert len(set(found)) == len(found), "an outcome can be an element of a set"


def test_an_outcome_without_its_record_has_no_metadata(transfers: FakeTransfers) -> None:
    """A transfer's event of another ledger, say: it is told as ever."""
    told = {"verb": "pay", "key": "251124999999", "reference": "x", "state": "paid", "version": "9", "at": "1"}
    transfers._context.ledger.client.xadd(redis_keys.EVENTS, told)  # type: ignore[arg-type]  # str is a field's type

    (outcome,) = read(transfers)

    assert (outcome.key, outcome.state, outcome.metadata) == ("251124999999", State.PAID, {})


def test_metadata_that_can_not_be_read_leave_the_outcome_owed_and_hold_up_no_other(
    transfers: FakeTransfers, caplog: pytest.LogCaptureFixture
) -> None:
    """As what another version wrote: never an outcome that says that there are none."""
    bad, _ = (transfers.enqueue(intent(name)) for name in ("bad", "good"))
    name = redis_keys.record(bad.key)
    transfers._context.ledger.client.hset(name, mapping={"metadata": '{"user":1001}'})

    for _ in range(2):
        assert [each.reference for each in read(transfers, "one")] == ["good"]
    assert "outcome.unreadable" in names_of(caplog.records)
    transfers._context.ledger.client.hset(name, mapping={"metadata": '{"user":"1001"}'})
    assert [each.metadata for each in read(transfers, "one")] == [{"user": "1001"}, {}]


def test_what_is_acknowledged_does_not_come_again_and_the_rest_does(transfers: FakeTransfers) -> None:
    for number in range(3):
        transfers.enqueue(intent(f"payout-{number}"))
    first, *others = read(transfers, "one")
    first.ack()

    assert read(transfers, "one") == others
    for outcome in others:
        outcome.ack()
    assert read(transfers, "one") == []


def test_a_consumer_that_comes_back_goes_on_with_what_it_had_not_acknowledged(transfers: FakeTransfers) -> None:
    for number in range(25):
        transfers.enqueue(intent(f"payout-{number}"))
    before = read(transfers, "one", count=13)

    after = read(transfers, "one")

    assert after[:13] == before
    assert len(after) == 25


def test_consumers_of_a_group_share_the_work(transfers: FakeTransfers) -> None:
    for number in range(12):
        transfers.enqueue(intent(f"payout-{number}"))

    one = read(transfers, "one", count=10)
    two = read(transfers, "two")

    assert len(one) + len(two) == 12
    assert not {outcome.key for outcome in one} & {outcome.key for outcome in two}


def test_what_a_dead_consumer_left_is_given_to_another(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent())
    left = read(transfers, "dead")
    assert read(transfers, "two") == []

    found = [next(transfers.outcomes("payouts", consumer="two", idle=0, claim_after=0))]

    assert found == left
    found[0].ack()
    assert read(transfers, "three", claim_after=0) == []


def test_groups_do_not_take_from_one_another_and_a_new_one_begins_at_the_beginning(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent())
    for outcome in read(transfers):
        outcome.ack()

    assert states(list(transfers.outcomes("books", idle=0))) == [State.QUEUED]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "4405639704015096\n"])
def test_a_name_that_is_none_is_refused_at_once(transfers: FakeTransfers, name: str) -> None:
    with pytest.raises(IntentRejected):
        transfers.outcomes(name)


# On the server alone.


def test_what_is_no_transfers_move_is_passed_over(
    real: RealTransfers, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    real.enqueue(intent())
    Events(ledger_client, clock).alarm(Alarm.CONTRADICTION, actor="worker", key="1", bank_said="pay")

    assert states(read(real)) == [State.QUEUED]
    assert owed(ledger_client) == 1


def test_a_reader_without_a_name_of_its_own_leaves_none_behind(real: RealTransfers, ledger_client: redis.Redis) -> None:
    real.enqueue(intent())
    for outcome in real.outcomes("payouts", idle=0):
        outcome.ack()

    assert ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts") == []


def test_a_reader_that_owes_something_is_not_forgotten(real: RealTransfers, ledger_client: redis.Redis) -> None:
    """Or what it owes would never come again."""
    real.enqueue(intent())
    read(real)

    assert owed(ledger_client) == 1
    assert states(read(real, claim_after=0, count=1)) == [State.QUEUED]


def test_nothing_that_a_group_has_not_acknowledged_is_trimmed(
    real: RealTransfers, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Trimming is by whole nodes of the stream, so there must be many."""
    events = Events(ledger_client, clock)
    for number in range(300):
        real.enqueue(intent(f"payout-{number}"))
    clock.advance(10**7)
    first, *others = read(real, "one", count=1000)
    for outcome in others:
        outcome.ack()

    assert events.trim(0) == 0
    assert read(real, "one") == [first]
    first.ack()
    events.trim(0)
    assert read(real, "one") == []


def test_while_the_ledger_is_away_it_says_so(clock: FakeClock) -> None:
    fake = FakeTransfers()
    fake._feed = OutcomeFeed(connect("redis://127.0.0.1:1/0"), clock)

    with pytest.raises(LedgerUnavailable):
        fake.outcomes("payouts")


def test_a_fakes_ledger_that_is_away_is_said_at_each_step() -> None:
    """As the real one says it: so a backend's own test sees what its listener does then."""
    fake = FakeTransfers()
    fake.enqueue(intent())
    (outcome,) = fake.outcomes("payouts")
    reading = fake.outcomes("payouts", claim_after=0)

    fake.set_away(ledger=True)
    for call in (outcome.ack, lambda: fake.outcomes("payouts"), lambda: next(reading), lambda: run(fake)):
        with pytest.raises(LedgerUnavailable):
            call()
    fake.set_away()

    assert [each.reference for each in run(fake)] == ["order-1"]


def run(transfers: FakeTransfers) -> list[Outcome]:
    seen: list[Outcome] = []
    transfers.run_outcomes(seen.append, group="payouts", claim_after=0)
    return seen


def owed(client: redis.Redis) -> int:
    return int(client.xpending(redis_keys.EVENTS, "payouts")["pending"])


def test_an_event_of_another_version_ends_no_reader_and_is_not_lost(
    transfers: FakeTransfers, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer version was rolled back: its events stay owed, and all others are read."""
    transfers.enqueue(intent())
    key = transfers.pay("order-1").key
    strange = {"verb": "refund", "key": key, "reference": "order-1", "state": "refunded", "version": "9", "at": "1"}
    transfers._context.ledger.client.xadd(redis_keys.EVENTS, strange)  # type: ignore[arg-type]  # str is a field's type
    transfers.enqueue(intent("order-2"))

    for _ in range(2):
        found = read(transfers, "one")
        assert (found[-1].reference, found[-1].state) == ("order-2", State.QUEUED)
        assert "refunded" not in states(found)
    assert "outcome.unreadable" in names_of(caplog.records)
