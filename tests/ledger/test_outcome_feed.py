"""What a group's consumers owe, in the order of each transfer: counted, given back, set aside and replayed."""

import pytest
import redis

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.outcome_feed import OfRecord, OutcomeFeed, SetAside, Turn
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome, OutcomesAside
from epay_transfers.ledger.store.replies import Created
from tests.support.clocks import FakeClock
from tests.support.costs import counted
from tests.support.factories import claim, new_transfer

GROUP = "payouts"
LATER_MS = 10**9


@pytest.fixture
def feed(ledger_client: redis.Redis, clock: FakeClock) -> OutcomeFeed:
    feed = OutcomeFeed(ledger_client, clock)
    feed.join(GROUP)
    return feed


@pytest.fixture
def moves(ledger: Ledger, feed: OutcomeFeed) -> list[Event]:
    """Three moves of one transfer; the consumer `one` has taken them."""
    (made,) = ledger.create([new_transfer("payout-1")], actor="backend")
    assert isinstance(made, Created)
    claim(ledger, made.record, lease_ms=60_000)
    record = ledger.get(made.record.key)
    assert record is not None
    ledger.move(record, Verb.DOUBT, Change(due_in=5_000, fields={"reason": "timeout"}), actor="worker")
    return feed.take(GROUP, "one", count=10)


def aside_of(event: Event, group: str = GROUP) -> AsideOutcome:
    return AsideOutcome(
        group=group, key=event.fields["key"], place=event.id, reference=event.fields["reference"], version=1,
        state="queued", deliveries=8, error="KeyError", is_behind=False, at_ms=1,
    )  # fmt: skip


def turns(feed: OutcomeFeed, *events: Event) -> list[Turn]:
    return feed.turns(GROUP, [(event.fields["key"], event.id) for event in events])


def pending(client: redis.Redis) -> int:
    return int(client.xpending(redis_keys.EVENTS, GROUP)["pending"])


def test_what_is_looked_at_or_claimed_counts_as_no_delivery(feed: OutcomeFeed, moves: list[Event]) -> None:
    own = feed.owed(GROUP, "one", count=10, but=())
    claimed = feed.owed(GROUP, "two", count=10, but=(), idle_ms=0)

    assert [(each.event, each.count) for each in own] == [(move, 1) for move in moves]
    assert claimed == own
    assert feed.owed(GROUP, "one", count=10, but=()) == [], "they are the other one's"


def test_what_is_not_owed_for_so_long_is_not_claimed(feed: OutcomeFeed, moves: list[Event]) -> None:
    assert feed.owed(GROUP, "two", count=10, but=(), idle_ms=LATER_MS) == []


def test_only_so_many_are_claimed_the_oldest_first_and_none_that_is_held(feed: OutcomeFeed, moves: list[Event]) -> None:
    found = feed.owed(GROUP, "two", count=1, but={moves[0].id}, idle_ms=0)

    assert [each.event for each in found] == [moves[1]]


def test_more_than_a_page_is_looked_through(
    feed: OutcomeFeed, moves: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epay_transfers.ledger.store.outcome_feed._PAGE", 1)

    assert [each.event for each in feed.owed(GROUP, "one", count=10, but={moves[0].id})] == moves[1:]


def test_a_delivery_is_counted_before_it_comes(feed: OutcomeFeed, moves: list[Event]) -> None:
    assert feed.count_delivery(GROUP, "one", moves[0].id, 2)
    assert [each.count for each in feed.owed(GROUP, "one", count=10, but=())] == [2, 1, 1]
    assert feed.counts(GROUP, "one", moves) == dict(zip([move.id for move in moves], [2, 1, 1], strict=True))


def test_what_was_acknowledged_is_not_delivered_again(feed: OutcomeFeed, moves: list[Event]) -> None:
    feed.ack(GROUP, moves[0].id)

    assert not feed.count_delivery(GROUP, "one", moves[0].id, 2)
    assert pending(feed._client) == 2


def test_a_consumer_keeps_what_is_still_its_own(feed: OutcomeFeed, moves: list[Event]) -> None:
    feed.ack(GROUP, moves[0].id)
    feed.owed(GROUP, "two", count=1, but=(), idle_ms=0)

    assert feed.keep(GROUP, "one", [move.id for move in moves]) == {moves[2].id}
    assert feed.keep(GROUP, "one", []) == set()


def test_what_is_given_back_is_another_ones_at_once(feed: OutcomeFeed, moves: list[Event]) -> None:
    feed.release(GROUP, "one", [moves[0].id], count=0)
    feed.release(GROUP, "one", [])

    found = feed.owed(GROUP, "two", count=10, but=(), idle_ms=60_000)
    assert [(each.event, each.count) for each in found] == [(moves[0], 0)]


def test_the_move_before_is_found_by_the_records_history(feed: OutcomeFeed, moves: list[Event]) -> None:
    key = moves[0].fields["key"]

    found = feed.of_records([(key, move.id) for move in moves])
    assert [each.before for each in found] == ["", moves[0].id, moves[1].id]
    assert feed.of_records([("no key", moves[0].id), ("251124999999", moves[0].id)]) == [OfRecord(), OfRecord()]
    assert feed.of_records([]) == []


def test_what_a_batch_needs_of_its_records_is_one_round_trip(
    feed: OutcomeFeed, moves: list[Event], ledger_client: redis.Redis
) -> None:
    """So metadata cost a consumer none beside the one that it made for their order."""
    with counted({"ledger": ledger_client}) as costs:
        feed.of_records([(move.fields["key"], move.id) for move in moves])

    assert costs["ledger"].trips == 1


def test_an_outcome_waits_while_the_one_before_it_is_owed_by_anyone(feed: OutcomeFeed, moves: list[Event]) -> None:
    feed.owed(GROUP, "two", count=1, but=(), idle_ms=0)
    assert turns(feed, *moves) == [Turn.WAITS, Turn.WAITS, Turn.WAITS]

    feed.ack(GROUP, moves[1].id)

    assert turns(feed, *moves) == [Turn.WAITS, Turn.READY, Turn.WAITS]


def test_what_is_set_aside_is_kept_once_and_owed_no_more(
    feed: OutcomeFeed, moves: list[Event], ledger_client: redis.Redis
) -> None:
    assert feed.set_aside("one", aside_of(moves[0])) is SetAside.ASIDE
    assert feed.set_aside("one", aside_of(moves[0])) is SetAside.GONE

    assert OutcomesAside(ledger_client).all() == [aside_of(moves[0])]
    assert OutcomesAside(ledger_client).counts() == {GROUP: 1}
    assert pending(ledger_client) == 2
    assert turns(feed, moves[0]) == [Turn.ASIDE]


def test_what_another_consumer_has_is_not_set_aside(feed: OutcomeFeed, moves: list[Event]) -> None:
    assert feed.set_aside("two", aside_of(moves[0])) is SetAside.GONE
    assert OutcomesAside(feed._client).all() == []


def test_one_is_set_aside_behind_another_only_while_that_is_aside_and_not_to_be_replayed(
    feed: OutcomeFeed, moves: list[Event]
) -> None:
    behind = aside_of(moves[1])
    assert feed.set_aside("one", behind, behind=moves[0].id) is SetAside.LATER

    feed.set_aside("one", aside_of(moves[0]))
    OutcomesAside(feed._client).ask_replay(GROUP, [behind.key], "aigul")
    assert feed.set_aside("one", behind, behind=moves[0].id) is SetAside.LATER
    assert pending(feed._client) == 2

    feed._client.delete(redis_keys.OUTCOME_REPLAYS)
    assert feed.set_aside("one", behind, behind=moves[0].id) is SetAside.ASIDE


def test_a_replay_makes_them_owed_again_as_if_they_had_never_come(feed: OutcomeFeed, moves: list[Event]) -> None:
    aside = OutcomesAside(feed._client)
    for move in moves:
        feed.set_aside("one", aside_of(move))
    assert feed.replay(GROUP, "two", most=10) == [], "it was not asked for"
    aside.ask_replay(GROUP, [moves[0].fields["key"]], "aigul")

    found = feed.replay(GROUP, "two", most=10)

    assert [(each.event, each.count) for each in found] == [(move, 0) for move in moves]
    assert (aside.all(), aside.replays()) == ([], set())
    assert feed.replay(GROUP, "three", most=10) == [], "one consumer has them"
    assert feed.owed(GROUP, "two", count=10, but=()) == found
    assert turns(feed, moves[0]) == [Turn.WAITS]


def test_of_two_consumers_that_saw_what_was_asked_one_gets_it(feed: OutcomeFeed, moves: list[Event]) -> None:
    """And what was dealt with meanwhile does not come again."""
    key, fields = moves[0].fields["key"], [aside_of(moves[0]).field]
    feed.set_aside("one", aside_of(moves[0]))
    aside = OutcomesAside(feed._client)
    aside.ask_replay(GROUP, [key], "aigul")

    assert feed._replayed(GROUP, "two", key, fields) == [moves[0].id]
    assert feed._replayed(GROUP, "three", key, fields) == []
    feed.set_aside("two", aside_of(moves[0]))
    assert feed._replayed(GROUP, "three", key, fields) == [], "it failed again, and was asked for once"
    aside.ask_replay(GROUP, [key], "aigul")
    assert feed._replayed(GROUP, "three", key, fields) == [moves[0].id]
    feed.ack(GROUP, moves[0].id)
    aside.ask_replay(GROUP, [key], "aigul")
    assert feed._replayed(GROUP, "three", key, fields) == []


def test_a_replay_takes_nothing_of_another_group_or_transfer_and_only_so_many(
    feed: OutcomeFeed, moves: list[Event]
) -> None:
    feed.join("books")
    feed.take("books", "one", count=10)
    feed.set_aside("one", aside_of(moves[0], "books"))
    feed.set_aside("one", aside_of(moves[0]))
    aside = OutcomesAside(feed._client)
    aside.ask_replay(GROUP, [moves[0].fields["key"], "251124999999"], "aigul")

    assert feed.replay("books", "one", most=10) == []
    found = feed.replay(GROUP, "one", most=1) + feed.replay(GROUP, "one", most=1)
    assert [each.event for each in found] == [moves[0]]
    assert [each.group for each in aside.all()] == ["books"]
    assert aside.replays() == set()


def test_what_was_taken_out_of_the_log_stays_set_aside(feed: OutcomeFeed, moves: list[Event]) -> None:
    feed.set_aside("one", aside_of(moves[0]))
    feed._client.xdel(redis_keys.EVENTS, moves[0].id)
    aside = OutcomesAside(feed._client)
    aside.ask_replay(GROUP, [moves[0].fields["key"]], "aigul")

    assert feed.replay(GROUP, "one", most=10) == []
    assert [each.place for each in aside.all()] == [moves[0].id]
